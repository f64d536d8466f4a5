"""Wherever it runs, and however long: the same answer, and nothing that grows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROUNDS = """
import gc, logging, os, sys
from pathlib import Path
import carlib

logging.getLogger("carlib").setLevel("WARNING")
photos = carlib.load_index(sys.argv[1])
photos = photos[photos.subset == "T"].groupby("damage_class").head(4)
backbone = carlib.Backbone("EfficientNetLite0")
trainer = carlib.ImageClassificationTrainer(
    arch=backbone, workspace_path="w", epoch=1, early_stopping=None
)

def used():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    counts = [len(list(Path("/proc/self", name).iterdir())) for name in ("fd", "task")]
    return pages * os.sysconf("SC_PAGE_SIZE"), *counts

for number in range(1, 301):
    model = trainer.fit(photos)
    model.predict(photos[:4], progress=False)
    model.save("m.zip")
    loaded = carlib.load_model("m.zip", "w")
    loaded.predict(photos.image_path.iloc[0], progress=False)
    if number == 50:
        before = used()
print(*before, *used())
"""


@pytest.fixture(scope="module")
def rounds(sample, tmp_path_factory) -> tuple[dict[str, int], dict[str, int]]:
    """What is in use after 50 rounds, which fill what is filled once, and after 300."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    command = [sys.executable, "-c", ROUNDS, str(sample)]
    place = tmp_path_factory.mktemp("rounds")
    run = subprocess.run(
        command, cwd=place, capture_output=True, text=True, env=quiet()
    )
    assert run.returncode == 0, run.stderr
    numbers, names = run.stdout.split()[-6:], ("memory", "descriptors", "threads")
    first, last = (map(int, some) for some in (numbers[:3], numbers[3:]))
    return dict(zip(names, first, strict=True)), dict(zip(names, last, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", ["descriptors", "threads"])
def test_three_hundred_rounds_open_nothing_for_good(rounds, name):
    before, after = rounds
    assert after[name] <= before[name]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_three_hundred_rounds_need_no_more_memory_than_fifty(rounds):
    before, after = rounds
    assert after["memory"] < 1.05 * before["memory"]


def quiet(**changes: str | None) -> dict[str, str]:
    """This environment, changed; None takes a name away."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | changes
    return {name: value for name, value in env.items() if value is not None}


@pytest.fixture(scope="module")
def warm(sample, tmp_path_factory):
    """A workspace that knows the sample, and what a plain run answers."""
    place = tmp_path_factory.mktemp("warm")
    return place / "workspace", answer(sample, place)


def answer(sample, place, python=(), before="", **env) -> tuple[str, str]:
    """Train, predict, and return the class named and what was said of errors."""
    program = [sys.executable, *python, "-m", "carlib"]
    train = [*program, "train", str(sample), "--arch", "EfficientNetLite0"]
    train += ["--epoch", "1", "--output", "m.zip"]
    photo = str(sample / "image" / "001.jpeg")
    predict = [*program, "predict", "m.zip", photo, "--json"]
    said = ""
    for command in (train, predict):
        if before:
            command = ["bash", "-c", f'{before}; exec "$@"', "bash", *command]
        run = subprocess.run(command, cwd=place, capture_output=True, env=quiet(**env))
        said += run.stderr.decode("utf-8", "replace")
        assert run.returncode == 0, said
    assert "Traceback" not in said
    (row,) = json.loads(run.stdout)["predictions"]
    return row["predicted_label"], said


@pytest.fixture(scope="module")
def locales(tmp_path_factory) -> dict[str, str]:
    """Where Turkish is known to the system: there, or compiled, where it can be."""
    place = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-f", "UTF-8", "-i", "tr_TR", str(place / "tr_TR.UTF-8")]
    if shutil.which("localedef"):
        subprocess.run(command, capture_output=True)
    return {"LOCPATH": str(place)} if (place / "tr_TR.UTF-8").exists() else {}


LONG = 'it\'s "a" folder, 車 🚗 é '
SURROUNDINGS = {
    "strict": {"python": ("-W", "error")},
    "without asserts and docstrings": {"python": ("-OO",)},
    "plain C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "no home": {"HOME": None, "USERPROFILE": None},
    "a home that can't be written": {"HOME": "/proc", "XDG_CONFIG_HOME": None},
    "no temporary folder named": {"TMPDIR": "/nowhere/at/all"},
    "few descriptors": {"before": "ulimit -n 64"},
    "a long path": {},
}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Unix's surroundings")
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_answer_is_the_same_in_any_surroundings(
    sample, warm, locales, tmp_path, name
):
    workspace, (expected, _) = warm
    place, changes = tmp_path, SURROUNDINGS[name]
    if name == "Turkish":
        changes = changes | locales
    while name == "a long path" and len(str(place)) < 240:
        place /= (LONG * 3)[: max(1, min(60, 240 - len(str(place))))].strip()
    place.mkdir(parents=True, exist_ok=True)
    shutil.copytree(workspace, place / "workspace")
    label, said = answer(sample, place, **changes)
    assert label == expected
    assert not re.search(r"\bWarning\b", said), said
