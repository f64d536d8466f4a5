"""What the sections of a report are told, from tables made by hand."""

import pandas as pd
import pytest
from PIL import Image

from carlib.pages.answers import answers, galleries
from carlib.pages.classes import classes
from carlib.pages.leaks import Leaks, leaks
from carlib.pages.listing import listing
from carlib.pages.matrix import matrix
from carlib.pages.summary import summary
from carlib.pages.sure import sure
from carlib.pages.thumbnails import PhotoStore
from tests.evaluation.predicted import predictions

ACTUAL = ["a", "a", "b", "c", "new", "a"]
SCORES = [[8, 1, 1], [2, 7, 1], [1, 8, 1], [1, 0, 9], [0, 6, 4], [0, 9, 1]]


@pytest.fixture
def table():
    scores = [[share / 10 for share in row] for row in SCORES]
    paths = [f"photos/{number}.jpeg" for number in range(len(ACTUAL))]
    made = predictions(ACTUAL, scores, image_path=paths, error="")
    made.loc[len(made)] = [*made.loc[0]]
    made.loc[6, ["image_path", "error"]] = ["photos/x.jpeg", "cut off"]
    return made


@pytest.fixture
def found(table):
    return answers(table, PhotoStore(table.image_path))


def test_a_gallery_of_a_cell_has_its_photos_the_surest_first(found):
    shown = galleries(found)
    cells = {name: each["photos"] for name, each in shown.items() if "cell" in name}
    names = {n: [found.store[p].name for p in each] for n, each in cells.items()}
    assert names == {
        "cell-0-0": ["0.jpeg"],
        "cell-0-1": ["5.jpeg", "1.jpeg"],
        "cell-1-1": ["2.jpeg"],
        "cell-2-2": ["3.jpeg"],
        "cell-3-1": ["4.jpeg"],
    }
    assert shown["cell-0-1"]["title"] == "2 photos of a, named b"
    assert [found.store[p].name for p in shown["class-0-photos"]["photos"]][-1] == (
        "0.jpeg"
    )


def test_the_matrix_has_a_row_but_no_column_for_a_label_nobody_knows(found):
    made = matrix(found)
    assert made["columns"] == ["a", "b", "c"]
    assert [row["name"] for row in made["rows"]] == ["a", "b", "c", "new"]
    counts = [[cell["count"] for cell in row["cells"]] for row in made["rows"]]
    assert counts[0] == ["1", "2", "0"] and counts[3] == ["0", "1", "0"]
    linked = {cell["gallery"] for row in made["rows"] for cell in row["cells"]} - {""}
    assert linked == {name for name in galleries(found) if "cell" in name}


def test_a_class_tells_what_it_is_taken_for_and_shows_mistakes_first(found):
    first, *_, unknown = classes(found)["classes"]
    assert first["figures"][0]["words"].startswith("1 of 3 photos of it found")
    assert first["taken_for"] == [{"name": "b", "count": 2, "gallery": "cell-0-1"}]
    assert [found.store[n].name for n in first["photos"]] == [
        "5.jpeg",
        "1.jpeg",
        "0.jpeg",
    ]
    assert unknown["figures"][1] == {
        "name": "Precision",
        "value": "–",
        "words": "no photo to tell",
        "strip": None,
    }


def test_every_answer_is_listed_once_and_has_a_place_to_lead_to(found):
    groups = listing(found)["groups"]
    assert [group["id"] for group in groups] == sorted(
        name for name in galleries(found) if "cell" in name
    )
    assert [group["class_id"] for group in groups].count("class-0-photos") == 1
    assert sum(len(group["rows"]) for group in groups) == len(ACTUAL)


def test_the_summary_names_what_guessing_would_get(found):
    told = summary(found, Leaks({}, {}, ["None was."]))
    assert told["figure"] == "50"
    assert told["sentences"][-1] == "None was."
    assert "Always answering a, the most frequent class here" in told["sentences"][1]


def test_refusals_are_told_where_the_model_can_refuse(found, table):
    told = sure(found, table)
    assert len(told["charts"]) == 2 and len(told["sentences"]) == 1
    why = ["", "not sure", "", "", "not sure", "unlike", ""]
    table = table.assign(refused=[bool(each) for each in why], why=why)
    told = sure(answers(table, PhotoStore(table.image_path)), table)
    assert told["sentences"][1].startswith("It says that it isn't sure of 3 photos")
    assert "Of its other answers 100\xa0% are right" in told["sentences"][1]


def test_each_chart_has_the_same_in_words_and_figures(found, table):
    for chart in sure(found, table)["charts"]:
        assert chart["text"].endswith(".") and chart["table"]["rows"]


@pytest.fixture
def judged(sample):
    paths = sorted(map(str, (sample / "image").iterdir()))[:3]
    scores = [[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]]
    return predictions(["a", "b", "a"], scores, image_path=paths, error="")


def test_figures_are_told_without_photos_that_were_trained_on(judged, tmp_path):
    again = tmp_path / "again.png"
    with Image.open(judged.image_path[0]) as image:
        image.resize((300, 300)).save(again)
    found = leaks(
        judged, pd.DataFrame({"image_path": [str(again)], "damage_class": ["b"]})
    )
    assert found.pairs == {judged.image_path[0]: str(again)}
    assert found.sentences[0].startswith("1 photo of these was trained on, too. ")
    assert "Without it the model names 50 of 100 right" in found.sentences[0]
    shown = found.group(answers(judged, PhotoStore(judged.image_path)))
    assert [each["note"] for each in shown[0]["pairs"][0]["photos"]] == [
        "judged as a",
        "trained on as b",
    ]


def test_without_leaked_photos_that_is_said_and_without_training_nothing(judged):
    other = judged.loc[[2], ["image_path", "damage_class"]]
    told = leaks(judged[:2], other)
    assert told.sentences == [
        "None of these photos was trained on, not even as a copy."
    ]
    assert leaks(judged, other[:0]).sentences == []
