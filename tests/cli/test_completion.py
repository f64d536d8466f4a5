"""What the shell completes: backbones, joined ones too, words, and files as ever."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from carlib.backbones.architectures import ARCHS
from carlib.cli import main, terminal
from tests.cli.test_main import COMMANDS


def completed(*words: str) -> list[tuple[str, str]]:
    """What is offered for the last of some words, each with its kind."""
    shell = BashComplete(main.main, {}, "carlib", "_CARLIB_COMPLETE")
    found = shell.get_completions(list(words[:-1]), words[-1])
    return [(item.type, item.value) for item in found]


def test_backbones_are_offered_whatever_their_case_and_joined():
    offered = [value for _, value in completed("train", "photos", "--arch", "mob")]
    assert offered == [name for name in ARCHS if name.startswith("Mob")]
    assert completed("train", "d", "--arch", "EfficientNetLite0+inc") == [
        ("plain", "EfficientNetLite0+InceptionV3")
    ]
    assert ("plain", "auto") in completed("learning-curve", "d", "--arch", "")


def test_words_and_formats_are_offered():
    assert ("plain", "onnx") in completed("export", "m.zip", "d", "--format", "")
    assert completed("evaluate", "m.zip", "sam") == [("plain", "sample")]
    assert ("plain", "predict") in completed("pre")


def parameters() -> list[tuple[str, click.Parameter]]:
    found = []
    for names in COMMANDS:
        command = main.main
        for name in names:
            command = command.commands[name]
        found += [(" ".join(names), each) for each in command.params]
    return found


def test_all_that_is_a_file_or_a_folder_is_left_to_the_shell():
    """Where nothing is offered, the shell completes no file."""
    words = {"MODEL", "DATA", "DIR", "PHOTO...", "FILE", "FOLDER", "OLD"}
    for command, each in parameters():
        shown = each.make_metavar(click.Context(main.main)).strip("[]")
        if shown in words or each.name in ("model", "data"):
            offered = each.type.shell_complete(None, each, "some/where")
            assert [item.type for item in offered] == ["file"], (command, each.name)


def test_all_options_that_name_backbones_complete_them():
    archs = [each for _, each in parameters() if each.opts[0] == "--arch"]
    assert len(archs) >= 5
    assert all(isinstance(each.type, terminal.Archs) for each in archs)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_completes_files_when_it_is_enabled(tmp_path):
    (tmp_path / "ImageModel.zip").touch()
    program = Path(sys.executable).parent / "carlib"
    script = (
        f'eval "$(_CARLIB_COMPLETE=bash_source {program})"\n'
        "complete -p carlib\n"
        "compopt() { echo compopt $*; }\n"
        f"COMP_WORDS=({program} predict Im) COMP_CWORD=2\n"
        f"_carlib_completion {program}\n"
        f"COMP_WORDS=({program} train d --arch Inc) COMP_CWORD=4\n"
        f"_carlib_completion {program}\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    lines = run.stdout.splitlines()
    assert "_carlib_completion" in lines[0], run.stderr
    assert lines[1:] == ["compopt -o default", "InceptionV3"]


def test_a_word_that_is_none_is_told_which_was_meant():
    with pytest.raises(click.BadParameter, match="Did you mean onnx"):
        terminal.Words(["onnx", "pb"]).convert("onx", None, None)
    with pytest.raises(click.BadParameter) as caught:
        terminal.Words(["onnx", "pb"]).convert("xyz", None, None)
    assert "Did you mean" not in caught.value.message
