"""The site's links: each leads to a file that is there, and to a place in it."""

import html
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from scripts.site_pages import ELSEWHERE, LINK

ID = re.compile(r'\bid="([^"]*)"')


def missing(site: Path) -> list[str]:
    """Return the links of a site that lead nowhere, each with the page it's on."""
    return sorted(
        f"{page.relative_to(site).as_posix()}: {link}"
        for page in site.rglob("*.html")
        for link in set(links_of(page))
        if not leads_somewhere(page, link, site)
    )


def copy_what_is_linked(root: Path, site: Path) -> None:
    """Copy what pages link to of the repository: pictures, code, the licence."""
    for page in sorted(site.rglob("*.html")):
        for link in links_of(page):
            target = target_of(page, link)
            if target.exists() or not target.is_relative_to(site.resolve()):
                continue
            source = root / target.relative_to(site.resolve())
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def links_of(page: Path) -> Iterator[str]:
    """Yield a page's links within the site, as they are written."""
    for found in LINK.finditer(page.read_text("utf-8")):
        link = html.unescape(found["to"])
        if link.startswith("#") or not ELSEWHERE.match(link):
            yield link


def target_of(page: Path, link: str) -> Path:
    """Return the file that a link leads to."""
    path = unquote(link.partition("#")[0])
    return (page.parent / path).resolve() if path else page.resolve()


def leads_somewhere(page: Path, link: str, site: Path) -> bool:
    """Tell whether the file is there, in the site, and has the part that is named."""
    target, part = target_of(page, link), link.partition("#")[2]
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return False
    return (
        not part
        or target.suffix != ".html"
        or bool({part, unquote(part)} & ids(target))
    )


@cache
def ids(page: Path) -> set[str]:
    """Return the names of a page's parts."""
    return {html.unescape(name) for name in ID.findall(page.read_text("utf-8"))}
