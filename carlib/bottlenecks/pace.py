"""How long it took to compute what is cached now: a cache should be seen to pay."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from carlib.bottlenecks.cache import PACE, root_of
from carlib.errors import OutputError
from carlib.files import write_json
from carlib.reading import read_json

LEAST = 1.0  # seconds that are worth a word
MOST = 1e9
FEW = 32  # photos: with fewer it is the start that takes the time


class Pace:
    """The seconds that a photo takes some backbones, as the last long run measured.

    It's a small file of a workspace, and worth no error: one that can't be read or
    written says nothing.

    Args:
        fingerprints: The backbones'.
        mirrored: Whether mirror images are computed, too.
    """

    def __init__(
        self,
        workspace_path: str | os.PathLike | None,
        fingerprints: Sequence[str],
        mirrored: bool,
    ):
        what = hashlib.sha256(f"{mirrored} {' '.join(fingerprints)}".encode())
        self._path: Path | None = None
        if workspace_path is not None:
            name = f"{what.hexdigest()[:16]}.json"
            self._path = root_of(workspace_path) / PACE / name

    def told(self, n_cached: int, n_computed: int, seconds: float) -> str:
        """Return what there is to say of a run's time, after its counts; keep it.

        Example:
            >>> pace = Pace("workspace", ["0123"], mirrored=False)
            >>> pace.told(0, 160, 17.6), pace.told(160, 0, 0.1)
            (' in 17.6 s', ' in 0.1 s; computing them takes 17.6 s')
        """
        if n_computed:
            if seconds < LEAST or n_computed < FEW:
                return ""
            self._note(seconds / n_computed)
            return f" in {seconds:.1f} s"
        before = self._known() * n_cached
        if not max(LEAST, 2 * seconds) <= before < MOST:  # nor a number that is none
            return ""
        return f" in {seconds:.1f} s; computing them takes {before:.1f} s"

    def _note(self, seconds: float) -> None:
        if self._path and self._path.parent.parent.is_dir():
            with contextlib.suppress(OutputError):
                write_json(self._path, {"seconds_a_photo": seconds})

    def _known(self) -> float:
        try:
            return float(read_json(self._path)["seconds_a_photo"]) if self._path else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0
