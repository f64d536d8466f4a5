"""Features on disk: shards that are only ever added, under names that prove them.

A backbone's folder holds `.npy` files of rows (photo: 32 bytes, the SHA-256 of the
photo's bytes; features: float32). A shard's name is the SHA-256 of the whole file, and
it appears by an atomic rename: any number of writers need no lock, a kill leaves whole
shards only, and a flipped bit is noticed. Two shards may hold the same photo: as a
feature depends on the photo's bytes and the fingerprint alone, both are right.
"""

import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from carlib.backbones import Backbone
from carlib.files import sha256_of, write_bytes, write_json, write_text

DESCRIPTION = "backbone.json"


class Shards:
    """The features of one backbone that lie in a workspace.

    Args:
        folder: The backbone's own, see `shards_folder`; None keeps all in memory.
        n_features: How many features a row has.
        look: Take up what lies there; if False, only what is added from now on.
        describe: Tells, when the first shard is written, what is kept here.
    """

    def __init__(
        self,
        folder: Path | None,
        n_features: int,
        look: bool = True,
        describe: Callable[[], dict] = dict,
    ):
        self.folder, self.describe = folder, describe
        self.dtype = np.dtype([("photo", "u1", 32), ("features", "<f4", (n_features,))])
        self._places: dict[bytes, tuple[np.ndarray, int]] = {}
        for path in sorted(folder.glob("*.npy")) if folder and look else ():
            self._index(self._open(path))

    def __contains__(self, photo: bytes) -> bool:
        return photo in self._places

    def __len__(self) -> int:
        return len(self._places)

    def gather(self, photos: Sequence[bytes]) -> np.ndarray:
        """Return the features of photos, float32 (n, d), in the order asked for."""
        features = np.empty((len(photos), *self.dtype["features"].shape), np.float32)
        for row, photo in enumerate(photos):
            shard, place = self._places[photo]
            features[row] = shard["features"][place]
        return features

    def add(self, photos: Sequence[bytes], features: np.ndarray) -> None:
        """Write one shard and take it up; where the disk refuses, keep it in memory."""
        rows = np.empty(len(photos), self.dtype)
        rows["photo"] = np.frombuffer(b"".join(photos), np.uint8).reshape(-1, 32)
        rows["features"] = features
        try:
            if self.folder:
                self._prepare(self.folder)
                self._write(rows)
        except OSError as error:
            warnings.warn(
                f"Could not keep {len(rows):,} bottlenecks in {self.folder.as_posix()} "
                f"({error.strerror}); they are used now and computed again next time.",
                stacklevel=2,
            )
        self._index(rows)

    def _prepare(self, folder: Path) -> None:
        if not (folder / DESCRIPTION).exists():
            write_json(folder / DESCRIPTION, self.describe())
        if not (folder.parent / ".gitignore").exists():
            write_text(folder.parent / ".gitignore", "# Made by carlib.\n*\n")

    def _write(self, rows: np.ndarray) -> None:
        buffer = io.BytesIO()
        np.save(buffer, rows, allow_pickle=False)
        name = hashlib.sha256(buffer.getbuffer()).hexdigest()
        write_bytes(self.folder / f"{name}.npy", buffer.getbuffer())

    def _index(self, shard: np.ndarray | None) -> None:
        if shard is not None:
            for place, photo in enumerate(shard["photo"]):
                self._places[photo.tobytes()] = (shard, place)

    def _open(self, path: Path) -> np.ndarray | None:
        """Map a shard into memory if its content is what its name says."""
        try:
            if sha256_of(path) != path.stem:
                return self._set_aside(path, "its content does not match its name")
            shard = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:  # another process set it aside
            return None
        except (OSError, ValueError, EOFError) as error:
            return self._set_aside(path, str(error))
        if shard.dtype != self.dtype or shard.ndim != 1:
            return self._set_aside(path, f"it holds {shard.dtype} {shard.shape}")
        return shard

    def _set_aside(self, path: Path, why: str) -> None:
        warnings.warn(
            f"The shard {path.name[:12]}… in {path.parent.as_posix()} is set aside: "
            f"{why}. Its photos are computed again.",
            stacklevel=2,
        )
        try:
            path.rename(path.with_suffix(".damaged"))
        except OSError:
            return  # a read-only workspace: it is passed over all the same


def open_shards(
    workspace_path: str | os.PathLike | None, backbone: Backbone, look: bool = True
) -> Shards:
    """Open a backbone's shards in a workspace; None is a workspace in memory."""
    if workspace_path is None:
        return Shards(None, backbone.n_features)
    folder = shards_folder(workspace_path, backbone)
    return Shards(folder, backbone.n_features, look, lambda: _description(backbone))


def shards_folder(workspace_path: str | os.PathLike, backbone: Backbone) -> Path:
    """Return where a workspace keeps a backbone's shards.

    A saved model's backbone, known by its weights alone, finds what the same backbone
    computed while it was known by its weights' file.
    """
    kept = Path(workspace_path) / "bottlenecks"
    folder = kept / f"{backbone.arch}-{backbone.fingerprint[:16]}"
    if not folder.exists():
        for path in sorted(kept.glob(f"{backbone.arch}-*/{DESCRIPTION}")):
            description = json.loads(path.read_text("utf-8"))
            if description["fingerprint_of_weights"] == backbone.fingerprint:
                return path.parent
    return folder


def _description(backbone: Backbone) -> dict:
    return {
        "arch": backbone.arch,
        "weights": backbone.weights_name,
        "n_features": backbone.n_features,
        "fingerprint": backbone.fingerprint,
        "fingerprint_of_weights": backbone.fingerprint_of_weights,
    }


def cache_info(workspace_path: str | os.PathLike = "workspace") -> list[dict]:
    """List the backbones whose bottlenecks a workspace keeps.

    Returns:
        A dict for each: arch, weights, fingerprint, photos, shards, bytes.
    """
    described = sorted(Path(workspace_path).glob(f"bottlenecks/*/{DESCRIPTION}"))
    return [
        _summary(path.parent, json.loads(path.read_text("utf-8"))) for path in described
    ]


def _summary(folder: Path, description: dict) -> dict:
    paths = list(folder.glob("*.npy"))
    return {
        "arch": description["arch"],
        "weights": description["weights"],
        "fingerprint": description["fingerprint"],
        "photos": len(Shards(folder, description["n_features"])),
        "shards": len(paths),
        "bytes": sum(path.stat().st_size for path in paths),
    }
