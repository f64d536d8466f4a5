"""The cache of bottlenecks in a workspace: where it lies, what it holds, its care.

| in workspace/bottlenecks | content |
|---|---|
| <arch>-<fingerprint>/backbone.json | which backbone's features lie here |
| <arch>-<fingerprint>/<sha256>.npy | a shard of them |
| <arch>-<fingerprint>/<sha256>.keys | which photos a large shard is of: a hint |
| <arch>-<fingerprint>/network/ | the network as OpenVINO has it, with its hashes |
| photos-<sha256>.npy | the stat index |
| pace/ | how many seconds a photo took, to be told |
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from carlib.backbones.engines import Network
from carlib.backbones.kept import NETWORK, is_whole
from carlib.bottlenecks.open_folder import OpenFolder
from carlib.bottlenecks.opened import opened, write_all
from carlib.bottlenecks.shard_file import (
    DAMAGED,
    HINT,
    SHARD,
    count_rows,
    row_type,
    size_of,
    sizes_of,
)
from carlib.bottlenecks.shards import MERGED, Shards
from carlib.bottlenecks.stat_index import StatIndex
from carlib.errors import printable
from carlib.files import TEMPORARY, as_path, make_way, remove, write_json, write_text
from carlib.reading import read_json

DESCRIPTION, PACE = "backbone.json", "pace"
MOST_FEATURES = 1 << 20  # of a row; InceptionV3's have 2,048


def root_of(workspace_path: str | os.PathLike) -> Path:
    """Return the folder of a workspace in which bottlenecks lie."""
    return as_path(workspace_path) / "bottlenecks"


def open_index(
    workspace_path: str | os.PathLike | None, n_photos: int | None = None
) -> StatIndex:
    """Return a workspace's stat index as it is now; None is a workspace in memory.

    Args:
        n_photos: How many will be asked for; see `StatIndex.refresh`.
    """
    if workspace_path is None:
        return StatIndex(None)
    root = root_of(workspace_path)
    index = opened(("index", root.absolute(), root), lambda: StatIndex(root))
    index.refresh(n_photos)
    return index


def open_shards(
    workspace_path: str | os.PathLike | None, backbone: Network, look: bool = True
) -> Shards:
    """Open a backbone's shards in a workspace; None is a workspace in memory."""
    if workspace_path is None:
        return Shards(None, backbone.n_features)
    folder = shards_folder(workspace_path, backbone)
    return Shards(
        folder,
        backbone.n_features,
        look,
        lambda: _describe(folder, backbone),
        _open_folder(folder, backbone.n_features) if look else None,
    )


def _open_folder(folder: Path, n_features: int) -> OpenFolder:
    key = ("shards", folder.absolute(), folder, n_features)
    return opened(key, lambda: OpenFolder(folder, row_type(folder, n_features)))


def shards_folder(workspace_path: str | os.PathLike, backbone: Network) -> Path:
    """Return where a workspace keeps a backbone's shards."""
    return root_of(workspace_path) / f"{backbone.arch}-{backbone.fingerprint[:16]}"


def _describe(folder: Path, backbone: Network) -> None:
    description = {
        "arch": backbone.arch,
        "weights": printable(backbone.weights_name),  # it may be a file's name
        "precision": backbone.precision,
        "n_features": backbone.n_features,
        "fingerprint": backbone.fingerprint,
    }
    if _description(folder) != description:
        make_way(folder / DESCRIPTION)
        check = {"check": _check(description)}
        write_json(folder / DESCRIPTION, description | check)
    if not os.path.lexists(folder.parent / ".gitignore"):
        write_text(folder.parent / ".gitignore", "# Made by carlib.\n*\n")


def _described(root: Path) -> Iterator[tuple[Path, dict]]:
    """Yield each backbone's folder with its description; pass over damaged ones.

    What this process held back is there, too.
    """
    write_all()
    folders: list[Path] = []
    with contextlib.suppress(OSError):  # a folder that may not be entered
        folders += sorted(root.iterdir())
    for folder in folders:
        if description := _description(folder):
            yield folder, description


def _description(folder: Path) -> dict | None:
    """Return which backbone's folder it is; None if that is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        description = read_json(folder / DESCRIPTION)
        if isinstance(description, dict):
            check = description.pop("check", None)
            is_ours = check == _check(description) and _is_sound(description)
            return description if is_ours and _is_of(folder, description) else None
    return None


def _is_of(folder: Path, description: dict) -> bool:
    """Tell whether a folder has its backbone's name, to which its shards are bound."""
    return folder.name == f"{description['arch']}-{description['fingerprint'][:16]}"


def _is_sound(description: dict) -> bool:
    """Tell whether a description says what `_describe` does; anybody can hash it."""
    words = [description.get(name) for name in ("arch", "weights", "precision")]
    n_features = description.get("n_features")
    return (
        all(isinstance(word, str) and word == printable(word) for word in words)
        and type(n_features) is int
        and 0 < n_features <= MOST_FEATURES
        and bool(re.fullmatch("[0-9a-f]{64}", str(description.get("fingerprint"))))
        and len(description) == 5
    )


def _check(description: dict) -> str:
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def cache_info(workspace_path: str | os.PathLike = "workspace") -> list[dict]:
    """List the backbones whose bottlenecks a workspace keeps.

    Returns:
        A dict for each: arch, weights, precision, fingerprint, photos, shards, bytes.
        They are told from the files' sizes: nothing is read, and a photo that two
        shards hold counts twice. (`verify_cache` reads all.)

    Example:
        >>> carlib.cache_info("workspace")[0]["photos"]    # 1203, say
    """
    described = _described(root_of(workspace_path))
    return [_summary(folder, description) for folder, description in described]


def _summary(folder: Path, description: dict) -> dict:
    dtype = row_type(folder, description["n_features"])
    sizes = sizes_of(folder)
    return {
        **_names(description),
        "weights": description["weights"],
        "photos": sum(count_rows(size, dtype) for size in sizes),
        "shards": len(sizes),
        "bytes": sum(size_of(path) for path in folder.rglob("*.*")),
    }


def _names(description: dict) -> dict:
    names = ("arch", "precision", "fingerprint")
    return {name: description.get(name) for name in names}


def verify_cache(workspace_path: str | os.PathLike = "workspace") -> list[dict]:
    """Read and hash all that a workspace keeps; set aside what is damaged.

    Returns:
        A dict for each backbone: arch, precision, fingerprint, photos, shards, damaged
        (how many shards are found so, now or earlier), network (whether the converted
        network is whole; None if there is none).
    """
    found = []
    for folder, description in _described(root_of(workspace_path)):
        shards = Shards(folder, description["n_features"])
        shards.verify()
        aside = {path.stem for path in (*folder.glob(DAMAGED), *shards.damaged)}
        found.append(
            _names(description)
            | {
                "photos": len(shards),
                "shards": len(shards.shards),
                "damaged": len(aside),
                "network": _is_network_whole(folder),
            }
        )
    return found


def _is_network_whole(folder: Path) -> bool | None:
    return is_whole(folder) if os.path.lexists(folder / NETWORK) else None


def compact_cache(workspace_path: str | os.PathLike = "workspace") -> list[dict]:
    """Merge small shards into large ones, beside whoever reads and writes.

    A shard goes only when a larger one that holds all of its rows is on the disk.

    Returns:
        A dict for each backbone: arch, precision, fingerprint, before, after (numbers
        of shards).
    """
    merged, everything = [], []
    for folder, description in _described(root_of(workspace_path)):
        shards = Shards(folder, description["n_features"])
        shards.verify(below=MERGED)
        before = len(shards.shards)
        shards.merge(MERGED)
        everything.append(shards)
        after = len(sizes_of(folder))
        merged.append(_names(description) | {"before": before, "after": after})
    open_index(workspace_path).forget_all_but(everything)
    return merged


def clear_cache(
    workspace_path: str | os.PathLike = "workspace", arch: str | None = None
) -> list[dict]:
    """Remove bottlenecks and converted networks, of one arch or of all.

    What carlib did not make stays.

    Returns:
        What `cache_info` said of the backbones that are gone.
    """
    root = root_of(workspace_path)
    gone = []
    for folder, description in _described(root):
        if arch is None or description["arch"].casefold() == arch.casefold():
            gone.append(_summary(folder, description))
            _remove(folder)
    if arch is None:
        open_index(workspace_path).forget_all_but([])
        _remove_pace(root / PACE)
    return gone


def _remove(folder: Path) -> None:
    """Remove what carlib made of a backbone's folder, and the folder if that was all.

    What it is found by goes last: a removal that is cut off can be done again.
    """
    for pattern in (SHARD, HINT, DAMAGED, NETWORK, TEMPORARY, DESCRIPTION):
        for path in folder.glob(pattern):
            remove(path)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _remove_pace(folder: Path) -> None:
    for pattern in ("?" * 16 + ".json", TEMPORARY):
        for path in folder.glob(pattern):
            remove(path)
    with contextlib.suppress(OSError):
        folder.rmdir()
