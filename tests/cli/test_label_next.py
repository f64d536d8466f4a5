"""The command `carlib label-next`."""

import json
import shutil

import carlib
from tests.cli.typed import failure, run


def test_it_chooses_as_the_function_does_the_first_to_label_first(
    model, sample, workspace
):
    options = ("--workspace", workspace, "--count", 5)
    result = run("label-next", model, sample / "image", *options)
    assert result.exit_code == 0, result.stderr
    loaded = carlib.load_model(model, workspace)
    names = sorted(map(str, (sample / "image").iterdir()))
    expected = carlib.label_next(loaded, names, 5, progress=False)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == expected["image_path"].tolist()
    assert lines[0].endswith(f"by {expected['margin'].iloc[0]:.1%}")
    found = json.loads(
        run("label-next", model, sample / "image", *options, "--json").stdout
    )
    assert found["photos"] == expected[
        ["image_path", "predicted_label", "score", "margin"]
    ].to_dict("records")


def test_photos_that_cannot_be_read_are_named_or_skipped(model, three, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(three[0], folder)
    (folder / "bad.jpeg").write_bytes(b"<html>")
    assert "bad.jpeg" in failure("label-next", model, folder)
    result = run("label-next", model, folder, "--on-error", "skip")
    assert len(result.stdout.splitlines()) == 1
