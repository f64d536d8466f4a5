"""The files that a store or tars list, found as those of a folder are."""

import functools
import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from carlib.data.addresses import is_address
from carlib.data.folder import INDEX, PhotoFolder, relative_name
from carlib.data.labels import alike
from carlib.data.photos import read_content
from carlib.data.sources import Source
from carlib.data.stores import Entry
from carlib.data.walk import Walk, by_suffix
from carlib.errors import DataError, ImageError


class PhotoList:
    """The files that a store or tars list, by their names in it.

    Args:
        called: What messages call it: its address or path.
        entries: How each is read, by its name.
        left_out: What else is there, with its kind.
    """

    def __init__(
        self,
        called: str,
        entries: Mapping[str, Entry],
        left_out: Iterable[tuple[Path, str]] = (),
    ):
        self.called, self._entries, self._left_out = called, entries, list(left_out)
        self._looked_in: set[str] = set()

    @property
    def has_index(self) -> bool:
        """Whether there is an index.csv."""
        return INDEX in self._entries

    def index(self) -> bytes:
        """Return the content of index.csv.

        Raises:
            DataError: It can't be read.
        """
        try:
            content, _ = read_content(Source(self.path_of(INDEX)))
        except ImageError as error:
            raise DataError(error.message) from error
        return bytes(content)

    def find(self, name: str) -> str:
        """Return a photo's name as it is listed.

        Raises:
            LookupError: Why it isn't accepted.
        """
        inside = name.removeprefix(f"{self.called}/")
        if is_address(inside):
            raise LookupError(f"{name} is an address out of the data folder")
        path = relative_name(inside, (self.called,))
        self._looked_in.add(posixpath.dirname(path))
        if path in self._entries:
            return path
        near = self._alike.get(alike(path), [])
        for each in near:  # another Unicode form
            if unicodedata.normalize("NFC", each) == unicodedata.normalize("NFC", path):
                return each
        file, meant = Path(path), list(near)
        for known_as in (alike(file.name), alike(file.stem)):
            meant += self._alike.get(known_as, [])
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise LookupError(f"there is no {path}{hint}")

    @functools.cached_property
    def _alike(self) -> dict[str, list[str]]:
        """The photos by what their names, whole and without folders, look like."""
        found: dict[str, list[str]] = {}
        for path in self.walk().photos:
            for form in {alike(path.as_posix()), alike(path.name), alike(path.stem)}:
                found.setdefault(form, []).append(path.as_posix())
        return found

    def unlisted(self, images: Iterable[str]) -> int:
        """Count the photos that lie beside the listed ones without being listed."""
        beside = (
            posixpath.dirname(path.as_posix()) in self._looked_in
            for path in self.walk().photos
        )
        return max(0, sum(beside) - len(set(images)))

    def walk(self) -> Walk:
        """Return what is listed."""
        found = by_suffix(self._entries)
        return Walk(found.photos, found.left_out + self._left_out)

    def at_top(self) -> list[str]:
        """Return the names of files and folders that lie in no folder, sorted."""
        return sorted({name.partition("/")[0] for name in self._entries})

    def path_of(self, image: str) -> str:
        """Return what a photo, as `find` names it, is read by."""
        return self._entries[image].address

    def size_of(self, image: str) -> int:
        """Return a photo's bytes; 0 in a store, to read none for comparison."""
        entry = self._entries[image]
        return 0 if is_address(entry.address) else entry.size


Place = PhotoFolder | PhotoList
