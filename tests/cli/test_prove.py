"""The command `carlib prove`."""

import csv
import json
import shutil

from tests.cli.typed import failure, run


def test_what_a_command_trained_is_proved_by_another(model, sample, workspace):
    result = run("prove", model, sample, "--workspace", workspace)
    assert result.exit_code == 0, result.stdout
    assert "Proved: " in result.stdout and "Note" not in result.stdout


def test_a_flipped_label_is_named_and_leaves_with_1(model, sample, workspace, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "data")
    rows = list(csv.reader((folder / "index.csv").read_text("utf-8").splitlines()))
    header, place = rows[0], next(i for i, r in enumerate(rows) if r[-1] == "V")
    label = rows[place][header.index("class")]
    other = next(r[header.index("class")] for r in rows[1:] if label not in r)
    rows[place][header.index("class")] = other
    text = "\n".join(",".join(row) for row in rows)
    (folder / "index.csv").write_text(text, "utf-8")
    options = ("--workspace", workspace, "--json")
    result = run("prove", model, folder, *options)
    figures = json.loads(result.stdout)
    assert result.exit_code == 1 and figures["ok"] is False
    first = figures["differences"][0]
    assert first["kind"] == "photo" and rows[place][0] in first["what"]
    assert (first["stored"], first["now"]) == (f"labelled {label}", other)


def test_a_model_without_figures_is_told_of(model, sample, tmp_path):
    from carlib.model.model import load_model

    bare = load_model(model)
    bare.metrics = {}
    bare.save(tmp_path / "bare.zip")
    said = failure("prove", tmp_path / "bare.zip", sample)
    assert "no figures to prove" in said
