"""Put all that a class without a network needs into one folder, build/offline-bundle.

    python -m scripts.offline_bundle                        for three systems
    python -m scripts.offline_bundle --systems linux-x86_64 macos-arm64
    python -m scripts.offline_bundle --pythons 3.11 3.12    for two versions of Python

In it are wheels of all that requirements.txt pins, carlib's own, the notebooks, the
drawn sample and, where this machine has them, the workshop's photos (CARLIB_DATA, or
those that were downloaded) and Keras's weights. It takes a network. Run again, it goes
on with what is there, fetches anew what was damaged, and removes what is of no use.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import carlib
from carlib.backbones.architectures import ARCHS, find
from carlib.errors import CarlibError
from carlib.files import (
    TEMPORARY,
    atomic_folder,
    remove,
    temporary_folder,
    write_bytes,
    write_text,
)
from carlib.messages import bar
from scripts.command import check_place, done, parser_of
from scripts.offline_install import MANIFEST, damaged, digest_of, manifest
from scripts.offline_targets import PYTHONS, SYSTEMS, Target, pins, wheels_of

ROOT = Path(__file__).resolve().parent.parent
HERE = "{}.{}".format(*sys.version_info)
BATCH = 16  # wheels that pip fetches at a time; they are kept when they are all there
WORKSHOP = (
    *("notebooks", "docs", "data/sample"),
    *("data/README.md", "README.md", "LICENSE", "requirements.txt"),
)
LEFT_OUT = shutil.ignore_patterns("workspace", "__pycache__", ".ipynb_checkpoints")
UNFOUND = re.compile(r"No matching distribution found for (\S+)")
README = """\
The workshop, to be installed with the network off
==================================================

    python3 install.py        on Windows: py install.py

It checks this folder, copies the notebooks into the folder `carlib` in your home
folder, and makes an environment there. Have 5 GB of room, and one of these:

{targets}

Linux needs glibc 2.28 (Ubuntu 20.04, Debian 10, or newer), a Mac macOS 14. On Windows
name a short folder, such as C:\\car, if a path is too long.

By hand, from this folder, in an environment of your own:

    python -m pip install --no-index --find-links wheels -r workshop/requirements.txt
    python -m pip install --no-index --find-links wheels carlib

{manifest} has the SHA-256 of each file: `sha256sum -c {manifest}`.
workshop/docs/teaching.md is for whoever teaches.
If workshop/data/car_damage is there: these photos are a third party's, not part of the
project. See workshop/data/README.md before you hand them on.
"""


class BundleError(CarlibError):
    """The bundle can't be made."""


def main(arguments: list[str] | None = None) -> int:
    """Make the bundle; return 0, or 1 if that failed."""
    options = parser().parse_args(arguments)
    targets = [Target(s, p) for s in options.systems for p in options.pythons]

    def work() -> None:
        check_place(options.folder, "wheels")
        print(make(options.folder, targets))

    return done(work)


def parser() -> argparse.ArgumentParser:
    """Return the command line's options, explained."""
    result = parser_of("offline_bundle", __doc__)
    add = result.add_argument
    add("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME")
    add("--pythons", nargs="+", choices=PYTHONS, default=[HERE], metavar="3.N")
    add("--folder", type=Path, default=ROOT / "build" / "offline-bundle")
    return result


def make(folder: Path, targets: list[Target]) -> str:
    """Make or complete a bundle; return what is in it, in lines.

    Raises:
        BundleError: There's no network, or no wheel of something for a system.
    """
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(TEMPORARY):  # by a run that was killed
        remove(left)
    remove_damaged(folder)
    text = (ROOT / "requirements.txt").read_text("utf-8")
    wanted = {target: pins(text, target) for target in targets}
    fetch_all(wanted, wheels)
    own = build_carlib(wheels)
    copy_workshop(folder)
    listed = {t: [*chosen(t, wanted[t], wheels).values(), own] for t in targets}
    for wheel in set(wheels.iterdir()).difference(*listed.values()):
        remove(wheel)
    write_lists(folder, listed)
    return described(folder, listed)


def remove_damaged(folder: Path) -> None:
    """Remove wheels that aren't what they were when the bundle was made."""
    if (folder / MANIFEST).is_file():
        names = {f"wheels/{path.name}" for path in folder.glob("wheels/*.whl")}
        for name in damaged(folder, sorted(names & manifest(folder).keys())):
            print(f"{name} is damaged: it is fetched anew.")
            remove(folder / name)


def chosen(target: Target, wanted: list[str], wheels: Path) -> dict[str, Path | None]:
    """Return each pin of a target, and its wheel if it is there."""
    return wheels_of(wanted, sorted(wheels.glob("*.whl")), target)


def fetch_all(wanted: dict[Target, list[str]], wheels: Path) -> None:
    """Fetch what is missing for any target.

    Raises:
        BundleError: It names all wheels that nobody has made, and for which target.
    """
    lost = [
        f"{target.name}: {pin}"
        for target, each in wanted.items()
        for pin in fetch(target, each, wheels)
    ]
    if lost:
        raise BundleError(
            "Expected a wheel of each package for each system. Received none of:",
            lost,
            "Leave a system or a Python out (--systems, --pythons), or pin another "
            "version. What was fetched is kept.",
        )


def fetch(target: Target, wanted: list[str], wheels: Path) -> list[str]:
    """Fetch what is missing for a target; return the pins without a wheel."""
    found = chosen(target, wanted, wheels)
    missing, lost = [pin for pin, wheel in found.items() if wheel is None], []
    with bar(len(found), target.name, "wheel", initial=len(found) - len(missing)) as it:
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            lost += fetch_batch(target, batch, wheels)
            it.update(len(batch))
    return lost


def fetch_batch(target: Target, batch: list[str], wheels: Path) -> list[str]:
    """Fetch some wheels, all that there are or none; return pins without a wheel."""
    lost: list[str] = []
    with temporary_folder(wheels) as part:
        while wanted := [pin for pin in batch if pin not in lost]:
            pin = pip_download(target, wanted, part)
            if pin is None:
                break
            lost.append(pin)
        for wheel in part.iterdir():
            wheel.replace(wheels / wheel.name)
    return lost


def pip_download(target: Target, wanted: list[str], folder: Path) -> str | None:
    """Let pip fetch wheels; return the first pin of which there is none, or None.

    Raises:
        BundleError: Something else went wrong.
    """
    platforms = [word for each in target.platforms for word in ("--platform", each)]
    run = pip(
        *("download", "--no-deps", "--only-binary=:all:", "--dest", folder),
        *("--python-version", target.python, "--implementation", "cp", *platforms),
        *wanted,
    )
    if not run.returncode:
        return None
    unfound = UNFOUND.search(run.stderr)
    if unfound is None or "Retrying" in run.stderr:
        said = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise BundleError(
            "pip could not fetch the wheels.", said, "Is there a network? Run it again."
        )
    return next(pin for pin in wanted if pin == unfound[1])


def pip(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run pip, quietly; its errors and warnings are in `stderr`."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command += map(str, arguments)
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT)


def build_carlib(wheels: Path) -> Path:
    """Build carlib's own wheel, of what the checkout is now.

    Raises:
        BundleError: It can't be built.
    """
    with temporary_folder(wheels) as part:
        run = pip("wheel", "--no-deps", "--no-build-isolation", "-w", part, ROOT)
        if run.returncode:
            raise BundleError("carlib's wheel can't be built.", run.stderr.splitlines())
        (built,) = part.glob("carlib-*.whl")
        return built.replace(wheels / built.name)


def copy_workshop(folder: Path) -> None:
    """Copy the notebooks and the data, Keras's weights, and what installs them."""
    with atomic_folder(folder / "workshop", replace=True) as workshop:
        for name in WORKSHOP:
            copy(ROOT / name, workshop / name)
        if photos := photos_here():
            copy(photos, workshop / "data" / "car_damage")
    with atomic_folder(folder / "keras", replace=True) as keras:
        for path in weights_here():
            copy(path, keras / "models" / path.name)
    script = (ROOT / "scripts" / "offline_install.py").read_bytes()
    write_bytes(folder / "install.py", script)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFT_OUT)
    else:
        shutil.copyfile(source, target)


def photos_here() -> Path | None:
    """Return the folder of the workshop's photos, if this machine has them."""
    downloaded = ROOT / "data" / "car_damage"
    if given := os.environ.get("CARLIB_DATA", "").strip():
        return carlib.locate_data(given)
    return downloaded if downloaded.is_dir() else None


def weights_here() -> list[Path]:
    """Return the weights of carlib's networks that are in Keras's cache."""
    networks = [network for network in map(find, ARCHS) if not network.lite]
    return sorted({n.cached_file for n in networks if n.cached_file.is_file()})


def write_lists(folder: Path, listed: dict[Target, list[Path]]) -> None:
    """Write each target's wheels, the README, and the SHA-256 of all files."""
    with atomic_folder(folder / "targets", replace=True) as lists:
        for target, wheels in listed.items():
            names = sorted(f"wheels/{wheel.name}" for wheel in wheels)
            write_text(lists / f"{target.name}.txt", "\n".join(names) + "\n")
    names = "\n".join(f"    {target.name}" for target in listed)
    write_text(folder / "README.txt", README.format(targets=names, manifest=MANIFEST))
    write_text(folder / MANIFEST, digests(folder))


def digests(folder: Path) -> str:
    """Return the manifest: a line a file, as sha256sum reads them."""
    named = {path.relative_to(folder).as_posix(): path for path in files_in(folder)}
    names = sorted(named.keys() - {MANIFEST})
    return "".join(f"{digest_of(named[name])}  {name}\n" for name in names)


def described(folder: Path, listed: dict[Target, list[Path]]) -> str:
    """Return what is in a bundle, and how large it is."""
    lines = [
        (f"{target.name}, {len(wheels)} wheels", wheels)
        for target, wheels in listed.items()
    ]
    for name in ("data/car_damage", "data/sample"):
        lines.append((name, files_in(folder / "workshop" / name)))
    lines.append(("Keras's weights", files_in(folder / "keras")))
    lines.append(("all of it", files_in(folder)))
    text = [f"{size_of(files):>8,.1f} MB  {name}" for name, files in lines if files]
    return "\n".join(
        ["", *text, "", f"The bundle is {folder}. Its README.txt says how."]
    )


def files_in(folder: Path) -> list[Path]:
    """Return all files in a folder, however deep."""
    return [path for path in folder.rglob("*") if path.is_file()]


def size_of(files: list[Path]) -> float:
    return sum(path.stat().st_size for path in files) / 1e6


if __name__ == "__main__":
    sys.exit(main())
