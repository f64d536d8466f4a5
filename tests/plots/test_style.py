"""The house style, what is missing for it, and texts of every script."""

import io
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text
from PIL import Image

import carlib
from carlib.errors import CarlibError
from carlib.evaluation.evaluate import evaluate
from carlib.plots import style

PHOTOS = pd.DataFrame(
    {
        "damage_class": ["dent"] * 5 + ["lamp"] * 3 + ["dent"] * 2 + ["scratch"],
        "subset": ["T"] * 8 + ["V"] * 3,
    }
)


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(CarlibError, match="pip install matplotlib"):
        carlib.plot_class_balance(PHOTOS)


def test_charts_are_imported_without_matplotlib_or_tensorflow():
    code = (
        "import sys, carlib; carlib.plot_history, carlib.show_photos;"
        "print({'matplotlib', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


NOBODYS = "\U0010fffd"  # for private use: no font to fall back on has it
NAMES = [
    *("\u65e5\u672c\u8a9e", "\u8f66\u7a97", "\ucc3d\ubb38", "\u062d\u0627\u062f\u062b"),
    *("\U0001f697\u200d\ufe0f", f"a{NOBODYS}", "$a_$b$", "$500 - $1000", r"$\frac{$"),
    *("a\x1b[31m\nb", "\u202eab", "x" * 300, "\\$", "%s {} {0}"),
]


@pytest.fixture
def odd(tmp_path) -> pd.DataFrame:
    """Predictions of photos, right and wrong, of classes with odd names."""
    path = str(tmp_path / "a.png")
    Image.new("RGB", (6, 4)).save(path)
    scores = pd.DataFrame(np.eye(len(NAMES)), columns=NAMES)
    first = {"image_path": path, "damage_class": NAMES, "subset": "T", "score": 1.0}
    table = pd.concat([pd.DataFrame(first), scores], axis=1)
    return table.assign(predicted_label=[*NAMES[1:], NAMES[0]])


def figures(odd: pd.DataFrame, axes=(None, None)) -> list:
    return [
        carlib.show_photos(odd, per_class=1),
        carlib.show_mistakes(odd, n=20),
        carlib.plot_class_balance(odd, ax=axes[0]).figure,
        carlib.plot_confusion(evaluate(odd.drop(columns="subset")), ax=axes[1]).figure,
    ]


def texts(figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_classes_of_any_name_are_drawn_without_a_word(odd, kind, caplog):
    for figure in figures(odd):
        figure.savefig(io.BytesIO(), format=kind)
    assert caplog.records == []


def test_classes_of_any_name_are_shown_in_a_notebook(odd, caplog):
    from IPython.core.pylabtools import print_figure

    for figure in figures(odd):
        assert print_figure(figure, fmt="retina")
    assert caplog.records == []


def test_a_dollar_is_no_formula_in_axes_of_ones_own_either(odd, caplog):
    figure, axes = plt.subplots(1, 2)
    figures(odd, axes)
    figure.savefig(io.BytesIO(), format="png")
    assert caplog.records == []
    drawn = [text for text in texts(figure) if "$" in text.get_text()]
    assert {text.get_text() for text in drawn} >= {"$a_$b$", "$500 - $1000"}
    assert not any(text.get_parse_math() for text in drawn)


def test_a_character_that_no_font_has_stands_as_its_escape(odd):
    names = {text.get_text() for text in texts(carlib.plot_class_balance(odd).figure)}
    assert r"a\U0010fffd" in names and "%s {} {0}" in names
    assert r"a\x1b[31m\nb" in names and r"\u202eab" in names


def test_a_name_in_a_picture_has_forty_characters_at_most():
    assert style.legible("x" * 40) == "x" * 40
    assert style.legible("x" * 41) == "x" * 39 + "\u2026"


def test_fonts_that_are_here_are_fallen_back_on_without_a_word(monkeypatch, caplog):
    """That of STIX has a bold one, that of TeX doesn't: neither is anybody's matter."""
    names = ("DejaVu Sans", "No Such Font", "STIXGeneral", "cmr10")
    stix, dejavu = (get_font(findfont(name)) for name in (names[2], names[0]))
    only = next(map(chr, sorted(set(stix.get_charmap()) - set(dejavu.get_charmap()))))
    monkeypatch.setattr(style, "FONTS", names)
    style._fonts.cache_clear(), style._drawable.cache_clear()
    try:
        photos = pd.DataFrame({"damage_class": [only], "subset": ["T"]})
        ax = carlib.plot_class_balance(photos)
        ax.text(0, 0, "1", weight="bold", family=list(names[:1] + names[2:]))
        ax.figure.savefig(io.BytesIO(), format="png")
        (label,) = ax.get_yticklabels()
        assert label.get_text() == only
        assert label.get_family() == ["DejaVu Sans", "STIXGeneral", "cmr10"]
        assert caplog.records == []
    finally:
        style._fonts.cache_clear(), style._drawable.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="homes are found otherwise there")
def test_a_home_that_cannot_be_written_is_no_news(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("not a folder")
    code = (
        "import carlib, pandas as pd;"
        "t = pd.DataFrame({'damage_class': ['dent'], 'subset': ['T']});"
        "carlib.plot_class_balance(t).figure.canvas.draw()"
    )
    ours = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")
    environment = {name: v for name, v in os.environ.items() if name not in ours}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"HOME": str(nowhere / "home")},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "")
