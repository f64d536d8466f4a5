"""Write so that a kill at any moment leaves the old or the new, and nothing torn.

The only module of carlib that opens a file for writing. A file or folder is made under
a temporary name beside its final one and renamed when it is complete. (What grows, and
is read again by whoever goes on, is appended to: see `append_bytes`.)
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

TEMPORARY = ".*.carlib.tmp"
ASIDE = ".*.aside.carlib.tmp"
ABANDONED = 86_400  # seconds after which a temporary file is nobody's any more

# A temporary name ends in this host, the process and a word of chance.
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_OWNED = re.compile(rf"{_HOST}\.(\d{{1,9}})\.[0-9a-f]{{8}}(\.aside)?\.carlib\.tmp$")


def as_path(path: str | os.PathLike) -> Path:
    """Return a path, in which a ~ at the beginning stands for the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user
        return Path(path)


def why_not_writable(path: Path) -> str:
    """Return why no file can be written at a path, as far as can be told, or ""."""
    if not path.name:
        return f"{path} names no file"
    try:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir():
            return f"{path} is a folder"
        if not folder.is_dir():
            return f"{folder} is a file"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder} can't be written to"
        _target(path)
    except OSError as error:  # a name too long, among others
        return f"{path} can't be: {error.strerror}"
    return ""


@contextlib.contextmanager
def named_in_errors(path: str | os.PathLike) -> Iterator[None]:
    """Say what the user can do where a file or folder of theirs can't be written.

    Raises:
        OutputError: In the place of the system's own errors.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}.",
            hint="Name another place, or make room; what stood there is as it was.",
        ) from error


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; another process may be faster."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_way(path: Path) -> None:
    """Remove a link or a device from where carlib keeps a file or folder of its own.

    A link would be written through: what it leads to may be anything of the user's.
    """
    with contextlib.suppress(OSError):
        if stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            path.unlink()


def _target(path: Path) -> Path:
    """Return the file that a path leads to, by a link or not; it needn't be there.

    Raises:
        OSError: Something else is there, such as a device, which would be replaced.
    """
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            kind = "it is a folder, a device or a link in a circle, not a file"
            raise FileExistsError(errno.EEXIST, kind, str(path))
    return path


def _temporary(path: Path, kind: str = "") -> Path:
    owner = f"{_HOST}.{os.getpid()}.{os.urandom(4).hex()}"
    return path.with_name(f".{path.name[:50]}.{owner}{kind}.carlib.tmp")


def _sweep(folder: Path) -> None:
    """Clear up after writers that were killed: put back what stood, remove the rest."""
    left = [path for path in folder.glob(TEMPORARY) if not _is_in_use(path)]
    now = _time_in(folder) if left else 0.0
    for path in left:
        with contextlib.suppress(OSError):  # another process sweeps here too
            _put_back(path)
            if now - path.stat().st_mtime > ABANDONED:
                remove(path)


def _is_in_use(temporary: Path) -> bool:
    """Tell whether the process that made it still runs here, as far as can be known.

    On Windows it can't: there even signal 0, which only asks, ends a process.
    """
    owned = _OWNED.search(temporary.name)
    pid = int(owned[1]) if owned else None
    if pid is None or pid == os.getpid() or os.name == "nt":
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's
    return True


def _time_in(folder: Path) -> float:
    """Return the time of the clock that dates a folder's files; 0: none can be made.

    This process's own clock may be days ahead of it.
    """
    name = {"prefix": ".time.", "suffix": ".carlib.tmp"}
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryFile(dir=folder, **name) as probe,
    ):
        return os.fstat(probe.fileno()).st_mtime
    return 0.0


def _sync(path: Path) -> None:
    """Flush a file (or, where the system allows, a folder) to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; it becomes `path` only if the block succeeds.

    On any exception, Ctrl-C included, the temporary file is removed and an existing
    file at `path` is left as it was. One that is replaced hands on its permissions; a
    link stays, and what it leads to is replaced.

    Raises:
        OSError: At `path` is a folder or a device, or it can't be written.
    """
    path = _target(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary = _temporary(path)
    try:
        yield temporary
        _sync(temporary)
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(beside: str | os.PathLike) -> Iterator[Path]:
    """Yield a new folder of a temporary name beside a path; it goes with the block."""
    beside = Path(beside)
    beside.parent.mkdir(parents=True, exist_ok=True)
    _sweep(beside.parent)
    temporary = _temporary(beside)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            remove(temporary)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path` only if the block succeeds.

    If `path` came into being meanwhile (another process was faster) and `replace` is
    False, the other's is kept and ours thrown away. With `replace`, the two change
    places, at one stroke where the system can (see `_take_place`).
    """
    path = Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)
    with temporary_folder(path) as temporary:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if replace:
                _take_place(temporary, path)
            elif not path.is_dir():
                raise
        _sync(path.parent)


def _take_place(temporary: Path, path: Path) -> None:
    """Let a temporary folder and what stands at a path change places.

    Where the system can't at one stroke, what stood there lies aside for a moment. A
    writer that is killed then leaves it there, and the next one puts it back.
    """
    if _exchanged(temporary, path):
        return
    aside = _temporary(path, ".aside")
    aside.mkdir()
    try:
        path.rename(aside / path.name)
        temporary.rename(path)
        aside.rename(temporary)  # not to be put back any more
    finally:
        _put_back(aside)
        with contextlib.suppress(OSError):
            aside.rmdir()


def _exchanged(one: Path, other: Path) -> bool:
    """Let two paths change places, on Linux and macOS; tell whether they did.

    Not every C library has the function, nor is every file system able to.
    """
    import ctypes

    first, second = os.fsencode(one), os.fsencode(other)
    here, exchange = -100, 2  # AT_FDCWD, and RENAME_EXCHANGE or RENAME_SWAP
    name, arguments = {
        "linux": ("renameat2", (here, first, here, second, exchange)),
        "darwin": ("renamex_np", (first, second, exchange)),
    }.get(sys.platform, ("", ()))
    function = getattr(ctypes.CDLL(None), name, None) if name else None
    return function is not None and function(*arguments) == 0


def _put_back(aside: Path) -> None:
    """Put what a writer moved aside back where it was, if nothing stands there."""
    for old in [*aside.glob("*")] if aside.match(ASIDE) else []:
        place = aside.with_name(old.name)
        if not os.path.lexists(place):
            old.rename(place)
            aside.rmdir()


def write_bytes(path: str | os.PathLike, *chunks: bytes) -> None:
    """Write bytes to a file, one chunk after another, atomically."""
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        file.writelines(chunks)


def append_bytes(path: Path, data: bytes, at: int) -> None:
    """Add bytes to a file that ends at `at`; where not all can be added, none is."""
    size = at
    try:
        with path.open("ab") as file:
            file.write(data)
        _sync(path)
        size += len(data)
    finally:
        os.truncate(path, size)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text to a file as UTF-8 with `\\n` line ends, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as readable JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_zip(
    path: str | os.PathLike, members: dict[str, bytes], deflated: bool = False
) -> None:
    """Write a zip atomically; the same members make the same bytes at any time."""
    how = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, how, 9)


def mapped_array(
    folder: Path, shape: tuple[int, ...], blocks: "Iterable[np.ndarray]"
) -> "np.memmap":
    """Return a float32 array that lies in a file of `folder` instead of in memory.

    It is as good as an array in memory: changes stay in the process, and the file is
    gone when the array is (on Windows: a day later, at the next write there).

    Args:
        blocks: The array's rows, from the first to the last.
    """
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    temporary = _temporary(folder / "array")
    try:
        with temporary.open("xb") as file:
            for block in blocks:
                file.write(block)
        return np.memmap(temporary, np.float32, "c", shape=shape)
    finally:
        with contextlib.suppress(PermissionError):  # Windows: it's in use
            temporary.unlink(missing_ok=True)


def write_part(path: str | os.PathLike, chunks: Iterable[bytes]) -> None:
    """Write a new file inside a folder that `atomic_folder` is making.

    What is there of that name already, be it a link, is an error.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.writelines(chunks)
