"""The house style, and what is missing for it."""

import subprocess
import sys

import pandas as pd
import pytest

import carlib
from carlib.errors import CarlibError

PHOTOS = pd.DataFrame(
    {
        "damage_class": ["dent"] * 5 + ["lamp"] * 3 + ["dent"] * 2 + ["scratch"],
        "subset": ["T"] * 8 + ["V"] * 3,
    }
)


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(CarlibError, match=r'pip install "carlib\[notebooks\]"'):
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
