"""The files in a data folder, found by the names that an index may use for them."""

import functools
import os
import posixpath
import re
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from carlib.data.labels import alike
from carlib.data.walk import PHOTO_SUFFIXES, Walk, walk
from carlib.errors import DataError

INDEX = "index.csv"
MAX_INDEX = 512 * 2**20


class PhotoFolder:
    """The files in a data folder; each of its folders is listed once.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path):
        self.root, self.real = root, root.resolve()
        self._listings: dict[str, _Listing] = {}
        self._folders = {"": ""}  # as an index has them: as they are on the disk

    @property
    def called(self) -> str:
        """What messages call it."""
        return self.root.as_posix()

    @property
    def has_index(self) -> bool:
        """Whether there is an index.csv, if only a link that leads nowhere."""
        return os.path.lexists(self.root / INDEX)

    def index(self) -> bytes:
        """Return the content of index.csv.

        Raises:
            DataError: It can't be read, or is a link out of the folder: an error would
                show that file's lines.
        """
        path = self.root / INDEX
        try:
            self.check_inside(path, path.name)
            if not stat.S_ISREG(path.stat().st_mode):
                raise DataError(f"{path} is a folder or a device, not a file.")
            if path.stat().st_size > MAX_INDEX:
                raise DataError(f"{path} has more than {MAX_INDEX:,} bytes.")
            return path.read_bytes()
        except LookupError as error:
            raise DataError(f"{path}: {error}.") from error
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}.") from error

    def walk(self) -> Walk:
        """Return what lies in the folder."""
        return walk(self.root)

    def at_top(self) -> list[str]:
        """Return the names of what lies in the folder itself, sorted."""
        return sorted(path.name for path in self.root.iterdir())

    def path_of(self, image: str) -> str:
        """Return what a photo, as `find` names it, is read by."""
        return (self.root / image).as_posix()

    def size_of(self, image: str) -> int:
        """Return a photo's bytes; 0 where they aren't known."""
        try:
            return (self.root / image).stat().st_size
        except OSError:
            return 0

    def find(self, name: str) -> str:
        """Return a photo's path inside the folder, with the names that are on the disk.

        Raises:
            LookupError: Why it isn't accepted.
        """
        path = self._relative(name)
        folder, file = posixpath.split(path)
        folder = self._folder(folder, path)
        entry = self._entry(folder, file, path)
        if entry.is_symlink():
            self.check_inside(Path(entry.path), name)
        if not _is_file(entry):
            raise LookupError(f"{path} is not a file")
        return posixpath.join(folder, entry.name)

    def check_inside(self, path: Path, name: str) -> None:
        """Refuse what leads out of the folder by a link.

        Raises:
            LookupError: It does, or nowhere.
        """
        try:
            inside = path.resolve().is_relative_to(self.real)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle
            raise LookupError(f"{name} leads nowhere") from error
        if not inside:
            raise LookupError(f"{name} leads out of the data folder, by a link")

    def unlisted(self, images: Iterable[str]) -> int:
        """Count the photos that lie beside the listed ones without being listed."""
        there = (name for listing in self._listings.values() for name in listing.names)
        photos = sum(Path(name).suffix.lower() in PHOTO_SUFFIXES for name in there)
        return max(0, photos - len(set(images)))

    def _relative(self, name: str) -> str:
        """Return a name as a path from the folder on."""
        if re.match(r"\w{2,}://", name):
            raise LookupError(f"{name} is an address: download it into the folder")
        roots = (self.root.absolute().as_posix(), self.real.as_posix())
        return relative_name(name, roots)

    def _folder(self, folder: str, path: str) -> str:
        """Return a folder with the names that are on the disk."""
        if folder not in self._folders:
            parent, name = posixpath.split(folder)
            parent = self._folder(parent, path)
            entry = self._entry(parent, name, path)
            self._folders[folder] = posixpath.join(parent, entry.name)
        return self._folders[folder]

    def _entry(self, folder: str, name: str, path: str) -> os.DirEntry:
        listing = self._listing(folder)
        if name in listing.names:
            return listing.names[name]
        near = listing.alike.get(alike(name), [])
        for entry in near:  # another Unicode form, or a disk that ignores case
            same = unicodedata.normalize("NFC", entry.name)
            if same == unicodedata.normalize("NFC", name) or self._exists(folder, name):
                return entry
        meant = [posixpath.join(folder, entry.name) for entry in near]
        file = Path(posixpath.basename(path))
        for known_as in (alike(file.name), alike(file.stem)):
            meant += self._anywhere.get(known_as, [])
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise LookupError(f"there is no {path}{hint}")

    def _exists(self, folder: str, name: str) -> bool:
        try:
            return os.path.lexists(self.root / folder / name)
        except (OSError, ValueError):
            return False

    def _listing(self, folder: str) -> "_Listing":
        if folder not in self._listings:
            path = self.root / folder
            self.check_inside(path, folder)
            self._listings[folder] = _Listing(path)
        return self._listings[folder]

    @functools.cached_property
    def _anywhere(self) -> dict[str, list[str]]:
        """All photos' paths by their file's name, with its suffix and without."""
        found: dict[str, list[str]] = {}
        for path in walk(self.root).photos:
            for name in {alike(path.name), alike(path.stem)}:
                found.setdefault(name, []).append(path.as_posix())
        return found


def relative_name(name: str, roots: Iterable[str]) -> str:
    """Return a name as a path from the folder on, which has these absolute paths."""
    path = posixpath.normpath(name.replace("\\", "/"))
    for root in roots:
        path = path.removeprefix(f"{root.rstrip('/')}/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise LookupError(f"{name} is an absolute path out of the data folder")
    if re.match(r"\.\.(/|$)", path):
        raise LookupError(f"{name} leads out of the data folder")
    return path


class _Listing:
    """What lies in one folder; nothing where it can't be read."""

    def __init__(self, path: Path):
        try:
            with os.scandir(path) as entries:
                self.names = {entry.name: entry for entry in entries}
        except (OSError, ValueError):
            self.names = {}

    @functools.cached_property
    def alike(self) -> dict[str, list[os.DirEntry]]:
        """The entries whose names look the same."""
        found: dict[str, list[os.DirEntry]] = {}
        for name, entry in self.names.items():
            found.setdefault(alike(name), []).append(entry)
        return found


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle; Python 3.13 resolves them to themselves
        return False
