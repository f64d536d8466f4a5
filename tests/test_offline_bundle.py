"""The offline bundle: pins by the target's markers, wheels by its tags, damage found.

What needs a network, or minutes of pip, isn't here: see docs/teaching.md for the proof.
"""

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import offline_bundle, offline_install
from scripts.offline_targets import PYTHONS, SYSTEMS, Target, pins, wheels_of

ROOT = Path(__file__).resolve().parent.parent
LOCKED = (ROOT / "requirements.txt").read_text("utf-8")
LINUX, MAC, WINDOWS = (Target(system, "3.12") for system in SYSTEMS)


def names(target: Target) -> set[str]:
    return {pin.partition("==")[0] for pin in pins(LOCKED, target)}


def test_markers_are_read_for_the_target_and_not_for_this_machine():
    only = {"appnope": {MAC}, "pywinpty": {WINDOWS}, "colorama": {WINDOWS}}
    for name, targets in only.items():
        assert {t for t in (LINUX, MAC, WINDOWS) if name in names(t)} == targets
    assert "ptyprocess" not in names(WINDOWS) and "ptyprocess" in names(MAC)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_is_pinned_once_for_each_target(system, python):
    found = pins(LOCKED, Target(system, python))
    assert len({pin.partition("==")[0] for pin in found}) == len(found) > 150
    assert not any(";" in pin for pin in found)


def test_the_version_of_python_chooses_between_two_pins():
    text = "x==1 ; python_full_version < '3.12'\nx==2 ; python_full_version >= '3.12'\n"
    assert pins(text, Target("linux-x86_64", "3.11")) == ["x==1"]
    assert pins("# a comment\n\n" + text, LINUX) == ["x==2"]


def test_a_wheel_is_taken_where_it_runs_and_nowhere_else():
    made = [
        "x-1-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "x-1-cp312-cp312-macosx_11_0_arm64.whl",
        "x-1-cp312-cp312-win_amd64.whl",
        "x-1-cp312-cp312-manylinux_2_28_aarch64.whl",
        "x-1-cp312-cp312-manylinux_2_39_x86_64.whl",
        "x-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "x-2-py3-none-any.whl",
    ]
    wheels = [Path(name) for name in made]
    for target, wheel in zip((LINUX, MAC, WINDOWS), wheels, strict=False):
        assert wheels_of(["x==1"], wheels, target) == {"x==1": wheel}
        assert wheels_of(["x==2"], wheels, target) == {"x==2": wheels[-1]}
    assert wheels_of(["x==1"], wheels[3:6], LINUX) == {"x==1": None}


def test_of_two_wheels_that_run_the_closer_one_is_taken():
    abi3 = Path("Some_Name-1.0-cp39-abi3-macosx_10_9_universal2.whl")
    own = Path("some_name-1.0-cp312-cp312-macosx_14_0_arm64.whl")
    assert wheels_of(["some.name==1.0"], [abi3, own], MAC) == {"some.name==1.0": own}
    assert wheels_of(["some-name==1.0"], [abi3], MAC) == {"some-name==1.0": abi3}


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A bundle with a wheel of bytes, a notebook and Keras's weights."""
    folder = tmp_path / "bundle"
    for name in ("wheels/x-1-py3-none-any.whl", "workshop/notebooks/a.ipynb"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name, "utf-8")
    (folder / "keras" / "models").mkdir(parents=True)
    (folder / "keras" / "models" / "network.h5").write_text("weights", "utf-8")
    source = ROOT / "scripts" / "offline_install.py"
    (folder / "install.py").write_bytes(source.read_bytes())
    here = Target(offline_install.this_target().rpartition("-")[0], offline_bundle.HERE)
    wheels = [folder / "wheels" / "x-1-py3-none-any.whl"]
    offline_bundle.write_lists(folder, {here: wheels})
    return folder


def install(bundle: Path, *arguments: object):
    command = [sys.executable, str(bundle / "install.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def test_the_manifest_holds_every_file_and_whoever_changes_one_is_found(bundle):
    known = offline_install.manifest(bundle)
    assert {*known} == {
        *("README.txt", "install.py", "keras/models/network.h5"),
        *("workshop/notebooks/a.ipynb", "wheels/x-1-py3-none-any.whl"),
        f"targets/{offline_install.this_target()}.txt",
    }
    assert offline_install.damaged(bundle, [*known]) == []
    (bundle / "wheels" / "x-1-py3-none-any.whl").write_text("other", "utf-8")
    (bundle / "workshop" / "notebooks" / "a.ipynb").unlink()
    assert offline_install.damaged(bundle, [*known]) == [
        *("wheels/x-1-py3-none-any.whl", "workshop/notebooks/a.ipynb")
    ]


def test_nothing_is_installed_from_a_damaged_bundle(bundle, tmp_path):
    (bundle / "wheels" / "x-1-py3-none-any.whl").write_text("other", "utf-8")
    run = install(bundle, tmp_path / "there")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "1 of 6 files are missing or damaged" in run.stderr
    assert "  - wheels/x-1-py3-none-any.whl\n" in run.stderr
    assert not (tmp_path / "there").exists()


def test_a_damaged_wheel_is_removed_to_be_fetched_anew(bundle, capsys):
    wheel = bundle / "wheels" / "x-1-py3-none-any.whl"
    offline_bundle.remove_damaged(bundle)
    assert wheel.exists() and not capsys.readouterr().out
    wheel.write_text("other", "utf-8")
    offline_bundle.remove_damaged(bundle)
    assert not wheel.exists()
    assert "x-1-py3-none-any.whl is damaged" in capsys.readouterr().out


def test_a_machine_that_it_is_not_made_for_hears_which_it_is(bundle, tmp_path):
    (bundle / "targets").rename(bundle / "aside")
    (bundle / "targets").mkdir()
    (bundle / "targets" / "macos-arm64-3.19.txt").touch()
    run = install(bundle, tmp_path / "there")
    assert run.returncode == 1
    assert "Expected one of these machines and Pythons: macos-arm64-3.19." in run.stderr
    assert f"Received: {offline_install.this_target()}." in run.stderr


def test_a_python_that_is_too_old_reads_far_enough_to_hear_so():
    """Debian 10 has 3.7, where `list[str]` can't be evaluated."""
    text = (ROOT / "scripts" / "offline_install.py").read_text("utf-8")
    first = ast.parse(text, feature_version=(3, 7)).body[1]
    assert isinstance(first, ast.ImportFrom) and first.module == "__future__"
    assert [name.name for name in first.names] == ["annotations"]


@pytest.mark.parametrize("name", ["MANIFEST.sha256", "targets/{}.txt"])
def test_a_list_that_lost_bits_is_damage_like_any_other(bundle, tmp_path, name):
    file = bundle / name.format(offline_install.this_target())
    file.write_bytes(b"\xff\xfe" + file.read_bytes()[2:])
    run = install(bundle, tmp_path / "there")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "files are missing or damaged" in run.stderr


def test_a_python_without_its_module_for_environments_is_told_what_to_do(
    tmp_path, monkeypatch
):
    """Debian keeps ensurepip in a package of its own."""

    def fails(*_):
        subprocess.run([sys.executable, "-c", "exit(1)"], check=True)

    monkeypatch.setattr(offline_install.venv.EnvBuilder, "_setup_pip", fails)
    with pytest.raises(offline_install.InstallError, match="package python3-venv"):
        offline_install.make_empty(tmp_path / "there")


def test_a_folder_that_no_bundle_was_in_is_never_cleared(tmp_path, capsys):
    (tmp_path / "keras").mkdir()
    assert offline_bundle.main(["--folder", str(tmp_path)]) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["keras"]


def test_an_error_of_the_disk_is_told_in_words(tmp_path, capsys):
    (tmp_path / "wheels").touch()
    assert offline_bundle.main(["--folder", str(tmp_path)]) == 1
    assert "File exists" in capsys.readouterr().err


def test_a_learners_notebooks_stay_as_they_are(bundle, tmp_path):
    mine = tmp_path / "there" / "notebooks" / "a.ipynb"
    offline_install.copy_new(bundle / "workshop", tmp_path / "there")
    assert mine.read_text("utf-8") == "workshop/notebooks/a.ipynb"
    mine.write_text("my answers", "utf-8")
    offline_install.copy_new(bundle / "workshop", tmp_path / "there")
    assert mine.read_text("utf-8") == "my answers"
    assert [path.name for path in mine.parent.iterdir()] == ["a.ipynb"]


def test_a_full_disk_is_named_before_the_environment_is_made(bundle, monkeypatch):
    usage = SimpleNamespace(free=10**9)
    monkeypatch.setattr(offline_install.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(offline_install.InstallError, match=r"Received: 1\.0 GB"):
        offline_install.check_room(bundle)


def answers(monkeypatch, *stderrs: str) -> list[list[str]]:
    """Let pip give these answers in turn, "" for success; return what it is asked."""
    asked: list[list[str]] = []

    def pip(*arguments):
        said = stderrs[min(len(asked), len(stderrs) - 1)]
        asked.append([str(word) for word in arguments])
        return subprocess.CompletedProcess([], 1 if said else 0, "", said)

    monkeypatch.setattr(offline_bundle, "pip", pip)
    return asked


def unfound(pin: str) -> str:
    return f"ERROR: No matching distribution found for {pin}\n"


def test_all_wheels_that_nobody_made_are_named_at_once(monkeypatch, tmp_path):
    asked = answers(monkeypatch, unfound("b==2"), unfound("a==1"), "")
    with pytest.raises(offline_bundle.BundleError) as caught:
        offline_bundle.fetch_all({WINDOWS: ["a==1", "b==2", "c==3"]}, tmp_path)
    assert caught.value.problems == [
        *("windows-x86_64-3.12: b==2", "windows-x86_64-3.12: a==1")
    ]
    assert asked[-1][-1] == "c==3" and "win_amd64" in asked[-1]


def test_what_is_there_is_not_fetched_again(monkeypatch, tmp_path):
    asked = answers(monkeypatch, "")
    (tmp_path / "a-1-py3-none-any.whl").touch()
    offline_bundle.fetch_all({LINUX: ["a==1", "b==2"], MAC: ["a==1"]}, tmp_path)
    assert [[x for x in words if "==" in x] for words in asked] == [["b==2"]]


def test_without_a_network_it_ends_at_once_and_says_so(monkeypatch, tmp_path):
    said = "WARNING: Retrying (Retry(total=4)) after connection broken\n"
    asked = answers(monkeypatch, said + unfound("a==1"))
    with pytest.raises(offline_bundle.BundleError, match="Is there a network"):
        offline_bundle.fetch_batch(LINUX, ["a==1", "b==2"], tmp_path / "wheels")
    assert len(asked) == 1 and [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_carlibs_wheel_and_the_workshop_are_put_in(tmp_path, monkeypatch):
    monkeypatch.setenv("CARLIB_DATA", str(ROOT / "data" / "sample"))
    (tmp_path / "wheels").mkdir()
    own = offline_bundle.build_carlib(tmp_path / "wheels")
    assert own.name.startswith("carlib-") and own.stat().st_size > 10**6
    offline_bundle.copy_workshop(tmp_path)
    workshop = tmp_path / "workshop"
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in workshop.glob("notebooks/*.ipynb")} == notebooks
    assert (workshop / "notebooks" / "runner" / "execution.py").is_file()
    assert not list(workshop.rglob("__pycache__"))
    assert (workshop / "data" / "car_damage" / "index.csv").is_file()
    assert (workshop / "docs" / "teaching.md").is_file()
