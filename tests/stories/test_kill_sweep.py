"""Whenever a run is stopped, it loses one shard at most, and nothing torn counts.

A sweep lets a run go through once to learn what it changes on the disk: each file that
is opened for writing, write, fsync, rename, mkdir and unlink. Then it begins the same
run anew for each of these points, and there the run is killed (before the change, or
half-way through a write), or Ctrl-C is pressed, or the disk is full from there on.
"""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from carlib.backbones import engines, kept
from carlib.bottlenecks import run as run_module
from carlib.bottlenecks import shard_file, stat_index
from carlib.bottlenecks import shards as shards_module
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    verify_cache,
)
from carlib.bottlenecks.extract import compute_bottlenecks
from tests.backbones.mine import own
from tests.tiny import (
    Tiny,
    counts,
    draw_photos,
    elsewhere,
    features_of,
    is_whole,
    shards,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork")

OPENED_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REMOVALS = {"remove", "rmdir"}
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
KILLED, INTERRUPTED = -signal.SIGKILL, 130
N_PHOTOS, A_BATCH = 6, 2


class Fate:
    """Lists what a process changes below a folder, and strikes at one point of it.

    Args:
        kind: "kill", "interrupt" or "full".
        point: Which of the changes, from 0; None: none.
        backbone: What tells how many photos were computed at each change.
    """

    def __init__(self, folder, kind, point, backbone):
        self.folder, self.kind, self.point = str(folder), kind, point
        self.backbone, self.changes = backbone, []
        self.open, self.fsync = io.open, os.fsync

    def install(self):
        sys.addaudithook(self._heard)
        io.open, os.fsync = self._open, self._fsync

    def note(self, what, half_of_it=lambda: None):
        number = len(self.changes)
        self.changes.append((what, self.backbone.seen))
        if self.point is None:
            return
        if self.kind == "full":
            if number >= self.point and what not in REMOVALS:
                half_of_it()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        elif number == self.point:
            self._strike(half_of_it)

    def _strike(self, half_of_it):
        if self.kind == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            return
        half_of_it()
        os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event, arguments):
        is_open = event == "open" and (arguments[2] or 0) & OPENED_TO_WRITE
        if (is_open or event in CHANGES) and self._is_ours(arguments[0]):
            self.note(event.removeprefix("os."))

    def _is_ours(self, path):
        """Whether it's below the folder; what rmtree removes it names without one."""
        return str(path).startswith(self.folder) or not Path(path).is_absolute()

    def _open(self, file, mode="r", *arguments, **options):
        opened = self.open(file, mode, *arguments, **options)
        to_write = set(mode) & set("wxa+") and self._is_ours(file)
        return _Written(opened, self.note) if to_write else opened

    def _fsync(self, handle):
        self.note("fsync")
        self.fsync(handle)


class _Written:
    """A file each write of which is a point; half of a fatal one reaches the disk."""

    def __init__(self, file, note):
        self.file, self.note = file, note

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        data = memoryview(data).tobytes()
        half = data[: len(data) // 2]
        self.note("write", lambda: (self.file.write(half), self.file.flush()))
        self.file.write(data)

    def writelines(self, chunks):
        for chunk in chunks:
            self.write(chunk)


def tiny():
    backbone = Tiny()
    backbone.batch_size = A_BATCH
    return backbone


# What is run: each takes the photos, the workspace and the backbone.


def grow(photos, workspace, backbone):
    return compute_bottlenecks(photos, backbone, workspace, progress=False)


def grow_all_the_same(photos, workspace, backbone):
    """Check here what only the process that met with the full disk can know."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        features = grow(photos, workspace, backbone)
    assert np.array_equal(features, grow(photos, None, tiny()))
    assert all("Could not keep" in str(each.message) for each in warned)
    assert len(warned) <= 1


def compact(photos, workspace, backbone):
    compact_cache(workspace)


def clear(photos, workspace, backbone):
    clear_cache(workspace)


def verify(photos, workspace, backbone):
    warnings.simplefilter("ignore")
    verify_cache(workspace)


# What lies in the workspace before.


def nothing_before(photos, workspace):
    pass


def some_before(photos, workspace):
    counts(photos[::2], tiny(), workspace)


def all_before(photos, workspace):
    some_before(photos, workspace)
    counts(photos, tiny(), workspace)


def one_damaged_before(photos, workspace):
    all_before(photos, workspace)
    shard = max(shards(workspace), key=lambda path: path.stat().st_size)
    shard.write_bytes(shard.read_bytes()[:-1])


def nothing_before_hints(photos, workspace):
    shard_file.HINTED = 0


def all_before_with_hints(photos, workspace):
    shard_file.HINTED = 0
    all_before(photos, workspace)


@dataclass
class Outcome:
    """What a run left that ended at some point, and what the next runs make of it."""

    point: int
    change: str
    progress: int  # photos computed by then
    exitcode: int
    temporary: list[str]
    torn: list[str]
    kept: int  # photos whose features are on the disk
    computed: int  # by the next run
    equal: bool  # to an undisturbed run's, to the bit
    warned: list[str]
    computed_then: int  # by the run after the next


class Sweep:
    """Ends a run at each of its points, each time in a fork of this warm process."""

    def __init__(self, folder, run, before, kind="kill"):
        run_module.SECONDS_A_SHARD, shards_module.MAPPED = -1, 1
        stat_index.RACY = 0
        self.run, self.before, self.kind = run, before, kind
        self.workspace, self.changes = folder / "workspace", folder / "changes.json"
        self.photos = draw_photos(folder / "photos", N_PHOTOS)
        self.right = grow(self.photos, None, tiny())

    def outcomes(self):
        if self._forked(None):
            raise RuntimeError("The run that nothing disturbs failed.")
        points = enumerate(json.loads(self.changes.read_text("utf-8")))
        return [self._outcome(point, *change) for point, change in points]

    def _forked(self, point):
        """Run in a fork, and return how it ended."""
        shutil.rmtree(self.workspace, ignore_errors=True)
        self.before(self.photos, self.workspace)
        child = os.fork()
        if child == 0:
            os._exit(self._ended(point))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _ended(self, point):
        try:
            backbone = tiny()
            fate = Fate(self.workspace, self.kind, point, backbone)
            fate.install()
            self.run(self.photos, self.workspace, backbone)
            if point is None:
                self.changes.write_text(json.dumps(fate.changes), "utf-8")
        except KeyboardInterrupt:
            return INTERRUPTED
        except BaseException:
            traceback.print_exc()
            return 1
        return 0

    def _outcome(self, point, change, progress):
        exitcode = self._forked(point)
        shards = list(self.workspace.rglob("*.npy"))
        torn = [path.name for path in shards if not is_whole(path)]
        temporary = [path.name for path in self.workspace.rglob("*.tmp")]
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            kept = sum(info["photos"] for info in cache_info(self.workspace))
            after = features_of(self.photos, tiny(), self.workspace, progress=False)
        return Outcome(
            *(point, change, progress, exitcode, temporary, torn),
            *(kept, after.n_computed, np.array_equal(after.of_photos(), self.right)),
            [str(each.message) for each in warned],
            counts(self.photos, tiny(), self.workspace)[1],
        )


def _outcomes(*arguments):
    with contextlib.redirect_stdout(None):
        return Sweep(*arguments).outcomes()


@pytest.fixture
def sweep(tmp_path):
    """Sweep, and see to what holds at every point, whatever is done there."""

    def outcomes(*arguments, exitcode=KILLED, torn=False):
        found = elsewhere(_outcomes, tmp_path, *arguments)
        print(len(found), "points")
        for outcome in found:
            assert outcome.exitcode == exitcode, outcome
            assert outcome.equal, outcome
            assert outcome.computed_then == 0, outcome
            assert torn or outcome.torn == outcome.warned == [], outcome
        return found

    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "already", "at_least"),
    [(nothing_before, 0, 54), (some_before, 3, 29), (nothing_before_hints, 0, 72)],
)
def test_a_kill_at_any_point_of_a_run_loses_one_shard_at_most(
    sweep, before, already, at_least
):
    outcomes = sweep(grow, before)
    assert len(outcomes) >= at_least
    for outcome in outcomes:
        assert outcome.kept >= already + outcome.progress - A_BATCH, outcome
        assert outcome.computed == N_PHOTOS - outcome.kept, outcome
    assert outcomes[-1].kept == N_PHOTOS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "at_least"), [(all_before, 10), (all_before_with_hints, 20)]
)
def test_a_kill_at_any_point_of_compacting_loses_nothing(sweep, before, at_least):
    outcomes = sweep(compact, before)
    assert len(outcomes) >= at_least
    assert {outcome.computed for outcome in outcomes} == {0}


@pytest.mark.slow
def test_a_kill_at_any_point_of_clearing_leaves_what_can_be_cleared(sweep):
    outcomes = sweep(clear, all_before)
    assert len(outcomes) >= 7
    for outcome in outcomes:
        assert outcome.computed == N_PHOTOS - outcome.kept, outcome


@pytest.mark.slow
def test_a_kill_while_a_damaged_shard_is_set_aside_leaves_the_others(sweep):
    outcomes = sweep(verify, one_damaged_before, torn=True)
    assert len(outcomes) >= 1
    assert {outcome.computed for outcome in outcomes} == {A_BATCH}


@pytest.mark.slow
def test_ctrl_c_at_any_point_of_a_run_keeps_all_that_was_computed(sweep):
    outcomes = sweep(grow, nothing_before, "interrupt", exitcode=INTERRUPTED)
    for outcome in outcomes:
        assert outcome.temporary == [] or outcome.change in REMOVALS, outcome
        assert outcome.kept >= outcome.progress, outcome
        assert outcome.computed == N_PHOTOS - outcome.kept, outcome


@pytest.mark.slow
def test_a_disk_full_at_any_point_of_a_run_leaves_whole_shards_alone(sweep):
    outcomes = sweep(grow_all_the_same, nothing_before, "full", exitcode=0)
    for outcome in outcomes:
        assert outcome.temporary == [], outcome
        assert outcome.computed == N_PHOTOS - outcome.kept, outcome


class NetworkSweep:
    """Ends, at each of its points, the process that keeps a converted network."""

    def __init__(self, folder, original, damaged):
        self.folder, self.original, self.damaged = folder, original, damaged
        self.model = kept.kept(original)

    def outcomes(self):
        changes = self._forked(None)
        return [self._outcome(point) for point in range(changes)]

    def _forked(self, point):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if self.damaged:
            self._damage()
        child = os.fork()
        if child == 0:
            fate = Fate(self.folder, "kill", point, Tiny())
            fate.install()
            kept.keep(self.folder, self.model)
            os._exit(len(fate.changes))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _damage(self):
        shutil.copytree(self.original / kept.NETWORK, self.folder / kept.NETWORK)
        (self.folder / kept.NETWORK / "network.bin").write_bytes(b"")

    def _outcome(self, point):
        """Return how it ended, if there is a network then, and if there is after it."""
        exitcode = self._forked(point)
        found = kept.kept(self.folder) is not None
        kept.keep(self.folder, self.model)
        place = kept.NETWORK, "network.bin"
        same = self.folder.joinpath(*place).read_bytes() == (
            self.original.joinpath(*place).read_bytes()
        )
        return exitcode, found, same and kept.kept(self.folder) is not None


def _network_outcomes(*arguments):
    return NetworkSweep(*arguments).outcomes()


@pytest.mark.slow
@pytest.mark.skipif(engines.executor() != "openvino", reason="needs OpenVINO")
@pytest.mark.parametrize("damaged", [False, True])
def test_a_kill_while_a_converted_network_is_kept_leaves_none_or_all_of_it(
    tmp_path, damaged
):
    backbone = own()
    backbone.keep_in(tmp_path / "original")
    backbone.engine()
    arguments = (tmp_path / "work", tmp_path / "original", damaged)
    outcomes = elsewhere(_network_outcomes, *arguments)
    assert len(outcomes) >= 6
    assert {exitcode for exitcode, _, _ in outcomes} == {KILLED}
    found = [found for _, found, _ in outcomes]
    assert found == sorted(found)  # once it's there, it stays
    assert all(again for _, _, again in outcomes)
