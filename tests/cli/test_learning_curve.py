"""The command `carlib learning-curve`."""

import json

import pytest

from carlib.cli.learning_curve import count_of
from carlib.errors import OptionError
from tests.cli.typed import failure, run

OPTIONS = ("--arch", "EfficientNetLite0", "--repeats", "1", "--subset", "T")


@pytest.mark.slow
def test_it_prints_the_table_and_what_is_asked_and_draws(sample, workspace, tmp_path):
    path, more = tmp_path / "figure.png", ("--more", "unknown=10")
    command = ("learning-curve", sample, *OPTIONS, "--workspace", workspace)
    result = run(*command, *more, "--output", path)
    assert result.exit_code == 0, result.stderr
    assert "Learning curve of EfficientNetLite0 on 160 photos" in result.stdout
    assert "Some 10 more photos of unknown: " in result.stdout
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_json_is_alone_on_stdout(sample, workspace):
    command = ("learning-curve", sample, *OPTIONS, "--workspace", workspace)
    figures = json.loads(run(*command, "--more", "unknown=4", "--json").stdout)
    assert figures["photos"]["all classes"] == 160
    assert figures["asked"][0]["more"] == 4


def test_what_is_asked_for_names_a_class_and_a_number():
    assert count_of("a=b=40") == ("a=b", 40)
    for asked in ("door_dent", "=3", "door_dent=many", "door_dent=-3"):
        with pytest.raises(OptionError, match="a class and a number of photos"):
            count_of(asked)


def test_what_is_wrong_is_said_before_the_work(sample, workspace):
    said = failure("learning-curve", sample, *OPTIONS, "--more", "x")
    assert "Such as --more door_dent=40" in said
    said = failure("learning-curve", sample, *OPTIONS, "--output", "x.doc")
    assert "--output must be a picture" in said
