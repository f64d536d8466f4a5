"""The command `carlib clinic`."""

import json
from pathlib import Path

import pandas as pd
import pytest

from carlib.data.decisions import COLUMNS, write_decisions
from carlib.reading import sha256_of
from tests.cli.typed import failure, run


@pytest.fixture
def patch(photos, tmp_path) -> Path:
    """A photo of the sample, left out."""
    path = photos.image_path[photos.subset == "T"].iloc[0]
    row = ("label", sha256_of(path), "", "drop")
    write_decisions(pd.DataFrame([row], columns=COLUMNS), tmp_path / "p.csv")
    return Path("p.csv")


def test_clinic_writes_a_page_and_says_where(sample, workspace, patch):
    result = run(
        "clinic", sample, "--workspace", workspace, "--decisions", patch, "--json"
    )
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    page = Path("clinic.html")
    assert figures["output"] == "clinic.html" and figures["decisions"] == "p.csv"
    assert figures["bytes"] == page.stat().st_size < 5_000_000
    assert "<h1>Label clinic</h1>" in page.read_text("utf-8")


def test_worth_tells_what_decisions_did_and_writes_no_page(sample, workspace, patch):
    result = run("clinic", sample, "--worth", patch, "--workspace", workspace)
    assert result.exit_code == 0, result.stderr
    assert "After 1 correction the macro-accuracy went from" in result.stdout
    assert not Path("clinic.html").exists()
    figures = json.loads(
        run(
            "clinic", sample, "--worth", patch, "--workspace", workspace, "--json"
        ).stdout
    )
    assert figures["n_dropped"] == 1 and len(figures["comparison"]["table"]) == 3


def test_clinic_says_what_is_wrong_before_any_work(sample, tmp_path):
    assert "is a folder" in failure("clinic", sample, "--output", tmp_path)
    assert "no.csv is not a table" in failure("clinic", sample, "--decisions", "no.csv")
    assert "no.csv is not a table" in failure("clinic", sample, "--worth", "no.csv")
    assert list(tmp_path.iterdir()) == []
