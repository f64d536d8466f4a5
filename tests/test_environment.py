"""pyproject.toml, requirements.txt, environment.yml and the installation agree."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import carlib

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = {  # what markers are evaluated for
    "linux": {"sys_platform": "linux", "os_name": "posix"},
    "darwin": {"sys_platform": "darwin", "os_name": "posix"},
    "win32": {"sys_platform": "win32", "os_name": "nt"},
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def direct() -> list[Requirement]:
    """What the environment holds by name: pyproject.toml's, but for carlib itself."""
    extras = project()["optional-dependencies"].items()
    lines = [line for name, extra in extras for line in extra]
    lines = [*project()["dependencies"], *lines]
    found = [Requirement(line) for line in lines]
    return [r for r in found if r.name != "carlib"]


def locked() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.lstrip().startswith("#")]


def environment(python: str, platform: str) -> dict[str, str]:
    version = {"python_version": python, "python_full_version": f"{python}.5"}
    return PLATFORMS[platform] | version | {"implementation_name": "cpython"}


def pins(python: str, platform: str) -> dict[str, list[Version]]:
    """What requirements.txt installs there: for each name its versions."""
    found: dict[str, list[Version]] = {}
    for line in locked():
        if not line.marker or line.marker.evaluate(environment(python, platform)):
            (pin,) = line.specifier
            found.setdefault(canonicalize_name(line.name), []).append(
                Version(pin.version)
            )
    return found


def test_every_line_of_requirements_pins_one_version():
    for line in locked():
        assert [pin.operator for pin in line.specifier] == ["=="], line
        assert "*" not in str(line.specifier), line


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_pyproject_names_is_pinned_once_and_within_its_range(python, platform):
    pinned = pins(python, platform)
    for wanted in direct():
        versions = pinned.get(canonicalize_name(wanted.name), [])
        assert len(versions) == 1, f"{wanted}: pinned as {versions}"
        assert wanted.specifier.contains(versions[0]), f"{wanted}: {versions}"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_is_pinned_twice_for_one_machine(python, platform):
    twice = {n: found for n, found in pins(python, platform).items() if len(found) > 1}
    assert twice == {}


def test_every_range_has_a_lower_bound():
    bounds = {r.name: {pin.operator for pin in r.specifier} for r in direct()}
    assert {name for name, found in bounds.items() if ">=" not in found} == set()


def test_requirements_says_how_it_was_made():
    head = (ROOT / "requirements.txt").read_text("utf-8").splitlines()[:2]
    assert "uv pip compile pyproject.toml --extra test --universal" in head[1]
    assert head[1].endswith("-o requirements.txt")
    extras = project()["optional-dependencies"]
    own = {"notebooks", "int8", "more-backbones", "cluster"}
    assert any(Requirement(line).extras == own for line in extras["test"])


def test_the_bounds_that_matter_stand():
    ranges = {r.name: r.specifier for r in direct()}
    assert not ranges["keras"].contains("3.15.0")  # loads what it should refuse
    assert ranges["keras"].contains("3.15.1")
    assert ranges["pillow"] == SpecifierSet(">=11.3,<13")
    assert ranges["tensorflow"].contains("2.21.0")
    allowed = SpecifierSet(project()["requires-python"])
    minors = [f"3.{minor}" for minor in range(9, 17)]
    assert [minor for minor in minors if minor in allowed] == PYTHONS


def test_every_supported_python_is_named_everywhere():
    classifiers = project()["classifiers"]
    for python in PYTHONS:
        assert f"Programming Language :: Python :: {python}" in classifiers
        assert f"python{python}" in (ROOT / "Makefile").read_text("utf-8")


def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))


def test_conda_installs_the_same_pins_and_carlib():
    *packages, pip = conda()["dependencies"]
    assert pip == {"pip": ["-r requirements.txt", "-e ."]}
    names = {Requirement(re.sub(r"(?<![<>=!])=(?!=)", "==", p)).name for p in packages}
    assert names == {"python", "pip"}, "pin it in requirements.txt"


def test_conda_takes_a_python_that_the_project_supports():
    (line,) = [p for p in conda()["dependencies"] if str(p).startswith("python=")]
    assert line.removeprefix("python=") in PYTHONS


def test_every_line_of_the_conda_environment_has_its_reason():
    lines = (ROOT / "environment.yml").read_text("utf-8").splitlines()
    entries = [x for x in lines if re.match(r"\s+- (?!pip:)", x)]
    assert len(entries) == 6
    assert [x for x in entries if not re.search(r"\s#\s\w", x)] == []


def test_this_environment_satisfies_pyproject():
    wrong = {}
    for wanted in direct():
        installed = importlib.metadata.version(wanted.name)
        if not wanted.specifier.contains(installed, prereleases=True):
            wrong[str(wanted)] = installed
    assert wrong == {}


def test_the_package_and_pyproject_tell_one_version():
    assert carlib.__version__ == project()["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """carlib as others install it, built with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_wheel_holds_the_package_its_types_and_the_sample(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    expected = {path.name for path in (ROOT / "carlib").glob("*.py")}
    assert {f"carlib/{name}" for name in expected} <= set(names)
    assert {"carlib/py.typed", "carlib/sample/index.csv"} <= set(names)
    assert "carlib/pages/templates/report.html.j2" in names
    photos = [name for name in names if name.startswith("carlib/sample/image/")]
    assert len(photos) == len(list((ROOT / "data/sample/image").glob("*")))
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"carlib", f"carlib-{carlib.__version__}.dist-info"}


def test_an_installed_copy_finds_its_sample_far_from_the_checkout(wheel, tmp_path):
    pip("install", "--no-deps", "--target", str(tmp_path / "site"), str(wheel))
    program = (
        "import sys; sys.path.insert(0, 'site'); import carlib; print(carlib.__file__);"
        "photos = carlib.load_index(carlib.locate_data('sample')); print(len(photos));"
        "print(photos['image_path'][0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    site = str(tmp_path / "site")
    assert lines[0].startswith(site)
    assert lines[-2] == "200"
    assert (tmp_path / lines[-1]).resolve().is_relative_to(site)
