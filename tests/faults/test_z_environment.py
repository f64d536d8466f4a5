"""Z: odd surroundings: no home, another language, strict or small limits, signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib import runtime
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data.images import decode
from carlib.errors import CarlibError
from tests.tiny import Tiny, counts, draw_photos, is_whole, leftovers, shards

ROOT = Path(__file__).resolve().parents[2]
USED = """
import sys
import carlib
from tests.tiny import Tiny
photos = carlib.load_index(sys.argv[1])
features = carlib.compute_bottlenecks(photos, Tiny(), "w", progress=False)
print(ascii(sorted(set(photos.damage_class))), features.shape)
"""


@pytest.fixture
def data(tmp_path) -> Path:
    """Three photos in two classes; a name of each kind has an accent."""
    folder = tmp_path / "data"
    rows = ["image,class,subset"]
    for number, path in enumerate(draw_photos(folder / "image", 3)):
        named = path.rename(path.with_name(f"é{number}.PNG"))
        rows.append(f"image/{named.name},{('Tür', 'ISI')[number % 2]},T")
    (folder / "index.csv").write_text("\n".join(rows), "utf-8")
    return folder


def used(data: Path, cwd: Path, *options: str, **environment: str | None):
    """Load and compute in a process with another environment; what it printed."""
    cwd.mkdir()
    changed = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    result = subprocess.run(
        [sys.executable, *options, "-c", USED, str(data)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={name: value for name, value in changed.items() if value is not None},
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout.splitlines()[-1]


RIGHT = r"['ISI', 'T\xfcr'] (3, 2)"


def test_z01_a_home_or_temporary_folder_that_is_missing_does_no_harm(data, tmp_path):
    """No home, one that can't be written, no folder for temporary files: fine."""
    nowhere = str(tmp_path / "nowhere")
    for number, home in enumerate((None, "/dev/null/home")):
        surroundings = {"HOME": home, "TMPDIR": nowhere, "XDG_CACHE_HOME": nowhere}
        assert used(data, tmp_path / str(number), **surroundings) == RIGHT
    assert not Path(nowhere).exists()


@pytest.mark.parametrize("language", ["C", "POSIX", "tr_TR.UTF-8", "bare"])
def test_z02_the_language_of_the_machine_makes_no_difference(data, tmp_path, language):
    """In plain C, in Turkish, in another time zone: the same names and features."""
    surroundings = {"LC_ALL": language, "LANG": language, "TZ": "Asia/Kathmandu"}
    if language == "bare":  # names of files are ASCII then; what is in files isn't
        surroundings |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        for path in (data / "image").iterdir():
            path.rename(path.with_name(path.name.replace("é", "e")))
        index = (data / "index.csv").read_text("utf-8").replace("é", "e")
        (data / "index.csv").write_text(index, "utf-8")
    assert used(data, tmp_path / "cwd", **surroundings) == RIGHT


@pytest.mark.parametrize("options", [("-OO",), ("-W", "error"), ("-I", "-B")])
def test_z03_python_may_be_as_strict_or_as_bare_as_it_can_be(data, tmp_path, options):
    """Without asserts and docstrings, and with each warning an error: the same."""
    if "-I" in options:  # reads no PYTHONPATH
        program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{USED}"
        (tmp_path / "cwd").mkdir()
        command = [sys.executable, *options, "-c", program, str(data)]
        result = subprocess.run(
            command, cwd=tmp_path / "cwd", capture_output=True, text=True
        )
        assert (result.returncode, result.stderr) == (0, "")
    else:
        assert used(data, tmp_path / "cwd", *options) == RIGHT


def test_z04_a_keras_that_is_too_old_is_named_with_the_least_that_will_do(monkeypatch):
    """A Keras or TensorFlow that is too old is named, with the version that will do."""
    keras = runtime.keras()
    monkeypatch.setattr(keras, "__version__", "3.0.1")
    runtime._keras.cache_clear()
    try:
        with pytest.raises(CarlibError, match=r"3\.15.*3\.0\.1|3\.0\.1.*3\.15"):
            runtime.keras()
    finally:
        runtime._keras.cache_clear()


ENDED = """
import sys
from carlib.bottlenecks import run
from tests.tiny import Tiny, counts, paths
run.SECONDS_A_SHARD = -1
counts(paths(sys.argv[1]), Tiny(seconds=0.05), sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM")
def test_z05_a_process_that_is_told_to_end_leaves_whole_files_and_no_lock(tmp_path):
    """Ended by SIGTERM, a run leaves whole files, and the next goes on at once."""
    photos = draw_photos(tmp_path / "photos", 80)
    command = [sys.executable, "-c", ENDED, str(tmp_path / "photos")]
    process = subprocess.Popen([*command, str(tmp_path / "w")], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not shards(tmp_path / "w") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert shards(tmp_path / "w") and all(map(is_whole, shards(tmp_path / "w")))
    for path in (tmp_path / "w").rglob("*.tmp"):
        os.utime(path, (time.time() - 10 * 86_400,) * 2)
    started = time.monotonic()
    cached, computed = counts(photos, Tiny(), tmp_path / "w")
    assert cached >= 4 and cached + computed == 80
    assert leftovers(tmp_path / "w") == [] and time.monotonic() - started < 5


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_z06_a_thousand_photos_need_a_handful_of_open_files(tmp_path):
    """Over many photos no file stays open, and a few open files are enough."""
    import resource

    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    photos = draw_photos(tmp_path / "photos", 300)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n")
    before, limits = opened(), resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 24, limits[1]))
        found = compute_bottlenecks(photos, Tiny(), tmp_path / "w", progress=False)
        for path in photos * 2:
            decode(path.read_bytes())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert np.isfinite(found).all() and len(found) == 300
    assert opened() <= before + 1
    with Image.open(photos[0]) as image:
        assert image.size == (16, 16)
