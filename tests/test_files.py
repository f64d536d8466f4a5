"""What is written is there as a whole or not at all, whenever the process dies."""

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carlib import files
from carlib.errors import DataError
from carlib.files import (
    atomic_folder,
    atomic_path,
    sha256_of,
    write_bytes,
    write_json,
    write_part,
    write_text,
)
from carlib.messages import require, say


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_message_is_printed_once(capsys):
    say.cache_clear()
    for text in ("one", "two", "one"):
        say(text)
    assert capsys.readouterr().out == "one\ntwo\n"


def test_what_a_notebook_needs_is_returned_or_says_who_makes_it(tmp_path):
    (tmp_path / "a.csv").touch()
    assert (
        require(str(tmp_path / "a.csv"), made_by="02_load_data") == tmp_path / "a.csv"
    )
    with pytest.raises(DataError) as caught:
        require("workspace/photos.csv", made_by="02_load_data")
    assert str(caught.value) == (
        "No photos.csv in workspace.\nRun 02_load_data.ipynb first: it makes it."
    )


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "a") == known


def test_writing_makes_the_folders_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "made" / "here" / "a.txt"
    write_text(path, "old")
    write_text(str(path), "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert names_in(path.parent) == ["a.txt"]


def test_json_is_readable_and_ends_its_line(tmp_path):
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "ä": [\n    1,\n    null\n  ]\n}\n'


def test_a_failed_json_leaves_the_old_one(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "1\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_a_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    assert path.read_bytes() == b"old" and names_in(tmp_path) == ["a.txt"]


def test_a_file_appears_only_when_its_block_is_done(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == path.parent and not path.exists()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("replace", [False, True])
def test_whatever_ends_a_folder_leaves_the_old_one_and_nothing_else(
    tmp_path, error, replace
):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with (
        pytest.raises(error),
        atomic_folder(tmp_path / "a", replace=replace) as temporary,
    ):
        (temporary / "new").touch()
        raise error
    assert names_in(tmp_path) == ["a"] and names_in(tmp_path / "a") == ["old"]


def test_a_folder_appears_only_when_its_block_is_done(tmp_path):
    with atomic_folder(tmp_path / "x" / "a") as temporary:
        write_part(temporary / "deep" / "b", [b"1", b"2"])
        assert not (tmp_path / "x" / "a").exists()
    assert (tmp_path / "x" / "a" / "deep" / "b").read_bytes() == b"12"


def test_a_folder_that_another_made_meanwhile_stays(tmp_path):
    with atomic_folder(tmp_path / "a") as temporary:
        (temporary / "ours").touch()
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "theirs").touch()
    assert names_in(tmp_path / "a") == ["theirs"] and names_in(tmp_path) == ["a"]


def test_a_folder_is_replaced_where_that_is_wanted(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with atomic_folder(tmp_path / "a", replace=True) as temporary:
        (temporary / "new").touch()
    assert names_in(tmp_path / "a") == ["new"] and names_in(tmp_path) == ["a"]


def test_a_file_in_the_way_of_a_folder_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").write_bytes(b"a file")
    with pytest.raises(OSError), atomic_folder(tmp_path / "a"):  # noqa: PT011
        pass
    assert (tmp_path / "a").read_bytes() == b"a file" and names_in(tmp_path) == ["a"]


def test_a_part_neither_replaces_nor_follows_what_is_there(tmp_path):
    (tmp_path / "target").write_bytes(b"safe")
    (tmp_path / "link").symlink_to("target")
    for name in ("target", "link"):
        with pytest.raises(FileExistsError):
            write_part(tmp_path / name, [b"evil"])
    assert (tmp_path / "target").read_bytes() == b"safe"


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path):
    left, folder = tmp_path / ".a.1.ab.carlib.tmp", tmp_path / ".b.1.cd.carlib.tmp"
    others = [tmp_path / ".mine.tmp", tmp_path / "mine.carlib.tmp"]
    fresh = tmp_path / ".c.1.ef.carlib.tmp"
    folder.mkdir()
    for path in (left, folder / "part", fresh, *others):
        path.write_text("half")
    for path in (left, folder, *others):
        os.utime(path, (0, 0))
    files.write_text(tmp_path / "whole", "text")
    assert sorted(tmp_path.iterdir()) == sorted([fresh, *others, tmp_path / "whole"])


def test_many_writers_of_one_file_leave_one_of_theirs_whole(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: write_bytes(tmp_path / "a", data), contents))
    assert (tmp_path / "a").read_bytes() in contents and names_in(tmp_path) == ["a"]


def test_many_makers_of_one_folder_leave_one_of_theirs_whole(tmp_path):
    def make(number: int) -> None:
        with atomic_folder(tmp_path / "a") as temporary:
            for name in "xyz":
                write_part(temporary / name, [bytes([number])])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(40)))
    assert len({path.read_bytes() for path in (tmp_path / "a").iterdir()}) == 1
    assert names_in(tmp_path) == ["a"] and len(names_in(tmp_path / "a")) == 3


def test_a_very_long_name_still_has_room_for_a_temporary_one(tmp_path):
    path = tmp_path / ("x" * 250)
    write_bytes(path, b"a")
    assert names_in(tmp_path) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="modes are a Unix matter")
def test_a_written_file_has_the_mode_that_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"a")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from carlib import files

    calls, limit = 0, int(sys.argv[2])
    counted = "open", "os.rename", "os.mkdir", "os.remove", "shutil.rmtree"

    def count(event, arguments):
        global calls
        calls += event in counted
        if event in counted and calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    folder = Path(sys.argv[1])
    files.write_bytes(folder / "file", b"new" * 100_000)
    with files.atomic_folder(folder / "folder", replace=True) as temporary:
        files.write_part(temporary / "a", [b"new"])
        files.write_part(temporary / "b", [b"new"])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_at_any_moment_the_old_or_the_new_is_there(tmp_path):
    finished, limit = False, 0
    while not finished:
        limit += 1
        folder = tmp_path / str(limit)
        (folder / "folder").mkdir(parents=True)
        (folder / "file").write_bytes(b"old")
        (folder / "folder" / "a").write_bytes(b"old")
        run = [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), str(limit)]
        code = subprocess.run(run, check=False).returncode
        finished = code == 0
        assert code in (0, -signal.SIGKILL)
        assert (folder / "file").read_bytes() in (b"old", b"new" * 100_000)
        assert whole(folder) in ({"a": b"old"}, {"a": b"new", "b": b"new"})
    assert limit > 8


def whole(folder: Path) -> dict[str, bytes]:
    """Return the folder's content; between two renames the old one lies beside it."""
    places = [folder / "folder", *sorted(folder.glob(".folder.*.tmp"))]
    for place in places:
        content = {path.name: path.read_bytes() for path in place.glob("*")}
        if content.get("a") == b"old" or len(content) == 2:
            return content
    return {}


def test_the_public_names_of_files_have_their_docstrings():
    functions = [
        getattr(files, name) for name in dir(files) if not name.startswith("_")
    ]
    own = [f for f in functions if getattr(f, "__module__", "") == "carlib.files"]
    assert len(own) >= 9 and all(function.__doc__ for function in own)
