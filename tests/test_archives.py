"""A zip is unpacked as a whole or not at all, and nothing gets out of its folder."""

import errno
import io
import re
import stat
import struct
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib import archives
from carlib.archives import checked_zip, read_member, unzip
from carlib.errors import ArchiveError


def make_zip(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_refused(path: Path, says: str) -> None:
    """Check that nothing at all was written by an attempt to unpack."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ArchiveError, match=says):
        unzip(path, path.parent / "target")
    assert sorted(path.parent.rglob("*")) == before


def test_a_zip_becomes_a_folder_with_its_files(tmp_path):
    members = [("index.csv", b"image,class,subset\r\n"), ("image/1.jpeg", b"\xff\xd8")]
    members += [
        ("image/é ü 车.jpeg", b""),
        ("deep/er/and/deeper.txt", b"x" * 3_000_000),
    ]
    unzip(make_zip(tmp_path / "a.zip", members), tmp_path / "made/on/demand")
    assert files_in(tmp_path / "made/on/demand") == dict(members)
    assert [p.name for p in (tmp_path / "made/on").iterdir()] == ["demand"]


def test_backslashes_of_old_windows_tools_part_folders(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("image\\", b""), ("image\\1.jpeg", b"x")])
    unzip(path, tmp_path / "target")
    assert files_in(tmp_path / "target") == {"image/1.jpeg": b"x"}


def test_the_junk_of_macos_and_windows_stays_out(tmp_path):
    junk = ["__MACOSX/image/._1.jpeg", ".DS_Store", "image/Thumbs.db", "Desktop.ini"]
    members = [(name, b"junk") for name in junk] + [("image/1.jpeg", b"x")]
    unzip(make_zip(tmp_path / "a.zip", members), tmp_path / "target")
    assert files_in(tmp_path / "target") == {"image/1.jpeg": b"x"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "..", "..\\evil", "a\\..\\..\\evil", "a/.."],
)
def test_a_name_that_climbs_out_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", [("fine.txt", b""), (name, b"evil")])
    assert_refused(path, "leads out of the folder")


@pytest.mark.parametrize(
    "name", ["/etc/evil", "\\evil", "C:\\evil", "c:evil", "//server/share/evil"]
)
def test_an_absolute_name_is_refused(tmp_path, name):
    assert_refused(make_zip(tmp_path / "a.zip", [(name, b"")]), "is an absolute path")


@pytest.mark.parametrize("name", [".", "./", "a\nb", "a\x1b[31m"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    assert_refused(make_zip(tmp_path / "a.zip", [(name, b"")]), "not a usable name")


def test_a_nul_in_a_name_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("evil.txt_.jpeg", b"")])
    path.write_bytes(path.read_bytes().replace(b"evil.txt_", b"evil.txt\0"))
    assert_refused(path, "not a usable name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device_is_refused(tmp_path, kind):
    info = zipfile.ZipInfo("image")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    path = make_zip(tmp_path / "a.zip", [(info, b"/etc"), ("image/passwd", b"")])
    assert_refused(path, "'image' is a link or a device")


def test_an_encrypted_member_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("secret.txt", b"abc")])
    data = bytearray(path.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + flags] |= 1
    path.write_bytes(data)
    assert_refused(path, r"'secret\.txt' is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compression_that_cannot_be_bounded_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.txt", b"a")
    assert_refused(tmp_path / "a.zip", rf"'a\.txt' is compressed by method {method}")


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpeg", "A.JPEG"),
        ("x/a.jpeg", "X/A.jpeg"),
        ("a.jpeg", "./a.jpeg"),
        ("a/b.jpeg", "a\\b.jpeg"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ("straße", "STRASSE"),
    ],
)
def test_names_that_collide_on_some_file_system_are_refused(tmp_path, names):
    path = make_zip(tmp_path / "a.zip", [(name, b"") for name in names])
    assert_refused(path, "collides with")


def test_the_same_name_twice_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.jpeg", b"1"), ("b.jpeg", b"2")])
    path.write_bytes(path.read_bytes().replace(b"b.jpeg", b"a.jpeg"))
    assert_refused(path, "collides with")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "A"), ("a", "a/")])
def test_a_file_where_a_folder_must_be_is_refused(tmp_path, names):
    path = make_zip(tmp_path / "a.zip", [(name, b"") for name in names])
    assert_refused(path, "is a file and a folder")


def test_folders_may_be_listed_in_any_order_and_more_than_once(tmp_path):
    names = ["a/b/1", "a/", "a/b/", "A/2"]
    path = make_zip(tmp_path / "a.zip", [(name, b"") for name in names])
    unzip(path, tmp_path / "target")
    assert {name.casefold() for name in files_in(tmp_path / "target")} == {
        "a/b/1",
        "a/2",
    }


def test_all_that_is_wrong_is_named_at_once(tmp_path):
    names = ["../a", "/b", "fine", "c\nd"]
    path = make_zip(tmp_path / "a.zip", [(name, b"") for name in names])
    with pytest.raises(ArchiveError) as caught:
        unzip(path, tmp_path / "target")
    assert len(caught.value.problems) == 3


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    path = make_zip(tmp_path / "a.zip", [(str(i), b"") for i in range(4)])
    assert_refused(path, "4 members, more than 3")


def test_a_listing_is_not_read_beyond_its_bounds(tmp_path):
    """A crafted end of a zip may say that the listing is all of a large file."""
    path = make_zip(tmp_path / "a.zip", [("a", b"")])
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    size = 300 * 2**20
    crafted = data[end : end + 12] + struct.pack("<II", size, 0) + data[end + 20 :]
    with path.open("wb") as file:
        file.truncate(size)  # as a hole: no bytes of the disk
        file.seek(size)
        file.write(crafted)
    assert_refused(path, "its listing has 314,572,800 bytes")


def test_members_are_counted_before_they_are_listed(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [(str(i), b"") for i in range(9)])
    with checked_zip(path, most=9) as archive:
        assert len(archive.namelist()) == 9
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *_: pytest.fail("it was listed"))
    with (
        pytest.raises(ArchiveError, match="9 members, more than 8"),
        checked_zip(path, most=8),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("CON", "device"),
        ("image/con.txt", "device"),
        ("aux .jpeg", "device"),
        ("Lpt1.jpeg", "device"),
        ("nul.tar.gz", "device"),
        ("conin$", "device"),
        ("a. ", "a dot or a space"),
        ("image./1.jpeg", "a dot or a space"),
        ("photo:ads", "a colon"),
        ("image/1.jpeg::$DATA", "a colon"),
    ],
)
def test_a_name_that_windows_takes_for_another_is_refused(tmp_path, name, says):
    path = make_zip(tmp_path / "a.zip", [("fine.txt", b""), (name, b"")])
    assert_refused(path, f"{re.escape(name)}' .*{says}")


@pytest.mark.parametrize(
    "name", ["console.txt", "com10.jpeg", ".hidden", "a..b", "conduct/aux_1", "com0"]
)
def test_a_name_that_only_looks_like_those_is_taken(tmp_path, name):
    unzip(make_zip(tmp_path / "a.zip", [(name, b"x")]), tmp_path / "target")
    assert files_in(tmp_path / "target") == {name: b"x"}


def test_a_name_of_any_length_is_refused_in_one_short_line(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("../" + "x" * 60_000, b"")])
    with pytest.raises(ArchiveError) as caught:
        unzip(path, tmp_path / "target")
    assert len(str(caught.value)) < 1_000


def test_too_much_in_all_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_TOTAL", 100)
    path = make_zip(tmp_path / "a.zip", [("a", b"x" * 60), ("b", b"x" * 60)])
    assert_refused(path, "120 bytes, more than 100")


def test_a_bomb_is_refused_by_its_ratio_and_small_files_may_be_squeezed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(archives, "FREE_RATIO", 10_000)
    bomb = make_zip(tmp_path / "a.zip", [("bomb", bytes(1_000_000))])
    assert_refused(bomb, "unpacks from .* to 1,000,000 bytes")
    unzip(make_zip(tmp_path / "b.zip", [("fine", bytes(10_000))]), tmp_path / "fine")


def test_overlapping_members_are_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.txt", b"1" * 99), ("b.txt", b"2" * 99)])
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # where its data are
    path.write_bytes(data)
    assert_refused(path, "overlaps")


def test_a_size_that_was_understated_is_found_out(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.txt", b"x" * 100_000)])
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    assert_refused(path, r"a\.txt .* is damaged")


def test_a_wrong_checksum_is_an_error_that_names_the_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr("image/bad.txt", b"content")
    data = (tmp_path / "a.zip").read_bytes().replace(b"content", b"c0ntent")
    (tmp_path / "a.zip").write_bytes(data)
    assert_refused(tmp_path / "a.zip", r"image/bad\.txt in .* is damaged")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_zip_that_is_cut_off_is_refused(tmp_path, share):
    path = make_zip(tmp_path / "a.zip", [(f"{i}.txt", b"x" * 50) for i in range(20)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert_refused(path, "is not a zip, or cut off")


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("<html>404</html>", encoding="utf-8")
    assert_refused(tmp_path / "a.zip", "not a zip")
    for other in (tmp_path, tmp_path / "missing.zip"):
        with pytest.raises(ArchiveError, match="not a file|can't be read"):
            unzip(other, tmp_path / "target")


def test_a_disk_too_full_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [("a", b"x")])
    monkeypatch.setattr(archives, "SPARE", 2**60)
    assert_refused(path, "needs .* MiB of the disk; .* MiB are free")


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [("a", b"x"), ("b", b"y")])
    real, calls = archives.write_part, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(archives, "write_part", full)
    assert_refused(path, "b of .* can't be written: No space left")


def test_a_name_too_long_for_the_disk_is_an_error_that_names_it(tmp_path):
    assert_refused(make_zip(tmp_path / "a.zip", [("x" * 300, b"")]), "can't be written")


def test_several_at_once_unpack_into_one_whole_folder(tmp_path):
    members = [(f"{i}.txt", bytes([i]) * 1000) for i in range(100)]
    path = make_zip(tmp_path / "a.zip", members)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: unzip(path, tmp_path / "target"), range(12)))
    assert files_in(tmp_path / "target") == dict(members)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "target"]


def test_one_member_is_read_within_a_limit(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("m.json", b"{}"), ("w.bin", b"x" * 50)])
    with checked_zip(path) as archive:
        assert read_member(archive, "m.json", limit=2) == b"{}"
        with pytest.raises(ArchiveError, match="at most 49 .* Received: 50"):
            read_member(archive, "w.bin", limit=49)
        with pytest.raises(ArchiveError, match=r"holds no labels\.json"):
            read_member(archive, "labels.json", limit=9)


PART = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters='/\\:<>|?*"'),
    min_size=1,
    max_size=8,
).filter(lambda part: part.strip(". ") == part)


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(
        st.lists(PART, min_size=1, max_size=3).map(
            lambda parts: "/".join(f"{depth}{p}" for depth, p in enumerate(parts))
        ),
        st.binary(max_size=200),
        max_size=6,
    )
)
def test_any_harmless_zip_comes_out_as_it_went_in(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("zip")
    path = make_zip(folder / "a.zip", list(files.items()))
    try:
        unzip(path, folder / "target")
    except ArchiveError as error:
        assert "collides" in str(error) or "file and a folder" in str(error)  # noqa: PT017
    else:
        assert files_in(folder / "target") == files


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5
    )
)
def test_a_damaged_zip_is_an_error_or_gives_what_was_in_it(tmp_path_factory, changes):
    members = {"image/1.jpeg": b"one" * 30, "index.csv": b"two" * 30}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    folder = tmp_path_factory.mktemp("zip")
    (folder / "a.zip").write_bytes(data)
    try:
        unzip(folder / "a.zip", folder / "target")
    except ArchiveError:
        assert [path.name for path in folder.iterdir()] == ["a.zip"]
    else:  # a name may have changed; content that passes its checksum has not
        assert set(files_in(folder / "target").values()) <= set(members.values())
