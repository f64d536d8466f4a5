"""The charts, read back from their Axes: no image is compared."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import carlib
from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate

PHOTOS = pd.DataFrame(
    {
        "damage_class": ["dent"] * 5 + ["lamp"] * 3 + ["dent"] * 2 + ["scratch"],
        "subset": ["T"] * 8 + ["V"] * 3,
    }
)
PREDICTIONS = pd.DataFrame(
    {
        "damage_class": ["dent"] * 4 + ["lamp"] * 2,
        "score": 0.7,
        "dent": [0.7, 0.7, 0.7, 0.3, 0.3, 0.7],
        "lamp": [0.3, 0.3, 0.3, 0.7, 0.7, 0.3],
        "scratch": 0.0,
    }
)


def history(train=(0.5, 0.9, 0.95), validation=(0.4, 0.8, 0.7)) -> pd.DataFrame:
    rows = []
    for dataset, figures in (("Train", train), ("Validation", validation)):
        rows += [
            (epoch, dataset, figure, 1 - figure, 0.01)
            for epoch, figure in enumerate(figures)
        ]
    columns = ["epoch", "dataset", "accuracy", "cross_entropy", "learning_rate"]
    return pd.DataFrame(rows, columns=columns)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def curves(ax) -> dict[str, list[float]]:
    lines = {line.get_label(): line for line in ax.lines}
    return {
        name: list(line.get_ydata())
        for name, line in lines.items()
        if not name.startswith("_")
    }


def star(ax) -> tuple[float, float]:
    (line,) = [line for line in ax.lines if line.get_marker() == "*"]
    return line.get_xdata()[0], line.get_ydata()[0]


def test_class_balance_has_a_bar_with_its_count_for_each_class_and_subset():
    ax = carlib.plot_class_balance(PHOTOS)
    training, validation = ax.containers[:2]
    assert labels(ax.yaxis) == ["dent", "lamp", "scratch"]
    assert [bar.get_width() for bar in training] == [5, 3, 0]
    assert [bar.get_width() for bar in validation] == [2, 0, 1]
    assert texts(ax) == ["5", "3", "0", "2", "0", "1"]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["Training set: 8", "Test set: 3"]


def test_class_balance_tells_the_subsets_apart_without_colour():
    ax = carlib.plot_class_balance(PHOTOS)
    hatches = [{bar.get_hatch() for bar in bars} for bars in ax.containers[:2]]
    assert hatches[0].isdisjoint(hatches[1])


def test_class_balance_lists_the_classes_from_the_top():
    ax = carlib.plot_class_balance(PHOTOS)
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_class_balance_of_one_subset_has_no_empty_bars():
    ax = carlib.plot_class_balance(PHOTOS[PHOTOS["subset"] == "T"])
    assert len(ax.containers) == 1 and texts(ax) == ["5", "3"]


def test_history_shows_accuracy_above_cross_entropy():
    figure = carlib.plot_history(history())
    above, below = figure.axes
    assert curves(above) == {"Train": [0.5, 0.9, 0.95], "Validation": [0.4, 0.8, 0.7]}
    assert curves(below)["Validation"] == pytest.approx([0.6, 0.2, 0.3])
    assert (above.get_title("left"), below.get_title("left")) == (
        "Accuracy",
        "Cross-entropy",
    )
    assert below.get_xlabel() == "Epoch"
    assert below.get_ylim()[0] == 0


def test_history_tells_train_and_validation_apart_without_colour():
    lines = carlib.plot_history(history()).axes[0].lines[:2]
    assert len({line.get_marker() for line in lines}) == 2
    assert len({line.get_linestyle() for line in lines}) == 2


def test_history_of_a_model_marks_the_epoch_that_it_kept():
    model = SimpleNamespace(history=history(), best_epoch=2)
    above, below = carlib.plot_history(model).axes
    assert star(above) == (2, 0.7) and star(below) == (2, pytest.approx(0.3))
    assert above.get_title("right") == "best epoch 2: validation 0.700"
    assert below.get_title("right") == "best epoch 2: validation 0.300"


def test_history_alone_marks_the_first_epoch_of_the_highest_accuracy():
    above, _ = carlib.plot_history(history(validation=(0.4, 0.8, 0.8))).axes
    assert star(above) == (1, 0.8)


@pytest.mark.parametrize(("dataset", "best"), [("Train", 2), ("Validation", 1)])
def test_history_of_one_set_alone_is_drawn_and_marked(dataset, best):
    table = history()
    above, _ = carlib.plot_history(table[table["dataset"] == dataset]).axes
    assert list(curves(above)) == [dataset]
    assert star(above)[0] == best
    assert dataset.lower() in above.get_title("right")


def test_history_has_whole_epochs_and_few_markers():
    many = np.linspace(0.1, 0.9, 200)
    above, below = carlib.plot_history(history(many, many)).axes
    assert above.lines[0].get_markevery() == 13
    few = carlib.plot_history(history()).axes[1]
    few.figure.canvas.draw()
    assert all(tick == int(tick) for tick in few.get_xticks())


def test_confusion_shows_counts_with_recall_on_the_diagonal():
    ax = carlib.plot_confusion(evaluate(PREDICTIONS))
    expected = ["3\n75%", "1", "0", "1", "1\n50%", "0", "0", "0", "0"]
    assert texts(ax) == expected
    assert labels(ax.xaxis) == ["dent", "lamp", "scratch"]
    assert labels(ax.yaxis) == ["dent (4)", "lamp (2)", "scratch (0)"]
    assert ax.get_xlabel() == "Predicted class"
    assert ax.get_ylabel() == "Actual class (photos)"


def test_confusion_is_shaded_by_the_share_of_the_actual_class():
    (image,) = carlib.plot_confusion(evaluate(PREDICTIONS)).images
    shares = [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 0]]
    assert np.allclose(np.asarray(image.get_array()), shares)
    assert image.get_clim() == (0, 1)


def luminance(color: str) -> float:
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts > 0.04045, ((parts + 0.055) / 1.055) ** 2.4, parts / 12.92)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_confusion_texts_stand_out_from_their_cells():
    for hits in range(1, 11):
        table = PREDICTIONS.head(1).loc[[0] * 10].reset_index(drop=True)
        table.loc[hits:, ["dent", "lamp"]] = [0.1, 0.9]
        ax = carlib.plot_confusion(evaluate(table))
        image, text = ax.images[0], ax.texts[0]
        cell = luminance(to_hex(image.cmap(image.norm(hits / 10))))
        ink = luminance(to_hex(text.get_color()))
        assert (max(cell, ink) + 0.05) / (min(cell, ink) + 0.05) > 3
        plt.close("all")


def test_confusion_has_the_accuracies_with_interval_and_baseline_above_it():
    title = carlib.plot_confusion(evaluate(PREDICTIONS)).get_title("left")
    assert title.splitlines() == [
        "Micro-accuracy 0.67 (95 %: 0.30 – 0.90), baseline 0.67",
        title.splitlines()[1],
        "Baseline: always “dent”",
    ]
    assert title.splitlines()[1].startswith("Macro-accuracy 0.62 (95 %: ")
    assert title.splitlines()[1].endswith("baseline 0.50")


def test_confusion_has_a_row_for_a_label_the_model_does_not_know():
    table = PREDICTIONS.assign(damage_class=["dent"] * 5 + ["rust"])
    ax = carlib.plot_confusion(evaluate(table))
    assert labels(ax.yaxis)[-1] == "rust (1)"


def many(classes: int, wrong: dict[int, int]) -> pd.DataFrame:
    """Four photos a class, of some classes so many of them taken for the class next."""
    names = [f"class_{i:03}" for i in range(classes)]
    scores, actual = [], []
    for place, name in enumerate(names):
        for photo in range(4):
            missed = photo < wrong.get(place, 0)
            scores.append(np.eye(classes)[(place + missed) % classes])
            actual.append(name)
    table = pd.DataFrame(scores, columns=names)
    table.insert(0, "score", 1.0)
    table.insert(0, "damage_class", actual)
    return table


def test_of_many_classes_the_confusion_is_of_those_with_the_most_mistakes():
    wrong = dict.fromkeys(range(10, 39), 1) | {50: 2, 39: 1}
    ax = carlib.plot_confusion(evaluate(many(60, wrong)))
    names = [f"class_{i:03}" for i in (50, *range(10, 39))]
    assert labels(ax.xaxis) == names
    assert labels(ax.yaxis)[0] == "class_050 (4)"
    assert len(ax.texts) == 900
    assert texts(ax)[:3] == ["2\n50%", "0", "0"]
    assert ax.get_title("left").splitlines()[-1] == (
        "30 of 60 classes: those with the most mistakes; "
        "28 of 32 mistakes are between them"
    )


def test_thirty_classes_are_all_there_in_their_order():
    ax = carlib.plot_confusion(evaluate(many(30, {7: 3})))
    assert labels(ax.xaxis) == [f"class_{i:03}" for i in range(30)]
    assert "of 30 classes" not in ax.get_title("left")


def test_of_many_classes_the_balance_is_of_the_largest():
    sizes = {f"class_{i:02}": 1 + (i % 2) for i in range(59)}
    names = [name for name, n in sizes.items() for _ in range(n)]
    ax = carlib.plot_class_balance(pd.DataFrame({"damage_class": names, "subset": "T"}))
    assert labels(ax.yaxis) == [*[n for n in sizes if sizes[n] == 2], "class_00"]
    heading = "30 of 59 classes: those with the most photos"
    assert ax.get_title("left").splitlines()[-1] == heading
    assert ax.get_legend().get_texts()[0].get_text() == "Training set: 88"


def test_charts_draw_into_the_axes_they_are_given():
    _, axes = plt.subplots(2, 2)
    assert carlib.plot_class_balance(PHOTOS, axes[0, 0]) is axes[0, 0]
    assert carlib.plot_confusion(evaluate(PREDICTIONS), ax=axes[0, 1]) is axes[0, 1]
    assert carlib.plot_history(history(), axes[1]) is axes[1, 0].figure
    assert all(ax.has_data() for ax in axes.flat)
    assert len(plt.get_fignums()) == 1


def test_each_chart_opens_one_figure_and_leaves_the_settings_as_they_were():
    with plt.rc_context({"font.size": 7.5, "axes.grid": True}):
        before = dict(plt.rcParams)
        carlib.plot_class_balance(PHOTOS)
        carlib.plot_history(history())
        carlib.plot_confusion(evaluate(PREDICTIONS))
        assert dict(plt.rcParams) == before
    assert len(plt.get_fignums()) == 3


def test_charts_can_be_saved_without_a_warning(tmp_path):
    carlib.plot_class_balance(PHOTOS).figure.savefig(tmp_path / "a.png")
    carlib.plot_history(history()).savefig(tmp_path / "b.svg")
    carlib.plot_confusion(evaluate(PREDICTIONS)).figure.savefig(tmp_path / "c.pdf")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("draw", [carlib.plot_class_balance, carlib.plot_history])
def test_a_table_without_its_columns_or_rows_is_refused(draw):
    with pytest.raises(DataError, match="no column '(damage_class|epoch)'"):
        draw(pd.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="Received: 0 rows"):
        draw(PHOTOS.head(0) if draw is carlib.plot_class_balance else history().head(0))
    assert not plt.get_fignums()
