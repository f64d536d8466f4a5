"""A shard: its name is the hash of its content."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from carlib.bottlenecks.extract import compute_bottlenecks
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
