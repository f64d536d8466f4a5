"""The command `carlib costs`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import carlib
from tests.cli.typed import failure, run


@pytest.fixture
def matrix(model) -> str:
    names = list(carlib.load_model(model).class_names)
    costs = 100.0 * (1 - np.eye(len(names)))
    carlib.write_csv(pd.DataFrame(costs, names, names).reset_index(), "costs.csv")
    return "costs.csv"


def test_it_counts_as_the_function_does(model, sample, matrix, workspace):
    options = ("--matrix", matrix, "--review", 15, "--workspace", workspace)
    result = run("costs", model, sample, *options, "--json")
    assert result.exit_code == 0, result.stderr
    photos = carlib.load_index(sample).query("subset == 'V'")
    predicted = carlib.load_model(model, workspace).predict(photos, progress=False)
    expected = carlib.costs(predicted, matrix, 15.0).to_dict()
    found = json.loads(result.stdout)
    assert {name: found[name] for name in expected} == json.loads(json.dumps(expected))
    text = run("costs", model, sample, *options).stdout
    assert "need nobody" in text and "nobody need look from the probability" in text
    assert f"  door_dent: {expected['thresholds']['door_dent']:.2f}" in text


def test_a_matrix_of_other_classes_is_told_before_a_photo_is_read(model, matrix):
    text = Path(matrix).read_text("utf-8").replace("door_dent", "dor_dent")
    Path(matrix).write_text(text, "utf-8")
    stderr = failure("costs", model, "nowhere", "--matrix", matrix, "--review", 15)
    assert "row 'dor_dent': there is no such class; did you mean 'door_dent'?" in stderr
    assert "column 'door_dent': 0 of them" in stderr


def test_what_it_needs_is_a_usage_error_if_left_out(model, sample, matrix):
    assert run("costs", model, sample).exit_code == 2
    assert run("costs", model, sample, "--matrix", matrix).exit_code == 2
    options = ("--matrix", matrix, "--review", 15, "--subset", "tset")
    result = run("costs", model, sample, *options)
    assert result.exit_code == 2 and "Did you mean test?" in result.stderr
