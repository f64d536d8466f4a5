"""A shard: its name is the hash of its content."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from carlib.bottlenecks import shard_file
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shard_file import (
    LARGEST,
    ShardError,
    header_of,
    read_shard,
    row_type,
    sizes_of,
    write_shard,
)
from tests.tiny import Tiny, counts, shards, table


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "pickle", "other"])
def test_a_shard_that_is_not_what_its_name_says_is_set_aside(folder, tmp_path, damage):
    before = compute_bottlenecks(table(folder), Tiny(), tmp_path / "w")
    (shard,) = shards(tmp_path / "w")
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    if damage == "pickle":
        np.save(shard, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        whole = shard.read_bytes()
        contents = {"bit": data, "cut": whole[:-9], "empty": b"", "other": b"x" * 99}
        shard.write_bytes(contents[damage])
    with pytest.warns(UserWarning, match="set aside") as warned:
        again = compute_bottlenecks(table(folder), Tiny(), tmp_path / "w")
    assert len(warned) == 1
    np.testing.assert_array_equal(again, before)
    assert counts(table(folder), Tiny(), tmp_path / "w") == (40, 0)


def test_a_shards_name_is_the_hash_of_its_content(folder, tmp_path):
    counts(table(folder), Tiny(), tmp_path / "w")
    (shard,) = shards(tmp_path / "w")
    assert shard.stem == hashlib.sha256(shard.read_bytes()).hexdigest()
    rows = np.load(shard, allow_pickle=False)
    one = Path(sorted(folder.iterdir())[0]).read_bytes()
    assert hashlib.sha256(one).digest() in {row.tobytes() for row in rows["photo"]}


def claiming(path: Path, header: bytes, size: int) -> Path:
    """A file of a size of which the disk holds next to nothing."""
    path.write_bytes(header)
    os.truncate(path, size)
    return path


@pytest.fixture
def blocks(monkeypatch):
    """How many blocks of rows were looked at."""
    seen, checked = [], shard_file._checked

    def counted(data, dtype):
        seen.append(len(data))
        return checked(data, dtype)

    monkeypatch.setattr(shard_file, "_checked", counted)
    return seen


@pytest.mark.skipif(os.name == "nt", reason="no sparse files")
@pytest.mark.parametrize(
    ("kind", "why", "most"),
    [
        ("another's header", "no shard of this", 0),
        ("half a row", "no shard of this", 0),
        ("too large", "says that it has", 0),
        ("a hole", "rows of nothing", 1),
    ],
)
def test_a_file_that_only_claims_to_be_a_shard_is_hardly_read(
    tmp_path, blocks, kind, why, most
):
    dtype, other = row_type(tmp_path, 2), row_type(tmp_path, 3)
    count = 19_000_000 if kind != "too large" else LARGEST // dtype.itemsize
    header = header_of(other if kind == "another's header" else dtype, count)
    size = len(header) + count * dtype.itemsize + 7 * (kind == "half a row")
    path = claiming(tmp_path / "x.npy", header, size)
    with pytest.raises(ShardError, match=why):
        list(read_shard(path, dtype, "f" * 64))
    assert len(blocks) == most


def test_what_is_no_file_has_no_size(tmp_path):
    names = [f"{number:064}.npy" for number in range(4)]
    (tmp_path / names[0]).mkdir()
    (tmp_path / names[1]).symlink_to(names[1])
    (tmp_path / names[2]).symlink_to("nowhere")
    (tmp_path / names[3]).write_bytes(b"abc")
    assert sizes_of(tmp_path) == [3]


def test_a_link_in_a_shards_place_is_not_written_through(tmp_path):
    mine, folder = tmp_path / "mine.txt", tmp_path / "folder"
    rows = np.ones(1, row_type(folder, 2))
    path = write_shard(folder, [rows])
    mine.write_text("mine", "utf-8")
    path.unlink()
    path.symlink_to(mine)
    assert write_shard(folder, [rows]) == path
    assert mine.read_text("utf-8") == "mine" and not path.is_symlink()
