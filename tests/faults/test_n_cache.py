"""N: workspaces of strangers, or of bad luck: features are right all the same."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from carlib import files, runtime
from carlib.backbones import kept
from carlib.bottlenecks import cache, stat_index
from carlib.bottlenecks.cache import cache_info, clear_cache, verify_cache
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shard_file import header_of, row_type
from carlib.model import frozen
from tests.cli.typed import run
from tests.faults.test_n_models import network
from tests.tiny import Tiny, counts, draw_photos, shards

N = 6
ROOT = Path(__file__).resolve().parents[2]
# A hang is a failure, of this test alone.
pytestmark = pytest.mark.timeout(20)
has_fifos = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def drawn(tmp_path) -> list[Path]:
    return draw_photos(tmp_path / "photos", N)


@pytest.fixture
def right(drawn) -> np.ndarray:
    """Their features, of no cache at all."""
    return features(drawn, None)


@pytest.fixture
def w(tmp_path, drawn, monkeypatch) -> Path:
    """A workspace that keeps them all, in one shard, and their status."""
    monkeypatch.setattr(stat_index, "RACY", 0)
    time.sleep(0.02)
    assert counts(drawn, Tiny(), tmp_path / "w") == (0, N)
    assert len(shards(tmp_path / "w")) == 1
    return tmp_path / "w"


def features(drawn, workspace) -> np.ndarray:
    return compute_bottlenecks(drawn, Tiny(), workspace, progress=False)


def folder_of(w: Path) -> Path:
    """Where the features of the only backbone lie."""
    (folder,) = (path.parent for path in w.glob("bottlenecks/*/backbone.json"))
    return folder


def shard_name(sign: str = "f") -> str:
    """A name that a shard could have."""
    return f"{sign:f<64}.npy"


def assert_usable(drawn, w: Path, right: np.ndarray) -> None:
    """Features are right, and all the cache's functions do their work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(features(drawn, w), right)
        for look in (cache_info, verify_cache):
            assert all(str(line).isprintable() for line in look(w))
        for command in ("info", "verify"):
            said = run("cache", command, "--workspace", w).output
            assert said.replace("\n", "").isprintable()
        clear_cache(w)
        np.testing.assert_array_equal(features(drawn, w), right)


@has_fifos
@pytest.mark.parametrize(
    "name", ["shard", "photos", "backbone.json", "sha256.json", "network.bin"]
)
def test_n26_a_fifo_in_the_cache_is_passed_over(drawn, w, right, name):
    """A FIFO in the place of any file of the cache holds nobody up."""
    folder = folder_of(w)
    places = {"shard": shards(w)[0], "backbone.json": folder / "backbone.json"}
    places |= {"photos": next(folder.parent.glob("photos-*.npy"))}
    place = places.get(name, folder / "network" / name)
    place.parent.mkdir(exist_ok=True)
    if name == "network.bin":
        hashes = dict.fromkeys(kept.PARTS, "0" * 64)
        (folder / "network" / "network.xml").write_bytes(b"")
        hashes = json.dumps({"backbone": folder.name, **hashes})
        (folder / "network" / "sha256.json").write_text(hashes, "utf-8")
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert kept.kept(folder) is None
    assert_usable(drawn, w, right)


def test_n27_a_link_to_nowhere_that_looks_like_a_shard_is_passed_over(drawn, w, right):
    """A link that leads nowhere, named like a file of features, ends no search."""
    (folder_of(w) / shard_name()).symlink_to("nowhere")
    assert counts(drawn, Tiny(), w) == (N, 0)
    assert_usable(drawn, w, right)


@pytest.mark.parametrize("kind", ["circle", "folder", "locked"])
def test_n28_one_odd_entry_does_not_switch_off_the_cache(drawn, w, right, kind):
    """A circle of links or a folder among features costs none of the others."""
    odd = folder_of(w) / shard_name()
    if kind == "circle":
        odd.symlink_to(odd.name)
    elif kind == "folder":
        odd.mkdir()
    else:
        locked = w / "locked"
        locked.mkdir(mode=0)
        odd.symlink_to(locked / "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert counts(drawn, Tiny(), w) == (N, 0)
        assert [each["photos"] for each in cache_info(w)] == [N]
    odd.rmdir() if kind == "folder" else odd.unlink()
    assert_usable(drawn, w, right)


@pytest.mark.skipif(os.name == "nt", reason="neither devices nor sparse files there")
@pytest.mark.parametrize("kind", ["device", "200 GiB", "762 MB"])
def test_n29_a_shard_without_end_takes_neither_time_nor_memory(drawn, w, right, kind):
    """A device, or a file of 200 GiB that is mostly a hole, isn't read to its end."""
    path, dtype = folder_of(w) / shard_name(), row_type(folder_of(w), 2)
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        count = 5 * 10**9 if kind == "200 GiB" else 19 * 10**6
        path.write_bytes(header_of(dtype, count))
        try:
            os.truncate(path, path.stat().st_size + count * dtype.itemsize)
        except OSError:
            pytest.skip("no sparse files here")
    began = time.monotonic()
    tracemalloc.start()
    try:
        assert_usable(drawn, w, right)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_n30_the_name_of_a_shard_is_shown_and_never_obeyed(drawn, w, right):
    """A damaged file whose name has escapes is set aside, and shown in one line."""
    (folder_of(w) / shard_name("\x1b[2J\n\x9b")).write_bytes(b"odd")
    with pytest.warns(UserWarning, match="set aside") as warned:
        np.testing.assert_array_equal(features(drawn, w), right)
    assert len(warned) == 1 and str(warned[0].message).isprintable()
    assert_usable(drawn, w, right)


@pytest.mark.parametrize(
    "odd",
    [
        *({"n_features": count} for count in ("2", 10**12, 0, -1, 2.0, None, True)),
        *({"arch": arch} for arch in (7, "\x1b[2J", None)),
        *({"fingerprint": 5}, {"fingerprint": "\x1b]0;x\x07"}, {"weights": []}),
        *({"precision": {}}, {"extra": 1}),
    ],
    ids=repr,
)
def test_n31_a_description_of_other_kinds_is_taken_for_absent(drawn, w, right, odd):
    """A description whose check fits, and whose values don't, disturbs nobody."""
    path = folder_of(w) / "backbone.json"
    described = json.loads(path.read_text("utf-8"))
    del described["check"]
    described |= odd
    described["check"] = cache._check(described)
    path.write_text(json.dumps(described), "utf-8")
    assert counts(drawn, Tiny(bias=1), w) == (0, N)
    assert [each["fingerprint"] for each in cache_info(w)] == ["1" * 64]
    assert_usable(drawn, w, right)


@pytest.mark.parametrize("name", ["backbone.json", "network/sha256.json"])
def test_n32_json_nested_without_end_is_no_description(drawn, w, right, name):
    """JSON nested 100,000 deep in a workspace is passed over like any damage."""
    (folder_of(w) / "network").mkdir()
    (folder_of(w) / name).write_text(DEEP, "utf-8")
    assert kept.kept(folder_of(w)) is None
    assert_usable(drawn, w, right)


@pytest.mark.skipif(runtime.openvino() is None, reason="no OpenVINO here")
@pytest.mark.parametrize("kind", ["computes", "loop", "told"])
def test_n33_a_strangers_network_in_a_workspace_computes_at_most(tmp_path, kind):
    """A stranger's network in a workspace may compute, no more; SECURITY.md says so."""
    if kind != "told":
        kept.keep(tmp_path / "x", runtime.core().read_model(*network(kind)))
        assert kept.is_whole(tmp_path / "x")
        assert (kept.kept(tmp_path / "x") is not None) == (kind == "computes")
    else:
        assert "workspace" in (ROOT / "SECURITY.md").read_text("utf-8")


@pytest.mark.parametrize("error", [28, 30, 13, 17])
def test_n49_a_disk_that_fails_at_the_end_costs_no_model(
    few, trainer, monkeypatch, error
):
    """Where the last file can't be written, the model is there, with a warning."""

    def refused(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(frozen, "freeze_model", lambda model: None)
    monkeypatch.setattr(frozen, "graph_bytes", lambda graph: b"")
    monkeypatch.setattr(frozen, "write_bytes", refused)
    quick = {"epoch": 1, "early_stopping": None}
    with pytest.warns(UserWarning, match=rf"final_.*{os.strerror(error)}") as warned:
        model = trainer(final_model_prefix="final_", **quick).fit(few)
    assert len(warned) == 1 and len(model.class_names) == 8


BARE = """
import sys
from pathlib import Path
from tests.tiny import Tiny, counts, paths
found = counts(paths(sys.argv[1]), Tiny(), sys.argv[2], progress=True)
Path(sys.argv[3]).write_text(str(found), "utf-8")
"""


@pytest.mark.skipif(os.name == "nt", reason="no such limits there")
@pytest.mark.parametrize(
    "limits",
    ["exec <&- >&- 2>&-", "exec <&- >&-", "exec <&-", "ulimit -n 24"],
)
def test_n53_little_is_enough(drawn, tmp_path, limits):
    """Without any stream, or with 24 open files at most, features come all the same."""
    places = [drawn[0].parent, tmp_path / "w", tmp_path / "found"]
    command = ["sh", "-c", f'{limits}; exec "$@"', "sh", sys.executable, "-c", BARE]
    subprocess.run([*command, *map(str, places)], cwd=ROOT, timeout=20, check=True)
    assert (tmp_path / "found").read_text("utf-8") == str((0, N))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signals there")
def test_n54_a_clock_that_is_days_ahead_sweeps_nothing_that_lives(
    drawn, w, monkeypatch
):
    """What another process is writing stays, though this one's clock is days ahead."""
    others = f".x.npy.{files._HOST}.{os.getppid()}.01234567.carlib.tmp"
    paths = [folder_of(w) / others, folder_of(w) / ".x.npy.far.1.ab.carlib.tmp"]
    for path in paths:
        path.write_bytes(b"half")
    os.utime(paths[0], (0, 0))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 9 * files.ABANDONED)
    more = draw_photos(drawn[0].parent, 1, first=N)
    assert counts(more, Tiny(), w) == (N, 1)
    assert all(path.read_bytes() == b"half" for path in paths)


def test_n68_progress_in_a_log_is_a_few_lines(drawn, capsys):
    """Where nobody watches, progress is a line now and then, and never written over."""
    photos = draw_photos(drawn[0].parent, 200)
    compute_bottlenecks(photos, Tiny(), None)
    said = capsys.readouterr().err
    assert "\r" not in said and 1 <= len(said.splitlines()) <= 5
    assert re.fullmatch(r"(Bottlenecks: .*\n)+", said)
