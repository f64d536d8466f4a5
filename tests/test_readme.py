"""What README.md, CONTRIBUTING.md and docs/package.md promise is there, and works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from carlib.cli import main

ROOT = Path(__file__).resolve().parent.parent
LONGEST = {"README.md": 120, "docs/package.md": 160, "CONTRIBUTING.md": 82}
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in LONGEST}
README, PACKAGE = TEXTS["README.md"], TEXTS["docs/package.md"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
WORKFLOW = "../../actions/workflows/"  # a page of GitHub's, from the README's own there


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def lines_starting(word: str) -> list[str]:
    lines = "\n".join(blocks(PACKAGE, "sh")).splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith(word)]


@pytest.mark.parametrize("name", TEXTS)
def test_it_stays_short_enough_to_be_read(name):
    assert len(TEXTS[name].splitlines()) <= LONGEST[name]


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_to_a_file(name):
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[name])
    paths = [link for link in links if not link.startswith(("http", WORKFLOW))]
    folder = (ROOT / name).parent
    there = [(folder / path.partition("#")[0]).exists() for path in paths]
    assert [path for path, here in zip(paths, there, strict=True) if not here] == []


def test_the_badge_is_that_of_a_workflow_and_asks_nobody_but_github():
    named = re.findall(rf"{re.escape(WORKFLOW)}([\w-]+\.yml)", README)
    assert named
    there = ROOT / ".github" / "workflows"
    assert [name for name in named if not (there / name).exists()] == []
    assert re.findall(r"!\[[^]]*\]\((https?:[^)]+)\)", "".join(TEXTS.values())) == []


def test_the_learners_page_leads_to_the_programmers_and_to_the_teachers():
    assert "](docs/package.md)" in README and "](docs/teaching.md)" in README
    assert "](../README.md)" in PACKAGE


def test_every_notebook_is_in_the_table_and_no_other():
    linked = re.findall(r"^\| \[.*?\]\((notebooks/.*?)\)", README, re.MULTILINE)
    there = sorted(
        p.relative_to(ROOT).as_posix() for p in ROOT.glob("notebooks/*.ipynb")
    )
    assert linked == there


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_exists(name):
    code = "\n".join(re.findall(r"`[^`]*`", TEXTS[name]) + blocks(TEXTS[name], "sh"))
    named = set(re.findall(r"\bmake ([a-z-]+)", code))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert named and named <= targets


def test_every_option_of_make_workshop_exists():
    (sentence,) = re.findall(
        r"`make workshop` takes\s+options: (.*?)\n\n", README, re.S
    )
    named = re.findall(r"`(\w+)=", sentence)
    (options,) = re.findall(r"^OPTIONS := (.*)", MAKEFILE, re.MULTILINE)
    assert named == options.split()
    source = (ROOT / "notebooks" / "run.py").read_text("utf-8")
    assert [name for name in named if f'"--{name}"' not in source] == []


@pytest.mark.parametrize("line", lines_starting("carlib "))
def test_every_command_is_one_that_carlib_parses(line):
    command, words = main.main, line.split()[1:]
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words)


def test_all_commands_are_shown():
    shown = {line.split()[1] for line in lines_starting("carlib ")}
    assert shown == set(main.main.commands)


@pytest.mark.parametrize("language", ["sh", "powershell"])
def test_every_file_that_a_line_names_exists(language):
    code = "\n".join(blocks(README, language)).replace("\\", "/")
    named = re.findall(r"[\w/]+\.(?:py|yml|txt)\b", code)
    assert named and [name for name in named if not (ROOT / name).exists()] == []


def test_the_lines_without_make_are_those_of_the_makefile():
    (windows,) = blocks(README, "powershell")
    unix = next(block for block in blocks(README, "sh") if "-m venv" in block)
    as_unix = windows.replace("py -3.12", "python3.12").replace("\\Scripts\\", "/bin/")
    assert as_unix.replace("\\", "/") == unix
    install = [line.partition(" install ")[2] for line in unix.splitlines()[1:3]]
    for arguments in install:
        assert f" {arguments}\n" in MAKEFILE


def test_the_pictures_texts_can_be_heard():
    texts = dict(re.findall(r"!\[([^]]*)\]\((docs/[^)]+)\)", README))
    assert set(texts.values()) == {"docs/answer.jpg", "docs/pipeline.svg"}
    assert min(map(len, texts)) > 80
    picture = (ROOT / "docs" / "pipeline.svg").read_text("utf-8")
    assert "<title" in picture and "<desc" in picture and "aria-labelledby" in picture


@pytest.mark.slow
def test_the_snippets_run_one_after_another_as_they_stand(sample, tmp_path):
    snippets = "\n".join([*blocks(PACKAGE, "python"), "print(model.classes_)"])
    env = os.environ | {"CARLIB_DATA": str(sample)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", snippets],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "Micro-accuracy" in run.stdout
    assert "tail_lamp" in run.stdout.splitlines()[-1]
    assert (tmp_path / "ImageModel.zip").is_file()
