"""The site's pages: texts, notebooks that ran, the package's names, in one frame."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import carlib

if TYPE_CHECKING:
    from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent
LOOK = ROOT / "scripts" / "site_look"
STYLE = LOOK / "style.css"
OPTIONAL = sorted((ROOT / "notebooks" / "optional").glob("[0-9]*.ipynb"))
API = "api/carlib.html"
PLACES = [
    ("Workshop", "index.html"),
    ("Words", "docs/glossary.html"),
    ("Teaching", "docs/teaching.html"),
    ("Package", "docs/package.html"),
    ("Names", API),
    ("Benchmarks", "benchmarks/README.html"),
    ("Faults", "tests/faults/README.html"),
    ("Photos", "data/README.html"),
    ("Changes", "CHANGELOG.html"),
]
LINK = re.compile(r'(?P<name>\b(?:href|src))="(?P<to>[^"]*)"')
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.I)
BADGE = re.compile(r"^\[!\[[^]]*\]\(\.\./\.\./actions/.*\n+", re.M)


@dataclass(frozen=True)
class Page:
    """A page of the site: where it lies in it, and what it holds."""

    place: str
    html: str


def text_page(root: Path, path: Path) -> Page:
    """Return a Markdown file of the repository as a page, in the same place."""
    source = BADGE.sub("", path.read_text("utf-8"))
    title = source.partition("\n")[0].lstrip("# ")
    place = place_of(path.relative_to(root).as_posix())
    return framed(place, title, "text", markdown(source))


def notebook_page(path: Path) -> Page:
    """Return an executed notebook as a page: what is in it, and what it answered."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, 4)
    title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    body = body.replace(f"{ROOT}{os.sep}", "")  # in tracebacks: whose machine it was
    folder = "notebooks/optional" if _is_optional(path) else "notebooks"
    return framed(place_of(f"{folder}/{path.name}"), title, "notebook", body)


def _is_optional(path: Path) -> bool:
    return path.name in {each.name for each in OPTIONAL}


def api_page() -> Page:
    """Return the page of carlib's public names, made of their docstrings by pdoc."""
    import pdoc.doc
    import pdoc.render

    pdoc.render.configure(
        template_directory=LOOK, docformat="google", show_source=False, search=False
    )
    pdoc.render.env.globals |= frame_of(API, "carlib", "api")
    module = pdoc.doc.Module(carlib)
    html = pdoc.render.html_module(module, all_modules={"carlib": module})
    return Page(API, reachable(html))


def framed(place: str, title: str, kind: str, body: str) -> Page:
    """Put a body into the frame, its links leading to pages of the site."""
    from markupsafe import Markup

    content = Markup(reachable(to_pages(body)))
    template = _environment().get_template("frame.html.jinja2")
    return Page(place, template.render(content=content, **frame_of(place, title, kind)))


def frame_of(place: str, title: str, kind: str) -> dict[str, Any]:
    """Return what the frame says on a page."""
    root = "../" * (len(PurePosixPath(place).parts) - 1)
    facts = {"root": root, "places": PLACES, "here": place, "kind": kind}
    return facts | {"title": title, "version": carlib.__version__}


def place_of(path: str) -> str:
    """Return where the page of a file of the repository lies in the site.

    Example:
        >>> place_of("docs/serving.md"), place_of("README.md")
        ('docs/serving.html', 'index.html')
    """
    path = os.path.normpath(path).replace(os.sep, "/")
    return (
        re.sub(r"\.(md|ipynb)$", ".html", path) if path != "README.md" else "index.html"
    )


def to_pages(body: str) -> str:
    """Let links to texts and notebooks lead to their pages."""
    return LINK.sub(lambda found: f'{found["name"]}="{_page_of(found["to"])}"', body)


def _page_of(link: str) -> str:
    if ELSEWHERE.match(link):
        return link
    path, sharp, part = link.partition("#")
    path = re.sub(r"^((?:\.\./)+)README\.md$", r"\1index.html", path)
    return re.sub(r"\.(md|ipynb)$", ".html", path) + sharp + part


def reachable(body: str) -> str:
    """Mend what keeps a page from people who can't see, or have no mouse.

    What is wider than a phone can be scrolled by keys; a corner without a word is no
    heading of a table; and the parts of a docstring are none of the page.
    """
    body = re.sub(r"<pre\b", '<pre tabindex="0"', body)
    body = re.sub(r"(<table\b)", r'<div class="wide" tabindex="0">\1', body)
    body = body.replace("</table>", "</table></div>")
    body = re.sub(r"<th\b[^>]*>\s*</th>", "<td></td>", body)
    return re.sub(
        r"<(/?)h6\b[^>]*>", lambda h: "</p>" if h[1] else '<p class="part">', body
    )


def markdown(source: str) -> str:
    """Return Markdown as HTML, its headings with the ids that GitHub gives them."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "highlight": _coloured})
    tokens = parser.enable("table").parse(source)
    for token, inside in zip(tokens, tokens[1:], strict=False):
        if token.type == "heading_open":
            token.attrSet("id", slug(inside.content))
    return parser.renderer.render(tokens, parser.options, {})


def slug(heading: str) -> str:
    """Return a heading's id as GitHub makes it.

    Example:
        >>> slug("Exports, and servers")
        'exports-and-servers'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _coloured(code: str, language: str, _: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language or "text")
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(LOOK),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
