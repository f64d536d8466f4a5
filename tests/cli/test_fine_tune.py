"""The command `carlib fine-tune`."""

import json
import shutil

import pandas as pd
import pytest

import carlib
from tests.cli.typed import failure, run


@pytest.fixture
def data(sample, tmp_path):
    """Two photos a class to train on, and one to judge by."""
    index = pd.read_csv(sample / "index.csv")
    label = [name for name in index if name != "image" and name != "subset"][0]
    some = index.groupby(["subset", label], sort=False).head(2)
    folder = tmp_path / "few"
    shutil.copytree(sample / "image", folder / "image")
    some[(some.subset == "T") | ~some.duplicated(["subset", label])].to_csv(
        folder / "index.csv", index=False
    )
    return folder


@pytest.mark.slow
def test_it_writes_a_model_and_says_whether_that_helped(model, data):
    options = ("--epochs", 1, "--layers", 1)
    result = run("fine-tune", model, data, *options, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["photos"] == {"T": 16, "V": 8}
    assert figures["weights"] == ["fine-tuned from imagenet, last 1 convolution"]
    assert {figures[when]["n"] for when in ("before", "after")} == {8}
    tuned = carlib.load_model("TunedModel.zip")
    assert tuned.metrics["micro_accuracy"] == figures["after"]["micro_accuracy"]
    assert "Fine-tuning" in result.stderr


def test_it_says_what_is_wrong_before_it_begins(model, sample, tmp_path):
    said = failure("fine-tune", model, sample, "--layers", 999)
    assert "Expected layers from 1 to" in said
    said = failure("fine-tune", model, sample, "--output", tmp_path)
    assert "--output must be a file" in said
