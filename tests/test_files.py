"""What is written is there as a whole or not at all, whenever the process dies."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carlib import files
from carlib.files import (
    atomic_folder,
    atomic_path,
    write_bytes,
    write_json,
    write_part,
    write_text,
)
from carlib.reading import sha256_of


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


@pytest.fixture(params=["at one stroke", "in two steps"])
def way(request, tmp_path, monkeypatch) -> str:
    """How a folder is replaced: as this system can, and as all can."""
    if request.param == "in two steps":
        monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    return request.param


def test_a_folder_is_replaced_where_that_is_wanted(tmp_path, way):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with atomic_folder(tmp_path / "a", replace=True) as temporary:
        (temporary / "new").touch()
    assert names_in(tmp_path / "a") == ["new"] and names_in(tmp_path) == ["a"]


def test_a_folder_takes_the_place_of_a_file_and_of_what_a_link_leads_to(tmp_path, way):
    (tmp_path / "file").touch()
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    for name in ("file", "link"):
        with atomic_folder(tmp_path / name, replace=True) as temporary:
            (temporary / "new").touch()
        assert names_in(tmp_path / name) == ["new"]
    assert names_in(tmp_path) == ["file", "link", "target"]
    assert names_in(tmp_path / "target") == ["new"]
    assert (tmp_path / "link").is_symlink()


def test_a_new_folder_that_is_lost_leaves_the_old_one(tmp_path, way):
    write_text(tmp_path / "a" / "old", "")
    with (
        pytest.raises(FileNotFoundError),
        atomic_folder(tmp_path / "a", replace=True) as temporary,
    ):
        temporary.rmdir()
    assert names_in(tmp_path) == ["a"] and names_in(tmp_path / "a") == ["old"]


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


WAITING = """
    import sys, time
    from carlib.files import atomic_path

    with atomic_path(sys.argv[1]) as temporary:
        temporary.touch()
        print(temporary, flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing the file "a", and what it writes to."""
    command = [sys.executable, "-c", textwrap.dedent(WAITING), str(tmp_path / "a")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        temporary = Path(process.stdout.readline().strip())
        os.utime(temporary, (0, 0))
        yield process, temporary
        process.kill()


@pytest.mark.skipif(os.name == "nt", reason="who lives can't be asked there")
def test_what_a_living_writer_makes_is_never_removed_however_old(tmp_path, writer):
    process, temporary = writer
    write_text(tmp_path / "b", "")
    assert temporary.exists()
    process.communicate("\n")
    assert process.returncode == 0 and names_in(tmp_path) == ["a", "b"]


@pytest.mark.skipif(os.name == "nt", reason="who lives can't be asked there")
def test_what_a_dead_writer_left_is_removed_when_it_is_old(tmp_path, writer):
    process, temporary = writer
    process.kill()
    process.wait()
    write_text(tmp_path / "b", "")
    assert names_in(tmp_path) == ["b"]


def test_the_file_system_tells_how_old_a_file_is_not_this_process(
    tmp_path, monkeypatch
):
    left, now = tmp_path / ".a.1.ab.carlib.tmp", time.time()
    left.touch()
    monkeypatch.setattr(time, "time", lambda: now + 2 * files.ABANDONED)
    write_text(tmp_path / "b", "")
    assert left.exists()


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


@pytest.mark.parametrize("name", ["x" * 250, "車" * 80], ids=["letters", "signs"])
def test_a_very_long_name_still_has_room_for_a_temporary_one(tmp_path, name):
    write_bytes(tmp_path / name, b"a")
    assert names_in(tmp_path) == [name]


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
    if sys.argv[3] == "in two steps":
        files._exchanged = lambda one, other: False
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


def killed_writers(folder: Path, way: str):
    """Write until killed, at one moment after the other; yield the folder each time."""
    code, limit = -1, 0
    while code:
        limit += 1
        here = folder / str(limit)
        (here / "folder").mkdir(parents=True)
        (here / "file").write_bytes(b"old")
        (here / "folder" / "a").write_bytes(b"old")
        run = [sys.executable, "-c", textwrap.dedent(KILLED), here, str(limit), way]
        code = subprocess.run(run, check=False).returncode
        assert code in (0, -signal.SIGKILL)
        yield here
    assert limit > 8


killable = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")


@killable
def test_killed_at_any_moment_the_old_or_the_new_is_there(tmp_path):
    write_text(tmp_path / "one", "")
    write_text(tmp_path / "other", "")
    can_exchange = files._exchanged(tmp_path / "one", tmp_path / "other")
    for here in killed_writers(tmp_path, "at one stroke"):
        assert (here / "file").read_bytes() in (b"old", b"new" * 100_000)
        assert is_whole(here / "folder") or not can_exchange


@killable
def test_the_next_write_puts_back_what_a_killed_writer_had_moved_aside(tmp_path, way):
    for here in killed_writers(tmp_path, way):
        for left in here.glob(files.TEMPORARY):
            os.utime(left, (0, 0))
        write_text(here / "next", "")
        assert names_in(here) == ["file", "folder", "next"]
        assert is_whole(here / "folder")


def is_whole(folder: Path) -> bool:
    content = {path.name: path.read_bytes() for path in folder.glob("*")}
    return content in ({"a": b"old"}, {"a": b"new", "b": b"new"})


def test_the_public_names_of_files_have_their_docstrings():
    functions = [
        getattr(files, name) for name in dir(files) if not name.startswith("_")
    ]
    own = [f for f in functions if getattr(f, "__module__", "") == "carlib.files"]
    assert len(own) >= 9 and all(function.__doc__ for function in own)
