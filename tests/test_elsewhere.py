"""CI on GitHub, containers, citation: their files agree with the project's own."""

import json
import re
from pathlib import Path

import pytest
import yaml

import carlib
from tests.test_environment import PYTHONS

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
FILES = [*WORKFLOWS, CONTAINER, *(ROOT / x for x in ("Dockerfile", "CITATION.cff"))]
INSTALL = ("-r requirements.txt", "--no-deps --no-build-isolation -e .")


def workflow(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf-8"))


def steps(path: Path) -> list[dict]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


def test_the_tests_run_on_three_systems_and_every_python_of_the_project():
    matrix = workflow(ROOT / ".github/workflows/test.yml")["jobs"]["tests"]["strategy"]
    assert matrix["matrix"]["python"] == PYTHONS
    systems = [name.partition("-")[0] for name in matrix["matrix"]["system"]]
    assert systems == ["ubuntu", "macos", "windows"]
    assert matrix["fail-fast"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_ends_by_itself(path):
    found = workflow(path)
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["cancel-in-progress"] is True
    assert all(job["timeout-minutes"] <= 60 for job in found["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_githubs_own_of_one_major_version_each(path):
    used = {step["uses"] for step in steps(path) if "uses" in step}
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)
    assert len({name.partition("@")[0] for name in used}) == len(used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_that_a_workflow_runs_exists(path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    lines = "\n".join(step.get("run", "") for step in steps(path))
    assert set(re.findall(r"\bmake ([a-z-]+)", lines)) <= targets


def test_everywhere_the_same_is_installed():
    tests = "\n".join(step.get("run", "") for step in steps(WORKFLOWS[0]))
    container = json.loads(CONTAINER.read_text("utf-8"))["postCreateCommand"]
    for text in (tests, container, DOCKERFILE):
        assert all(arguments in text for arguments in INSTALL)


def test_containers_have_a_python_of_the_project():
    image = json.loads(CONTAINER.read_text("utf-8"))["image"]
    assert image.rpartition(":")[2] in PYTHONS
    (version,) = re.findall(r"^FROM python:([\d.]+)-slim$", DOCKERFILE, re.MULTILINE)
    assert version in PYTHONS


def test_the_image_runs_as_nobody_special_and_holds_no_real_photo():
    lines = [line.split() for line in DOCKERFILE.splitlines() if line[:1].isupper()]
    users = [line[1] for line in lines if line[0] == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert [line[0] for line in lines].index("USER") < len(lines) - 1
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {"data/*", "**/workspace", ".git", ".venv"} <= set(ignored)
    kept = {line for line in ignored if line.startswith("!data/")}
    assert kept == {"!data/README.md", "!data/*.py", "!data/drawing", "!data/sample"}


def test_what_is_cited_is_this_version_by_no_invented_name():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == carlib.__version__
    assert citation["license"] == "MIT"
    assert citation["authors"] == [{"name": "The contributors of carlib"}]


def test_the_changelog_tells_of_this_version():
    first = re.search(r"^## (\S+?),", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert first and first[1] == carlib.__version__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_address_of_the_repository_is_made_up(path):
    text = path.read_text("utf-8")
    assert not re.search(r"github\.com/|OWNER|USERNAME|<[a-z-]+>", text)
