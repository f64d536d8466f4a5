"""The bottleneck phase on Dask: real clusters of processes, killed on purpose."""

import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster

import carlib
from carlib.bottlenecks import cluster, worker
from carlib.bottlenecks import shards as shards_module
from carlib.bottlenecks.cache import open_index, shards_folder
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shard_file import SHARD, count_rows, row_type
from carlib.bottlenecks.stat_index import TRUSTED
from carlib.cli.bottlenecks import connected
from carlib.errors import ClusterError, ImageError, OptionError
from carlib.reading import read_json
from tests.tiny import Tiny, counts, draw_photos, features_of, shards
from tests.web import running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
# A range is tried again once, and not three times, before it's blamed for the deaths.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.comm.timeouts.connect": "5s",
    "distributed.logging": {"distributed": "critical"},
}


@pytest.fixture(scope="module")
def client():
    """Two workers, processes of one thread."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        dask.config.set(SETTINGS),
        LocalCluster(**options) as local,
        Client(local) as client,
    ):
        yield client


def rows_in(workspace, network):
    """How many rows all shards hold: more than photos, if one was computed twice."""
    folder = shards_folder(workspace, network)
    dtype = row_type(folder, network.n_features)
    return sum(count_rows(path.stat().st_size, dtype) for path in folder.glob(SHARD))


def test_features_are_those_of_one_machine_to_the_bit(client, photos, tmp_path):
    here = compute_bottlenecks(photos, "EfficientNetLite0", tmp_path / "a", False)
    backbone = carlib.Backbone("EfficientNetLite0")
    there = compute_bottlenecks(photos, backbone, tmp_path / "b", False, client)
    np.testing.assert_array_equal(there, here)
    assert rows_in(tmp_path / "b", backbone) == len(photos)


def test_each_photo_is_computed_once_its_mirror_image_too(client, drawn, tmp_path):
    options = {"client": client, "augment": "flip"}
    features = features_of(drawn, Tiny(1), tmp_path / "w", **options)
    assert (features.n_cached, features.n_computed) == (0, len(drawn))
    assert rows_in(tmp_path / "w", Tiny(1)) == 2 * len(drawn)
    one = features_of(drawn, Tiny(1), None, augment="flip")
    np.testing.assert_array_equal(features.of_photos(True), one.of_photos(True))


def test_what_is_cached_is_computed_by_nobody(photos, tmp_path):
    counts(photos, Tiny(2), tmp_path / "w")
    nobody = {"client": "no client is asked"}
    assert counts(photos, Tiny(2), tmp_path / "w", **nobody) == (len(photos), 0)


def test_only_what_is_new_is_computed(client, drawn, tmp_path):
    counts(drawn[:-5], Tiny(2), tmp_path / "w", client=client)
    more = [*drawn, *draw_photos(tmp_path / "more", 7, first=10_000)]
    expected = (len(drawn) - 5, 12)
    assert counts(more, Tiny(2), tmp_path / "w", client=client) == expected


def test_a_bad_photo_is_a_row_with_its_reason_and_its_own_name(
    client, drawn, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    draw_photos(tmp_path / "here", 1)
    (tmp_path / "here" / "bad.png").write_bytes(b"no photo")
    given = ["here/00000.png", "here/bad.png", "here/none.png"]
    with pytest.raises(ImageError) as caught:
        features_of(given, Tiny(3), "w", client=client)
    assert caught.value.problems == [
        "here/bad.png is not an image of a known format.",
        "here/none.png does not exist.",
    ]
    features = features_of(given, Tiny(3), "w", client=client, on_error="skip")
    assert (features.n_cached, sorted(features.errors)) == (1, [1, 2])


def test_copies_count_once(client, drawn, tmp_path):
    features = features_of([*drawn, drawn[0]], Tiny(4), tmp_path / "w", client=client)
    assert features.n_computed == len(drawn)
    assert len(features.of_photos()) == len(drawn) + 1


def test_the_index_learns_what_workers_read(client, photos, tmp_path):
    """So the next call reads no photo: their status is enough."""
    given = [os.fspath(path) for path in photos.image_path[:40]]
    features = features_of(given, Tiny(5), tmp_path / "w", client=client)
    index = open_index(tmp_path / "w")
    if not TRUSTED:
        pytest.skip("No file's status can be trusted here.")
    known = [index.key_at(type(tmp_path)(path)) for path in given]
    assert known == features.keys


def test_workers_read_tars_and_addresses_and_no_secret_is_told(
    client, drawn, tmp_path, monkeypatch
):
    """The same bytes are the same photos wherever they lie."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open("photos.tar", "w") as tar:
        for path in drawn:
            tar.add(path, path.name)
    there = counts("photos.tar", Tiny(8), "w", client=client)
    assert there == (0, len(drawn))
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    base = f"http://127.0.0.1:{server.server_port}"
    given = [f"{base}/photos/{path.name}" for path in drawn]
    given.append(f"{base}/none.png?token=5ecret")
    options = {"client": client, "on_error": "skip"}
    with running(server):
        features = features_of(given, Tiny(8), "w", **options)
    assert (features.n_cached, features.n_computed) == (len(drawn), 0)
    (error,) = features.errors.values()
    assert f"{base}/none.png" in error and "5ecret" not in error


def pids(client):
    """The workers' processes, but for one that dies just now."""
    return list(client.run(os.getpid, on_error="ignore").values())


def killed_when(is_time, victim):
    """Kill a process as soon as something is so."""

    def watch():
        until = time.monotonic() + 60
        while not is_time() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(victim(), signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_worker_killed_half_way_costs_its_ranges_and_no_photo(
    client, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "SECONDS_A_RANGE", 0.5)
    drawn = draw_photos(tmp_path / "p", 320)
    victims = pids(client)
    thread = killed_when(lambda: shards(tmp_path / "w"), lambda: victims[0])
    slow = Tiny(6, seconds=0.03)
    features = features_of(drawn, slow, tmp_path / "w", client=client)
    thread.join()
    assert victims[0] not in pids(client)
    assert not features.errors
    np.testing.assert_array_equal(
        features.of_photos(), compute_bottlenecks(drawn, Tiny(6), None, False)
    )
    assert rows_in(tmp_path / "w", slow) == len(drawn)


class LongToOpen(Tiny):
    """A network that takes a while to open."""

    def engine(self):
        time.sleep(0.8)
        return self


@pytest.mark.slow
def test_a_worker_killed_as_it_opens_the_backbone_is_no_error(client, tmp_path):
    drawn = draw_photos(tmp_path / "p", 40)
    client.wait_for_workers(2)
    victims = pids(client)
    began = time.monotonic()
    thread = killed_when(lambda: time.monotonic() - began > 0.9, lambda: victims[0])
    features = features_of(drawn, LongToOpen(5), tmp_path / "w", client=client)
    thread.join()
    assert not features.errors and np.isfinite(features.of_photos()).all()
    assert victims[0] not in pids(client)


class Deadly(Tiny):
    """A network whose process dies of one photo: all black."""

    def features(self, pixels):
        if not pixels.any(axis=(1, 2, 3)).all():
            os._exit(9)
        return super().features(pixels)


@pytest.mark.slow
def test_a_photo_that_kills_workers_is_given_up_and_named(client, tmp_path):
    from PIL import Image

    drawn = draw_photos(tmp_path / "p", 20)
    Image.new("RGB", (16, 16)).save(drawn[7])
    options = {"client": client, "on_error": "skip"}
    features = features_of(drawn, Deadly(7), tmp_path / "w", **options)
    killed = "killed the workers that were to compute it."
    assert features.errors == {7: f"{drawn[7]} {killed}"}
    assert np.isfinite(np.delete(features.of_photos(), 7, axis=0)).all()


def test_cancelled_what_was_done_is_kept_and_workers_stop(client, tmp_path):
    drawn = draw_photos(tmp_path / "p", 400)

    def stop(count):
        raise KeyboardInterrupt

    slow = Tiny(8, seconds=0.05)
    with pytest.raises(KeyboardInterrupt):
        features_of(drawn, slow, tmp_path / "w", client=client, on_photo=stop)
    until = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    done = rows_in(tmp_path / "w", slow)
    assert 32 <= done < 300
    n_cached, n_computed = counts(drawn, Tiny(8), tmp_path / "w")
    assert (n_cached, n_computed) == (done, 400 - done)


@pytest.fixture
def by_hand(tmp_path):
    """A scheduler and a worker, each a program of its own; the address, and both."""
    found = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(found), "--no-dashboard"]
    with dask.config.set(SETTINGS):
        started = [
            _program("scheduler", "--port", "0", *options),
            _program("worker", "--nthreads", "1", "--no-nanny", *options),
        ]
    until = time.monotonic() + 60
    while not found.exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.2)
    try:
        yield read_json(found)["address"], *started
    finally:
        for each in started:
            each.kill()
            each.wait()


def _program(kind, *options):
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
    path = os.pathsep.join(sys.path)
    environment = os.environ | {"PYTHONPATH": path, "DASK_LOGGING__DISTRIBUTED": "50"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def test_a_lost_scheduler_is_an_error_and_a_resume_computes_only_the_rest(
    by_hand, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "SECONDS_A_RANGE", 0.5)
    address, scheduler, _ = by_hand
    drawn = draw_photos(tmp_path / "p", 200)
    thread = killed_when(lambda: len(shards(tmp_path / "w")) > 1, lambda: scheduler.pid)
    slow = Tiny(9, seconds=0.1)
    with connected(address) as client, pytest.raises(ClusterError) as caught:
        features_of(drawn, slow, tmp_path / "w", client=client)
    thread.join()
    assert caught.value.message == "The scheduler is gone."
    assert "of 200 photos are done, and kept." in caught.value.hint
    done = rows_in(tmp_path / "w", slow)
    more = [*drawn, *draw_photos(tmp_path / "more", 10, first=5000)]
    n_cached, n_computed = counts(more, Tiny(9), tmp_path / "w")
    assert 32 <= done <= n_cached < 200  # the worker may have written meanwhile
    assert n_cached + n_computed == 210 == rows_in(tmp_path / "w", slow)


@pytest.mark.slow
def test_without_workers_it_says_so_after_a_while(by_hand, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    address, _, only = by_hand
    drawn = draw_photos(tmp_path / "p", 100)
    thread = killed_when(lambda: shards(tmp_path / "w"), lambda: only.pid)
    with connected(address) as client, pytest.raises(ClusterError, match="No worker"):
        options = {"client": client}
        features_of(drawn, Tiny(1, seconds=0.1), tmp_path / "w", **options)
    thread.join()


def test_what_workers_can_not_read_is_refused_with_all_else(drawn, tmp_path):
    with pytest.raises(OptionError) as caught:
        counts([drawn[0].read_bytes()], Tiny(), None, client="tcp://127.0.0.1:8786")
    said = str(caught.value)
    assert "Expected a dask.distributed.Client. Received: a str" in said
    assert "a workspace that all workers see. Received: None" in said
    assert "Received: 1 photos by their bytes or pixels" in said


def test_a_network_that_can_not_be_sent_is_refused_before_anything(tmp_path, drawn):
    import keras

    layers = [keras.Input((32, 32, 3)), keras.layers.GlobalAveragePooling2D()]
    mine = carlib.Backbone.from_keras(keras.Sequential(layers), name="mine")
    with pytest.raises(OptionError) as caught:
        counts(drawn, mine, tmp_path / "w", client="tcp://127.0.0.1:8786")
    assert "mine is a Keras network of your own" in str(caught.value)
    assert "Received: a str" in str(caught.value)


def test_a_worker_that_sees_another_workspace_is_named(tmp_path):
    elsewhere = worker.folders_of(str(tmp_path), [Tiny()])
    said = worker.problem_of(carlib.__version__, elsewhere)
    assert said == f"does not see {(tmp_path / 'bottlenecks').as_posix()} as the " + (
        "client does"
    )
    assert worker.problem_of("9.9", {}) == f"has carlib {carlib.__version__}, not 9.9"


def test_a_worker_that_joins_later_and_sees_no_workspace_writes_nothing(
    drawn, tmp_path
):
    job = worker.Job("", str(tmp_path / "elsewhere"), False, True)
    with pytest.raises(ClusterError, match="does not see"):
        worker.Opened([Tiny()]).compute(job, [str(drawn[0])], print)
    assert not (tmp_path / "elsewhere").exists()


def test_photos_whose_features_do_not_appear_are_named(
    client, drawn, tmp_path, monkeypatch
):
    """As on a file system that workers share among themselves alone."""
    monkeypatch.setattr(cluster, "PATIENCE", 0)
    monkeypatch.setattr(shards_module.Shards, "refresh", lambda self: None)
    options = {"client": client, "on_error": "skip"}
    errors = features_of(drawn[:20], Tiny(4), tmp_path / "w", **options).errors
    assert len(errors) == 20
    assert errors[0] == f"{drawn[0]} was computed, and the workspace doesn't show it."


def test_workers_that_can_not_take_part_are_all_named(
    client, drawn, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with pytest.raises(ClusterError, match="workers can't take part") as caught:
        counts(drawn, Tiny(2), tmp_path / "w", client=client)
    here = f"has carlib {carlib.__version__}, not 9.9"
    assert caught.value.problems
    assert all(each.endswith(here) for each in caught.value.problems)
    assert not shards(tmp_path / "w")


class Other(Tiny):
    """Travels as another network than it is, as if a worker had other weights."""

    def __reduce__(self):
        return Tiny, (self.bias + 1,)


def test_a_worker_with_other_weights_is_refused(client, drawn, tmp_path):
    with pytest.raises(ClusterError, match="Received: others"):
        counts(drawn, Other(0), tmp_path / "w", client=client)


@pytest.mark.slow
def test_a_trainer_learns_the_same_on_a_cluster(client, photos, tmp_path):
    few = photos.groupby("damage_class").head(4)
    options = {"arch": "EfficientNetLite0", "epoch": 3, "progress": False}
    here, there = (
        carlib.ImageClassificationTrainer(workspace_path=tmp_path / name, **options)
        for name in "ab"
    )
    on_cluster = there.fit(few, client=client)
    np.testing.assert_array_equal(on_cluster.head.kernel, here.fit(few).head.kernel)
