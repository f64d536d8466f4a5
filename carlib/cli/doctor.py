"""The command `carlib doctor`: what is here, in ten lines to paste into a question."""

import importlib.metadata
import os
import platform
import shutil
from typing import Any

import click

from carlib import __version__, runtime
from carlib.cli import terminal
from carlib.cli.terminal import json_option, show, workspace_option
from carlib.cores import usable_cores
from carlib.errors import CarlibError

LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "pillow", "click")
TRAINING = ("tensorflow", "keras")
EXTRAS = ("matplotlib", "jupyterlab", "nncf", "onnx", "onnxruntime", "ai-edge-litert")
# Their values may be paths, and hold a user's name: only that they are set is told.
SETTINGS = ("CARLIB_DATA", "CARLIB_DEBUG", "CARLIB_THREADS", "CUDA_VISIBLE_DEVICES")
SETTINGS += ("KERAS_BACKEND", "KERAS_HOME", "OMP_NUM_THREADS", "HTTPS_PROXY")


@click.command(cls=terminal.Command)
@workspace_option()
@json_option
def doctor(workspace: str, as_json: bool) -> None:
    """Say what is here: ten lines to paste into a question.

    Versions, engine, precision, weights, data, cache, disk and memory. No path, no name
    of yours and none of the machine's is in them. Nothing is downloaded or changed.

    \b
    Examples:
      carlib doctor
      carlib doctor --workspace notebooks/workspace --json
    """
    found = findings(workspace)
    show(as_json, found, doctor_text(found))


def findings(workspace: str) -> dict[str, Any]:
    """Return what is here, as plain values."""
    from carlib.data.locate import default_home

    return {
        "carlib": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "engine": engine(),
        "versions": {n: version(n) for n in (*TRAINING, *LIBRARIES, *EXTRAS)},
        "weights": weights(),
        "workshop_photos": (default_home() / "car_damage").is_dir(),
        "cache": cached(workspace),
        "disk_free": shutil.disk_usage(".").free,
        "memory": memory(),
        "settings": [name for name in SETTINGS if os.environ.get(name)],
    }


def version(package: str) -> str | None:
    """Return an installed package's version, without importing it; else None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def engine() -> dict[str, Any]:
    """Return what executes backbones here, and at which precision."""
    cores = {"cores": usable_cores()}
    if runtime.may_have_gpu():
        return {"name": "TensorFlow, if it finds the GPU", "precision": None, **cores}
    if runtime.openvino() is None:
        return {"name": "TensorFlow", "precision": None, **cores}
    from carlib.backbones.precisions import native

    name = f"OpenVINO {version('openvino')}"
    return {"name": name, "precision": native(), **cores}


def weights() -> dict[str, bool]:
    """Tell of each backbone whether its ImageNet weights are here."""
    from carlib.backbones import efficientnet_lite
    from carlib.backbones.architectures import ARCHS, find

    def are_here(name: str) -> bool:
        made = find(name)
        if made.lite is None:
            return made.cached_file.is_file()
        try:
            return efficientnet_lite.checkpoint_path(made.lite).is_file()
        except CarlibError:  # its package isn't installed
            return False

    return {name: are_here(name) for name in ARCHS}


def cached(workspace: str) -> dict[str, int]:
    """Return what a workspace keeps: backbones, photos (of all of them) and bytes."""
    from carlib.bottlenecks.cache import cache_info

    kept = cache_info(workspace)
    sums = {name: sum(each[name] for each in kept) for name in ("photos", "bytes")}
    return {"backbones": len(kept), **sums}


def memory() -> int | None:
    """Return the machine's memory in bytes; None where the system doesn't tell."""
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not set(names) <= set(getattr(os, "sysconf_names", ())):
        return None
    size, pages = map(os.sysconf, names)
    return size * pages


def doctor_text(found: dict[str, Any]) -> str:
    """Return the ten lines."""
    made, kept, versions = found["engine"], found["cache"], found["versions"]
    here = [name for name, is_here in found["weights"].items() if is_here]
    size = f"{found['memory'] / 1e9:.1f} GB" if found["memory"] else "unknown"
    photos = "downloaded" if found["workshop_photos"] else "not downloaded"
    lines = {
        "carlib": f"{found['carlib']} on Python {found['python']}, {found['system']}",
        "engine": f"{made['name']}, {made['precision'] or 'precision to be seen'}, "
        f"{made['cores']} cores",
        "training": _versions(versions, TRAINING),
        "libraries": _versions(versions, LIBRARIES),
        "extras": _versions(versions, EXTRAS),
        "weights": ", ".join(here) or "none",
        "data": f"the drawn sample; the workshop's photos: {photos}",
        "cache": f"{kept['photos']:,} photos' features of {kept['backbones']} "
        f"backbones, {kept['bytes'] / 1e6:.1f} MB",
        "machine": f"{found['disk_free'] / 1e9:.1f} GB of disk free, memory {size}",
        "settings": ", ".join(found["settings"]) or "none",
    }
    return "\n".join(f"{name:10} {text}" for name, text in lines.items())


def _versions(versions: dict[str, str | None], names: tuple[str, ...]) -> str:
    there = [f"{name} {versions[name]}" for name in names if versions[name]]
    missing = [name for name in names if not versions[name]]
    gone = [f"not installed: {', '.join(missing)}"] if missing else []
    return "; ".join([*([", ".join(there)] if there else []), *gone])
