"""The page's own files, and the page made of them: as files, or as one.

It's plain HTML, a style sheet and ES modules, in `page/`. What it may do stands in its
policy: it runs its own scripts, shows what it was given, and asks nobody else.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

from carlib import __version__

FOLDER = Path(__file__).with_name("page")
# In the order in which they lie in one script: each uses only those before it.
SCRIPTS = (
    *("pixels.js", "head.js", "zip.js", "network.js", "browser.js", "served.js"),
    *("view.js", "sources.js", "optimum.js", "manifest.js", "teach.js", "main.js"),
)
STYLE = "style.css"
NEVER_LEAVES = "Your photos never leave this computer."
_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./[\w.]+\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


def source(name: str) -> str:
    """Return one of the page's files, its line ends as a browser reads them."""
    return "\n".join((FOLDER / name).read_text("utf-8").splitlines()) + "\n"


def page_of_files(mode: str) -> str:
    """Return the page whose style, scripts and parts lie beside it.

    Args:
        mode: "served", by `carlib app`, or "files", by any file server.
    """
    runs = " 'wasm-unsafe-eval'" if mode == "files" else ""
    return _filled(
        mode,
        policy(f"'self'{runs}", "'self'", "'self'"),
        style=f'<link rel="stylesheet" href="{STYLE}">',
        script=f'<script type="module" src="{SCRIPTS[-1]}"></script>',
    )


def page_in_one(scripts: Iterable[str], parts: str) -> str:
    """Return the page as one file that asks for no other.

    Args:
        scripts: To run before the page's own.
        parts: Elements that hold what it needs of a model.
    """
    style, every = source(STYLE), [*scripts, joined_scripts()]
    hashes = " ".join(map(hash_of, every))
    return _filled(
        "one",
        policy(f"{hashes} 'wasm-unsafe-eval'", hash_of(style), "'none'"),
        style=f"<style>{style}</style>",
        script="\n".join(f'<script type="module">{each}</script>' for each in every),
        parts=parts,
    )


def joined_scripts() -> str:
    """Return the page's modules as one: they share no name."""
    return "".join(_EXPORT.sub("", _IMPORT.sub("", source(name))) for name in SCRIPTS)


def policy(scripts: str, styles: str, connects: str) -> str:
    """Return a Content Security Policy: what isn't named is kept from happening."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            f"style-src {styles}",
            f"connect-src {connects}",
            "img-src blob: data:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def hash_of(text: str) -> str:
    """Return what a policy calls a script or a style that stands in the page."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _filled(mode: str, rules: str, style: str, script: str, parts: str = "") -> str:
    private = (
        "Photos go to the carlib on this computer, and nowhere else."
        if mode == "served"
        else NEVER_LEAVES
    )
    return Template(source("index.html")).substitute(
        mode=mode,
        policy=rules,
        version=__version__,
        privacy=private,
        style=style,
        script=script,
        parts=parts,
    )
