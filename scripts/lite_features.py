"""Lay features where carlib looks for them: the module `lite_features` of a site.

In JupyterLite each read of a file in the drive takes some 50 ms, and a training reads
features by the hundred. So they come in a wheel, and lie in the page's own memory.
"""

import shutil
from pathlib import Path

KEPT = Path(__file__).resolve().parent / "kept"


def lay(workspace: str) -> None:
    """Put the features that were brought along into a workspace's cache."""
    place = Path(workspace).absolute() / "bottlenecks"
    place.mkdir(parents=True, exist_ok=True)
    if not any(place.iterdir()):
        in_memory(place)
        shutil.copytree(KEPT, place, dirs_exist_ok=True)


def in_memory(place: Path) -> None:
    """Let a folder of the drive lie in memory from now on."""
    from pyodide.ffi import to_js
    from pyodide_js import FS

    FS.mount(FS.filesystems.MEMFS, to_js({}), str(place))
