"""Install the workshop from this folder, with the network off.

    python3 install.py                    into the folder `carlib` in your home folder
    python3 install.py ANOTHER/FOLDER     or there; on Windows: py install.py

Run it again as often as you like: it goes on where it stopped, and your notebooks stay
as they are. It needs Python alone, of one of the versions that the bundle is made for.
"""

from __future__ import annotations  # older Pythons are to be told, not to stumble

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
MANIFEST = "MANIFEST.sha256"
ROOM = 5 * 2**30  # bytes on the disk: the environment, and what the notebooks make
NAMES = {"Darwin": "macos", "AMD64": "x86_64", "aarch64": "arm64"}


class InstallError(Exception):
    """What is wrong, and what to do."""


def main(arguments: list[str]) -> int:
    """Install; return 0, or 1 if something is in the way."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    folder = Path(arguments[0] if arguments else Path.home() / "carlib").expanduser()
    try:
        install(folder.resolve(), this_target())
    except (InstallError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run it again to go on.", file=sys.stderr)
        return 130
    print(f"\nReady. To begin:\n\n{how_to_begin(folder.resolve())}")
    return 0


def install(folder: Path, target: str) -> None:
    """Check the bundle, copy the notebooks, and make the environment.

    Raises:
        InstallError: There are no wheels for this machine, a file is damaged, or
            there is no room.
    """
    wheels = wheels_for(target)
    own = [name for name in manifest(HERE) if not name.startswith("wheels/")]
    print(f"Checking {len(wheels)} wheels, and {len(own)} other files.")
    check(HERE, [*own, *wheels])
    copy_new(HERE / "workshop", folder)
    copy_new(HERE / "keras" / "models", keras_models())
    make_environment(folder / ".venv", target)


def this_target() -> str:
    """Return what this machine and its Python are called in the bundle."""
    named = [NAMES.get(name, name) for name in (platform.system(), platform.machine())]
    return "-".join([*named, "{}.{}".format(*sys.version_info)]).lower()


def wheels_for(target: str) -> list[str]:
    """Return the wheels to install, as they are named in the bundle.

    Raises:
        InstallError: It has none for this machine.
    """
    listed = HERE / "targets" / f"{target}.txt"
    if not listed.is_file():
        there = ", ".join(sorted(path.stem for path in listed.parent.glob("*.txt")))
        raise InstallError(
            f"Expected one of these machines and Pythons: {there}.\n"
            f"Received: {target}.\n"
            "Install another Python, or ask for a bundle that has yours."
        )
    return text_of(listed).split()


def manifest(root: Path) -> dict[str, str]:
    """Return each file of a bundle, by its path, and the SHA-256 that it must have."""
    lines = text_of(root / MANIFEST).splitlines()
    return {name: digest for digest, _, name in (x.partition("  ") for x in lines)}


def text_of(path: Path) -> str:
    """Return a list's text; a damaged one then names files that aren't there."""
    return path.read_text("utf-8", errors="replace")


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hex; "" if it isn't there."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(root: Path, names: list[str]) -> list[str]:
    """Return those of a bundle's files that aren't there, or aren't what they were."""
    known = manifest(root)
    return [name for name in names if digest_of(root / name) != known.get(name)]


def check(root: Path, names: list[str]) -> None:
    """Raise an InstallError that names all files which were damaged on their way."""
    wrong = damaged(root, names)
    if wrong:
        listed = "\n".join(f"  - {name}" for name in wrong[:20])
        raise InstallError(
            f"{len(wrong)} of {len(names)} files are missing or damaged:\n{listed}\n"
            "Copy the bundle once more; sticks do lose bits."
        )


def copy_new(source: Path, target: Path) -> None:
    """Copy the files that aren't there yet; what is there is somebody's work."""
    files = [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        copy = target / path.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_name(f"{copy.name}.part")
            shutil.copyfile(path, part)
            part.replace(copy)


def keras_models() -> Path:
    """Return where Keras looks for weights before it downloads them."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def make_environment(folder: Path, target: str) -> None:
    """Make the environment from the wheels, anew if it was cut off or is another's.

    Raises:
        InstallError: There is no room, or pip failed.
    """
    done, bundle = folder / ".installed", digest_of(HERE / MANIFEST)
    if done.is_file() and done.read_text("utf-8") == bundle:
        print("The environment is here already.")
        return
    check_room(folder.parent)
    print("Installing: some minutes.")
    make_empty(folder)
    run_pip(python_of(folder), HERE / "targets" / f"{target}.txt")
    done.write_text(bundle, "utf-8")


def make_empty(folder: Path) -> None:
    """Make an environment with pip alone; what stood there goes."""
    builder = venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt")
    try:
        builder.create(folder)
    except subprocess.CalledProcessError as error:
        raise InstallError(
            "Expected a Python with its modules venv and ensurepip.\n"
            f"Received: {sys.executable}, where these fail.\n"
            "On Debian and Ubuntu install the package python3-venv."
        ) from error


def check_room(folder: Path) -> None:
    """Raise an InstallError if the disk is too full."""
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise InstallError(
            f"Expected {ROOM / 1e9:.0f} GB of room at {folder}. "
            f"Received: {free / 1e9:.1f} GB.\nMake room, or name another folder."
        )


def run_pip(python: Path, listed: Path) -> None:
    """Install exactly the wheels of a list: nothing is looked up, or asked for."""
    command = [python, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    command += ["install", "--quiet", "--no-index", "--no-deps", "--requirement"]
    if subprocess.run([*command, listed], cwd=HERE).returncode:
        raise InstallError("pip failed: see what it says above.")


def python_of(environment: Path) -> Path:
    """Return an environment's Python."""
    inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return environment.joinpath(*inside)


def how_to_begin(folder: Path) -> str:
    """Return the lines to type: JupyterLab, and all notebooks in one run."""
    python = python_of(Path(".venv"))
    return (
        f'    cd "{folder}"\n'
        f"    {python} -m jupyter lab notebooks\n\n"
        f"or, to see that all is well, the first six in one go:\n\n"
        f"    {python} notebooks/run.py --only 01 02 03 04 05 06"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
