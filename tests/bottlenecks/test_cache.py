"""A workspace's care: what is kept is counted, checked, merged and removed."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from carlib.backbones.architectures import ARCHS
from carlib.bottlenecks import cache as cache_module
from carlib.bottlenecks import run
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    verify_cache,
)
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.pace import Pace
from tests.backbones.mine import own
from tests.tiny import Tiny, counts, draw_photos, shards

N = 12


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    return draw_photos(tmp_path / "photos", N)


@pytest.fixture
def workspace(tmp_path, photos, monkeypatch) -> Path:
    """A workspace that keeps twelve photos in three shards."""
    monkeypatch.setattr(run, "SECONDS_A_SHARD", -1)
    assert counts(photos, Tiny(), tmp_path / "w") == (0, N)
    assert len(shards(tmp_path / "w")) == 3
    return tmp_path / "w"


def home(workspace: Path) -> Path:
    """The folder of the only backbone, or the first."""
    return min(workspace.glob("bottlenecks/*/backbone.json")).parent


def rows(workspace: Path) -> list[bytes]:
    """All rows of all shards, to the bit."""
    tables = [np.load(path, allow_pickle=False) for path in shards(workspace)]
    return sorted(row.tobytes() for table in tables for row in table)


def files(workspace: Path) -> dict[str, bytes]:
    found = (path for path in workspace.rglob("*") if path.is_file())
    return {path.relative_to(workspace).as_posix(): path.read_bytes() for path in found}


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="module")
def with_network(tmp_path_factory) -> Path:
    """A workspace with the features and the converted network of somebody's own."""
    folder = tmp_path_factory.mktemp("network")
    some = draw_photos(folder / "photos", 2)
    compute_bottlenecks(some, own(), folder / "w", progress=False)
    return folder / "w"


# --- cache_info ----------------------------------------------------------------------


def test_info_tells_what_is_kept_of_each_backbone(workspace, photos):
    counts(photos[:5], Tiny(bias=1), workspace)
    first, second = cache_info(workspace)
    assert [first["photos"], second["photos"]] == [N, 5]
    assert [first["shards"], second["shards"]] == [3, 2]
    assert [first["fingerprint"], second["fingerprint"]] == ["0" * 64, "1" * 64]
    assert {first["arch"], second["arch"]} == {"Tiny"}
    assert (first["precision"], first["weights"]) == ("float32", "none")


def test_info_counts_the_bytes_of_all_files_of_a_backbone(with_network):
    (info,) = cache_info(with_network)
    sizes = [p.stat().st_size for p in home(with_network).rglob("*") if p.is_file()]
    assert info["bytes"] == sum(sizes)
    network = home(with_network) / "network" / "network.bin"
    assert info["bytes"] > network.stat().st_size > 0


def test_info_of_a_workspace_without_bottlenecks_is_empty_and_makes_nothing(tmp_path):
    assert cache_info(tmp_path / "nowhere") == []
    assert list(tmp_path.iterdir()) == []


def test_info_and_clear_read_no_shard_and_touch_no_damaged_one(workspace):
    shard = shards(workspace)[0]
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    before = files(workspace)
    (info,) = cache_info(workspace)
    assert info["photos"] == N
    assert files(workspace) == before
    (gone,) = clear_cache(workspace)
    assert gone == info


def test_a_warm_call_writes_nothing(workspace, photos):
    before = {path: path.stat().st_mtime_ns for path in workspace.rglob("*")}
    assert counts(photos, Tiny(), workspace) == (N, 0)
    assert {path: path.stat().st_mtime_ns for path in workspace.rglob("*")} == before


@pytest.mark.skipif(os.name == "nt", reason="no such files")
@pytest.mark.parametrize("kind", ["fifo", "link", "nowhere", "circle", "folder"])
def test_what_lies_in_a_descriptions_place_stops_nothing(workspace, photos, kind):
    path, mine = home(workspace) / "backbone.json", workspace / "mine.txt"
    mine.write_text("mine", "utf-8")
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        targets = {"link": mine, "nowhere": workspace / "new", "circle": path}
        path.symlink_to(targets[kind])
    for care in (cache_info, verify_cache, compact_cache, clear_cache):
        assert care(workspace) == []
    new = draw_photos(photos[0].parent, 4, first=100)
    assert counts(new, Tiny(), workspace) == (N, 4)
    assert counts(new, Tiny(), workspace) == (N + 4, 0)
    assert len(cache_info(workspace)) == (kind != "folder")
    assert mine.read_text("utf-8") == "mine" and not (workspace / "new").exists()


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_the_ignore_file_is_not_written_through_a_link(tmp_path, photos):
    (tmp_path / "w" / "bottlenecks").mkdir(parents=True)
    (tmp_path / "w" / "bottlenecks" / ".gitignore").symlink_to(tmp_path / "new")
    assert counts(photos, Tiny(), tmp_path / "w") == (0, N)
    assert not (tmp_path / "new").exists()


def test_a_copied_folder_of_another_name_is_passed_over_not_set_aside(workspace):
    """Its shards are bound to the name, and would all be taken for damaged."""
    folder = home(workspace)
    shutil.copytree(folder, folder.with_name("copy"))
    before = files(workspace)
    assert [info["photos"] for info in cache_info(workspace)] == [N]
    assert [found["damaged"] for found in verify_cache(workspace)] == [0]
    assert files(workspace) == before


def test_a_description_that_says_other_things_is_written_anew(workspace, photos):
    path = home(workspace) / "backbone.json"
    whole = path.read_bytes()
    described = json.loads(whole) | {"n_features": 3}
    del described["check"]
    check = {"check": cache_module._check(described)}
    path.write_text(json.dumps(described | check), "utf-8")
    counts(draw_photos(photos[0].parent, 1, first=100), Tiny(), workspace)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["my\nweights.h5", "my\x1b[2J.h5", "my\udcff.h5"])
def test_weights_of_an_odd_name_are_told_of_in_one_line(tmp_path, photos, name):
    network = Tiny()
    network.weights_name = name
    assert counts(photos, network, tmp_path / "w") == (0, N)
    (info,) = cache_info(tmp_path / "w")
    assert info["photos"] == N and info["weights"].isprintable()


@pytest.mark.parametrize("kind", ["folder", "nowhere"])
def test_what_can_be_no_shard_is_not_counted_as_one(workspace, kind):
    odd = home(workspace) / f"{'0' * 64}.npy"
    odd.mkdir() if kind == "folder" else odd.symlink_to("nowhere")
    assert cache_info(workspace)[0]["shards"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert verify_cache(workspace)[0]["shards"] == 3
        (done,) = compact_cache(workspace)
    assert (done["before"], done["after"]) == (3, 1)


# --- verify_cache --------------------------------------------------------------------


def test_verify_finds_a_sound_cache_sound_and_changes_nothing(workspace):
    before = files(workspace)
    (found,) = verify_cache(workspace)
    assert (found["photos"], found["shards"], found["damaged"]) == (N, 3, 0)
    assert found["network"] is None
    assert files(workspace) == before


@pytest.mark.parametrize("place", [0, 100, -1])
def test_verify_notices_one_flipped_bit_wherever_it_is(workspace, place):
    shard = shards(workspace)[1]
    data = bytearray(shard.read_bytes())
    data[place] ^= 4
    shard.write_bytes(data)
    with pytest.warns(UserWarning, match="set aside"):
        (found,) = verify_cache(workspace)
    assert (found["photos"], found["shards"], found["damaged"]) == (N - 4, 2, 1)
    assert not shard.exists() and shard.with_suffix(".damaged").exists()


def test_verify_tells_damage_that_it_may_not_set_aside(workspace, monkeypatch):
    flip_a_bit(shards(workspace)[0])

    def refused(path, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.warns(UserWarning, match="set aside"):
        (found,) = verify_cache(workspace)
    assert (found["photos"], found["damaged"]) == (N - 4, 1)


@pytest.mark.parametrize("part", ["network.xml", "network.bin", "sha256.json"])
def test_verify_notices_a_damaged_network(with_network, tmp_path, part):
    shutil.copytree(with_network, tmp_path / "w")
    assert verify_cache(tmp_path / "w")[0]["network"] is True
    path = home(tmp_path / "w") / "network" / part
    flip_a_bit(path)
    (found,) = verify_cache(tmp_path / "w")
    assert (found["network"], found["damaged"]) == (False, 0)
    path.unlink()
    assert verify_cache(tmp_path / "w")[0]["network"] is False


def test_a_network_is_verified_where_openvino_is_not_installed(
    with_network, monkeypatch
):
    monkeypatch.setattr("carlib.runtime.openvino", lambda: None)
    assert verify_cache(with_network)[0]["network"] is True


# --- compact_cache -------------------------------------------------------------------


def test_compact_merges_and_keeps_all_rows_to_the_bit(workspace, photos):
    before = rows(workspace)
    features = compute_bottlenecks(photos, Tiny(), workspace, progress=False)
    (done,) = compact_cache(workspace)
    assert (done["before"], done["after"]) == (3, 1)
    assert rows(workspace) == before
    again = compute_bottlenecks(photos, Tiny(), workspace, progress=False)
    np.testing.assert_array_equal(again, features)
    assert counts(photos, Tiny(), workspace) == (N, 0)


def test_compact_keeps_one_row_of_a_photo_that_two_shards_hold(workspace, photos):
    counts(photos[1:7], Tiny(), workspace, reuse=False)
    assert len(rows(workspace)) == N + 6
    compact_cache(workspace)
    kept = rows(workspace)
    assert len(kept) == len(set(kept)) == N


def test_compact_again_changes_nothing(workspace):
    compact_cache(workspace)
    before = files(workspace)
    (done,) = compact_cache(workspace)
    assert (done["before"], done["after"]) == (1, 1)
    assert files(workspace) == before


def test_compact_leaves_a_large_shard_as_it_is(workspace, tmp_path, monkeypatch):
    """A large one is larger than all the small ones together."""
    counts(draw_photos(tmp_path / "many", 80, first=200), Tiny(), workspace)
    compact_cache(workspace)
    (large,) = shards(workspace)
    monkeypatch.setattr("carlib.bottlenecks.cache.MERGED", large.stat().st_size)
    more = draw_photos(tmp_path / "more", 32, first=100)
    assert counts(more, Tiny(), workspace) == (0, 32)
    before = rows(workspace)
    (done,) = compact_cache(workspace)
    assert done["before"] == 9 > done["after"]
    assert large in shards(workspace)
    assert rows(workspace) == before


def test_compact_merges_no_more_than_makes_a_large_shard(workspace, monkeypatch):
    size = shards(workspace)[0].stat().st_size
    monkeypatch.setattr("carlib.bottlenecks.cache.MERGED", 2 * size)
    before = rows(workspace)
    (done,) = compact_cache(workspace)
    assert (done["before"], done["after"]) == (3, 2)
    assert rows(workspace) == before


def test_compact_merges_each_backbone_by_itself(workspace, photos):
    counts(photos, Tiny(bias=1), workspace)
    done = compact_cache(workspace)
    assert [(entry["before"], entry["after"]) for entry in done] == [(3, 1), (3, 1)]
    assert counts(photos, Tiny(), workspace) == (N, 0)
    assert counts(photos, Tiny(bias=1), workspace) == (N, 0)


def test_compact_deletes_nothing_but_what_it_merged(workspace):
    merged = {path.relative_to(workspace).as_posix() for path in shards(workspace)}
    np.save(home(workspace) / "my features.npy", np.zeros(3))
    (home(workspace) / "notes.txt").write_text("mine", "utf-8")
    before = files(workspace)
    compact_cache(workspace)
    after = files(workspace)
    assert before.keys() - after.keys() == merged
    left = before.keys() - merged
    assert {name: after[name] for name in left} == {name: before[name] for name in left}


def test_compact_sets_a_damaged_shard_aside_and_merges_the_others(workspace, photos):
    flip_a_bit(shards(workspace)[0])
    with pytest.warns(UserWarning, match="set aside"):
        (done,) = compact_cache(workspace)
    assert (done["before"], done["after"]) == (2, 1)
    assert counts(photos, Tiny(), workspace) == (N - 4, 4)


# --- clear_cache ---------------------------------------------------------------------


def test_clear_says_what_it_removed_and_all_is_computed_anew(workspace, photos):
    kept = cache_info(workspace)
    assert clear_cache(workspace) == kept
    assert cache_info(workspace) == []
    assert [name for name in files(workspace) if name.endswith(".npy")] == []
    assert counts(photos, Tiny(), workspace) == (0, N)


def test_clear_removes_a_converted_network_too(with_network, tmp_path):
    shutil.copytree(with_network, tmp_path / "w")
    clear_cache(tmp_path / "w")
    assert list(files(tmp_path / "w")) == ["bottlenecks/.gitignore"]


def test_a_network_is_known_of_before_the_first_features_are(tmp_path):
    """A run that was stopped in between left it, and it takes up room."""

    backbone = own()
    engine = backbone.engine

    def stopped():
        engine()
        raise KeyboardInterrupt

    backbone.engine = stopped
    photos = draw_photos(tmp_path / "photos", 1)
    with pytest.raises(KeyboardInterrupt):
        compute_bottlenecks(photos, backbone, tmp_path / "w", progress=False)
    (info,) = cache_info(tmp_path / "w")
    network = home(tmp_path / "w") / "network" / "network.bin"
    assert info["photos"] == 0 and info["bytes"] > network.stat().st_size > 0
    clear_cache(tmp_path / "w")
    assert list(files(tmp_path / "w")) == ["bottlenecks/.gitignore"]


def test_clear_of_one_arch_leaves_the_others(workspace, with_network):
    network = home(with_network)
    shutil.copytree(network, home(workspace).parent / network.name)
    (gone,) = clear_cache(workspace, arch="mine")
    assert gone["arch"] == "Mine"
    assert [info["arch"] for info in cache_info(workspace)] == ["Tiny"]
    before = files(workspace)
    assert "InceptionV3" in ARCHS
    assert clear_cache(workspace, arch="InceptionV3") == []
    assert files(workspace) == before


def test_clear_removes_only_what_carlib_made(workspace):
    folder = home(workspace).name
    mine = {
        "photos.csv": b"a",
        "bottlenecks/mine.txt": b"b",
        f"bottlenecks/{folder}/notes.txt": b"c",
        f"bottlenecks/{folder}/my features.npy": b"d",
        "bottlenecks/InceptionV3-mine/data.npy": b"e",
    }
    for name, content in mine.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_bytes(content)
    clear_cache(workspace)
    left = files(workspace)
    assert left.pop("bottlenecks/.gitignore")
    assert left == mine


def test_clear_takes_what_was_set_aside_and_what_killed_writers_left(workspace):
    folder = home(workspace)
    flip_a_bit(shards(workspace)[0])
    (folder / ".x.npy.1.2.carlib.tmp").write_bytes(b"")
    (folder / ".network.1.2.carlib.tmp").mkdir()
    with pytest.warns(UserWarning, match="set aside"):
        verify_cache(workspace)
    clear_cache(workspace)
    assert not folder.exists()


@pytest.mark.parametrize("arch", [None, "Tiny"])
def test_clear_of_all_forgets_how_long_they_took(workspace, arch):
    pace = workspace / "bottlenecks" / "pace"
    Pace(workspace, ["0"], False).told(0, 160, 17.6)
    assert len(list(pace.iterdir())) == 1
    clear_cache(workspace, arch)
    assert pace.exists() == (arch is not None)


def test_clear_leaves_what_somebody_else_put_beside_the_pace(workspace):
    pace = workspace / "bottlenecks" / "pace"
    Pace(workspace, ["0"], False).told(0, 160, 17.6)
    (pace / "notes.json").write_text("mine", "utf-8")
    clear_cache(workspace)
    assert [path.name for path in pace.iterdir()] == ["notes.json"]


def test_clear_that_is_cut_off_can_be_done_again(workspace, monkeypatch):
    """The description goes last, else nobody would know of what is left."""
    folder, unlink, done = home(workspace), Path.unlink, []

    def cut_off(path, missing_ok=False):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut_off)
        with pytest.raises(KeyboardInterrupt):
            clear_cache(workspace)
    assert len(cache_info(workspace)) == 1
    clear_cache(workspace)
    assert not folder.exists()


def test_clear_of_a_workspace_without_bottlenecks_makes_nothing(tmp_path):
    assert clear_cache(tmp_path / "nowhere") == []
    assert list(tmp_path.iterdir()) == []


def test_what_the_functions_return_can_be_printed_as_json(workspace):
    for care in (cache_info, verify_cache, compact_cache, clear_cache):
        found = care(workspace)
        assert json.loads(json.dumps(found)) == found
        assert {"arch", "precision", "fingerprint"} <= found[0].keys()
