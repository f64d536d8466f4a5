"""Write so that a kill at any moment leaves the old or the new, and nothing torn.

The only module of carlib that opens a file for writing. A file or folder is made under
a temporary name beside its final one and renamed when it is complete.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

TEMPORARY = ".*.carlib.tmp"
ABANDONED = 86_400  # seconds after which a temporary file is nobody's any more


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; another process may be faster."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed left behind; a live one is never so slow."""
    for left in folder.glob(TEMPORARY):
        with contextlib.suppress(OSError):  # another process sweeps here too
            if time.time() - left.stat().st_mtime > ABANDONED:
                remove(left)


def _temporary(path: Path) -> Path:
    return path.with_name(
        f".{path.name[:100]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.carlib.tmp"
    )


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
    file at `path` is left as it was.

    Example:
        >>> with atomic_path("table.csv") as temporary:
        ...     table.to_csv(temporary)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary = _temporary(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path` only if the block succeeds.

    If `path` came into being meanwhile (another process was faster) and `replace` is
    False, the other's is kept and ours thrown away. With `replace`, an existing folder
    is moved aside first and removed once the new one is in place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary, aside = _temporary(path), _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        if replace and path.exists():
            path.rename(aside)
        try:
            temporary.rename(path)
        except OSError:
            if replace or not path.is_dir():
                raise
        _sync(path.parent)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def write_bytes(path: str | os.PathLike, *chunks: bytes) -> None:
    """Write bytes to a file, one chunk after another, atomically."""
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        file.writelines(chunks)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text to a file as UTF-8 with `\\n` line ends, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as readable JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_zip(path: str | os.PathLike, members: dict[str, bytes]) -> None:
    """Write a zip atomically; the same members make the same bytes at any time."""
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)


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

    Raises:
        FileExistsError: Something of that name is there already; it isn't followed if
            it's a link.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.writelines(chunks)
