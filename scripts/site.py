"""Make the site, build/site: the workshop as it ran, the pages, the package's names.

    python -m scripts.site                      run the notebooks on the drawn sample
    python -m scripts.site --workspace notebooks/workspace      take those of there

It opens from the disk, and asks no other computer for anything. Only photos of the
drawn sample are shown: a workspace with others is refused. So is a link that leads
nowhere.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from carlib.data.spreadsheet import read_csv
from carlib.errors import CarlibError, DataError
from carlib.files import atomic_folder, write_text
from carlib.reading import sha256_of
from scripts.command import check_place, done, parser_of
from scripts.site_links import copy_what_is_linked, missing
from scripts.site_pages import (
    API,
    OPTIONAL,
    STYLE,
    Page,
    api_page,
    notebook_page,
    text_page,
)

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "sample" / "image"
TEXTS = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md"),
    *("data/README.md", "benchmarks/README.md", "tests/faults/README.md"),
)
DRAWN = "(the drawn sample"


class SiteError(CarlibError):
    """The site can't be made."""


def main(arguments: list[str] | None = None) -> int:
    """Make the site; return 0, or 1 if that failed."""
    options = parser().parse_args(arguments)

    def work() -> None:
        check_place(options.folder, API)
        executed = options.workspace or run_the_notebooks(ROOT / "build" / "workshop")
        print(f"{make(options.folder, executed)}: open {options.folder / 'index.html'}")

    return done(work)


def parser() -> argparse.ArgumentParser:
    """Return the command line's options, explained."""
    result = parser_of("site", __doc__)
    result.add_argument("--workspace", type=Path, help="where notebooks ran already")
    folder = ROOT / "build" / "site"
    result.add_argument("--folder", type=Path, default=folder, help="(build/site)")
    return result


def run_the_notebooks(workspace: Path) -> Path:
    """Run all notebooks on the drawn sample, and return their workspace."""
    command = [sys.executable, str(ROOT / "notebooks" / "run.py"), "--data", "sample"]
    command += ["--workspace", str(workspace)]
    optional = [path.name[:2] for path in OPTIONAL]
    for more in (["--arch", "EfficientNetLite0"], ["--only", *optional]):
        if subprocess.run([*command, *more]).returncode:
            raise SiteError("The notebooks failed, see above.")
    return workspace


def make(folder: Path, workspace: Path) -> str:
    """Write the site into a folder, whole or not at all; say what it holds.

    Raises:
        SiteError: The workspace holds photos that aren't the sample's, or too few
            notebooks; or a link leads nowhere.
    """
    executed = notebooks_in(workspace)
    check_only_the_sample(workspace, executed)
    pages = [notebook_page(path) for path in executed]
    pages += [
        text_page(ROOT, path) for name in TEXTS for path in sorted(ROOT.glob(name))
    ]
    pages.append(api_page())
    write(folder, pages)
    return f"{len(pages)} pages, {len(executed)} of them notebooks"


def write(folder: Path, pages: list[Page]) -> None:
    """Write pages and what they link to, if all links lead somewhere."""
    with atomic_folder(folder, replace=True) as made:
        for page in pages:
            write_text(made / page.place, page.html)
        write_text(made / STYLE.name, STYLE.read_text("utf-8"))
        copy_what_is_linked(ROOT, made)
        broken = missing(made)
        if broken:
            raise SiteError("Links that lead nowhere.", broken)


def notebooks_in(workspace: Path) -> list[Path]:
    """Return the executed notebooks of a workspace, all of them there.

    Raises:
        SiteError: Some haven't run there.
    """
    names = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    names += [path.name for path in OPTIONAL]
    executed = [workspace / "executed" / name for name in names]
    lacking = [path.stem for path in executed if not path.exists()]
    if lacking:
        raise SiteError(f"Not run in {workspace}: {', '.join(lacking)}")
    return executed


def check_only_the_sample(workspace: Path, executed: list[Path]) -> None:
    """Refuse a workspace whose photos aren't all of the drawn sample.

    The photos' bytes are looked at, for a name says nothing; and when each notebook
    ran, and what it printed of its data: the list could have been made anew since.

    Raises:
        SiteError: Photos are others', or it can't be told.
    """
    drawn = {sha256_of(path) for path in SAMPLE.iterdir()}
    try:
        photos = read_csv(workspace / "photos.csv")["image_path"]
        places = [ROOT / "notebooks" / path for path in photos]
        foreign = [path.name for path in places if sha256_of(path) not in drawn]
    except (DataError, KeyError, OSError) as error:
        raise SiteError(f"Its photos can't be looked at: {error}") from error
    said = [path.stem for path in executed if not says_the_sample(path)]
    old = ran_before(workspace / "photos.csv", executed)
    if foreign or said or old:
        raise SiteError(
            "Only photos of the drawn sample may be shown.",
            [f"photos of {workspace} that are others: {len(foreign)}"] * bool(foreign)
            + [f"{name} ran on others" for name in said]
            + [f"{name} ran before this photos.csv was made" for name in old],
            hint="Run the notebooks with --data sample, or leave out --workspace.",
        )


def ran_before(photos: Path, executed: list[Path]) -> list[str]:
    """Return which notebooks ran before the list was made, so maybe on another.

    The first two don't take it up: one only looks, and the other makes it.
    """
    made = photos.stat().st_mtime
    return [path.stem for path in executed[2:] if path.stat().st_mtime < made]


def says_the_sample(path: Path) -> bool:
    """Tell whether each line on data that a notebook printed names the sample."""
    import nbformat

    cells = nbformat.read(path, 4).cells
    texts = [out.get("text", "") for cell in cells for out in cell.get("outputs", [])]
    lines = [line for text in texts for line in text.splitlines()]
    return all(DRAWN in line for line in lines if line.startswith("Data: "))


if __name__ == "__main__":
    sys.exit(main())
