"""Read zips that somebody else made, within bounds.

The listing is checked as a whole before a byte is written: names that leave the folder,
links, encryption, collisions, overlapping members and bombs are refused, all of them
named at once; so are names that Windows would quietly take for others, or for devices.
The listing itself is bounded, and so is what is then read, whatever it declared.
Python's own `zipfile` would read any listing into memory, rename `../a` to `a`, write
links as files and, before 3.11.8, read overlapping members.
"""

import contextlib
import io
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from carlib.errors import ArchiveError
from carlib.files import atomic_folder, write_part

MAX_MEMBERS = 200_000
MAX_TOTAL = 8 * 2**30  # bytes unpacked
MAX_RATIO = 200  # unpacked : packed, of a member that unpacks to more than FREE_RATIO
FREE_RATIO = 16 * 2**20
SPARE = 64 * 2**20  # bytes of the disk that unpacking leaves free

_CHUNK = 2**20
_ENTRY = 512  # bytes of the listing for a member, on average, at most
_LISTING = 2**17  # bytes that any listing may have; a zip's comment has up to 2**16
_DEVICE = re.compile(r"(con|prn|aux|nul|con(in|out)\$|(com|lpt)[1-9¹²³]) *(\.|$)", re.I)
_LOCAL_HEADER = 30  # bytes in front of a member's data, at least
_JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini"}
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, ValueError),
    *(EOFError, NotImplementedError, RuntimeError, OverflowError, IndexError),
)


@contextlib.contextmanager
def checked_zip(
    path: str | os.PathLike, most: int | None = None
) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose listing holds nothing dangerous.

    Args:
        most: How many members it may have; None: `MAX_MEMBERS`.

    Raises:
        ArchiveError: Not a zip, cut off, or with members that are refused.

    Example:
        >>> with checked_zip("ImageModel.zip") as archive:
        ...     manifest = read_member(archive, "manifest.json", limit=2**20)
    """
    with _opened(Path(path), MAX_MEMBERS if most is None else most) as archive:
        problems = _refusals(archive)
        if problems:
            raise ArchiveError(f"{path} is refused:", problems)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return the content of one member, of at most `limit` bytes, its CRC checked.

    Raises:
        ArchiveError: No such member, larger than `limit`, or damaged.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ArchiveError(f"{archive.filename} holds no {name}.") from None
    if info.file_size > limit:
        raise ArchiveError(
            f"Expected at most {limit:,} bytes of {name} in {archive.filename}. "
            f"Received: {info.file_size:,}"
        )
    return b"".join(_chunks(archive, info))


def unzip(path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Unpack a zip into a folder that appears only when it is complete.

    What macOS and Windows leave in zips (`__MACOSX`, `Thumbs.db` and such) stays out.
    If the folder appears meanwhile, another process having been faster, that one stays.

    Raises:
        ArchiveError: Refused by `checked_zip`, damaged, or too large for the disk.
    """
    with checked_zip(path) as archive:
        wanted = {_parts(info): info for info in archive.infolist() if _wanted(info)}
        _check_space(path, Path(folder), wanted.values())
        with atomic_folder(folder) as temporary:
            for parts, info in wanted.items():
                _write(archive, info, temporary.joinpath(*parts))


class _File(io.FileIO):
    """A zip, of whose listing, read in one piece, no more is read than it may have."""

    def __init__(self, path: Path, most: int):
        super().__init__(path)
        self.most: int | None = most  # None: the listing has been read

    def read(self, size: int | None = -1) -> bytes:
        """Read as any file, while the listing is read within its bounds."""
        if self.most is None:
            return super().read(size)
        if size and size > self.most * _ENTRY + _LISTING:
            raise self._refused(f"its listing has {size:,} bytes")
        data = super().read(size)
        if (count := data.count(b"PK\1\2")) > self.most:
            raise self._refused(f"it holds {count:,} members, more than {self.most:,}")
        return data

    def _refused(self, why: str) -> ArchiveError:
        return ArchiveError(f"{self.name} is refused:", [why])


@contextlib.contextmanager
def _opened(path: Path, most: int) -> Iterator[zipfile.ZipFile]:
    with contextlib.ExitStack() as stack:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ArchiveError(f"{path} is not a file.")
            file = stack.enter_context(_File(path, most))
            archive = stack.enter_context(zipfile.ZipFile(file))
        except OSError as error:
            raise ArchiveError(
                f"{path} can't be read: {error.strerror or error}."
            ) from error
        except _DAMAGE as error:
            raise ArchiveError(f"{path} is not a zip, or cut off: {error}.") from error
        file.most = None
        yield archive


def _refusals(archive: zipfile.ZipFile) -> list[str]:
    """Return a line for everything in the listing that isn't accepted."""
    members = archive.infolist()
    total = sum(info.file_size for info in members)
    if total > MAX_TOTAL:
        return [f"it unpacks to {total:,} bytes, more than {MAX_TOTAL:,}"]
    each = [
        f"{_shown(info.orig_filename)} {why}" for info in members if (why := _why(info))
    ]
    return each or [*_collisions(members), *_overlaps(archive, members)]


def _why(info: zipfile.ZipInfo) -> str:
    """Return why a member is refused by itself, or ""."""
    name = info.orig_filename.replace("\\", "/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if ".." in name.split("/"):
        return "leads out of the folder"
    if not _parts(info) or re.search(r"[\0-\x1f]", name):
        return "is not a usable name"
    for part in _parts(info):
        if why := _why_on_windows(part):
            return why
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type}, not by deflate"
    if info.file_size > max(FREE_RATIO, info.compress_size * MAX_RATIO):
        return f"unpacks from {info.compress_size:,} to {info.file_size:,} bytes"
    return ""


def _why_on_windows(part: str) -> str:
    """Return what Windows would quietly make of a name, or ""."""
    if ":" in part:
        return "has a colon, which starts a hidden part of a file on Windows"
    if part.endswith((".", " ")):
        return "ends in a dot or a space, which Windows leaves out"
    return "is the name of a device on Windows" if _DEVICE.match(part) else ""


def _shown(name: str) -> str:
    return repr(name if len(name) <= 200 else f"{name[:200]}…")


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return a member's path; old Windows tools write backslashes."""
    return PurePosixPath(info.orig_filename.replace("\\", "/")).parts


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith(("/", "\\"))


def _wanted(info: zipfile.ZipInfo) -> bool:
    return not _is_folder(info) and not _JUNK & {p.casefold() for p in _parts(info)}


def _key(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a file system that ignores case and Unicode forms tells apart."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)


def _collisions(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Name files that would be written twice, or where a folder must be."""
    seen, folders = {}, set()
    for info in members:
        key = _key(_parts(info))
        folders.update(key[:end] for end in range(1, len(key) + _is_folder(info)))
        if _is_folder(info):
            continue
        if key in seen:
            yield f"{_shown(info.filename)} collides with {_shown(seen[key])}"
        seen[key] = info.filename
    yield from (
        f"{_shown(seen[key])} is a file and a folder" for key in seen if key in folders
    )


def _overlaps(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]
) -> Iterator[str]:
    """Name members that share bytes of the zip, as those of a bomb do."""
    ordered = sorted(members, key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in ordered), archive.start_dir]
    for info, following in zip(ordered, starts[1:], strict=True):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > following:
            yield f"{_shown(info.filename)} overlaps what follows it"


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read a member piece by piece; `zipfile` stops at the size that was declared."""
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                yield chunk
    except (*_DAMAGE, OSError) as error:
        where = f"{info.filename} in {archive.filename}"
        raise ArchiveError(f"{where} is damaged: {error}.") from error


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    try:
        write_part(path, _chunks(archive, info))
    except OSError as error:
        where = f"{info.filename} of {archive.filename}"
        raise ArchiveError(f"{where} can't be written: {error.strerror}.") from error


def _check_space(path: str | os.PathLike, folder: Path, members) -> None:
    there = next(p for p in folder.absolute().parents if p.exists())
    needed = sum(info.file_size for info in members) + SPARE
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ArchiveError(
            f"Unpacking {path} needs {needed / 2**20:,.0f} MiB of the disk; "
            f"{free / 2**20:,.0f} MiB are free."
        )
