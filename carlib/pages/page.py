"""A page in one file: templates, style and script put together, and locked up.

What a page shows comes from files and indexes of anybody's. So every text is escaped,
data stand in a block that is never run, and the page's own policy lets nothing run but
the script it was made with, and nothing be fetched at all.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from carlib import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


def render(
    template: str, facts: Mapping[str, Any], data: Any, more: Sequence[str] = ()
) -> str:
    """Return a whole page as HTML that needs no other file and asks for none.

    Args:
        template: One that extends `base.html.j2`.
        facts: What it says, by name; texts, escaped where they are put in.
        data: Plain values for the script: the page's photos, among others.
        more: Names of styles and scripts to come after every page's: "clinic" stands
            for `clinic.css` and `clinic.js`.

    Example:
        >>> render(  # doctest: +SKIP
        ...     "report.html.j2", facts, {"photos": [], "galleries": {}})
    """
    style, script = (
        "\n".join(_source(f"{name}.{kind}") for name in ("page", *more))
        for kind in ("css", "js")
    )
    return (
        _environment()
        .get_template(template)
        .render(
            **facts,
            style=_as_it_is(style),
            script=_as_it_is(script),
            policy=policy(style, script),
            data=data,
            version=__version__,
        )
    )


def policy(style: str, script: str) -> str:
    """Return what a page may do: use this style, this script and pictures inside it.

    The hashes are those of the Content Security Policy, level 3, section 6.7.2.
    """
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("carlib.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _source(name: str) -> str:
    """Return one of the package's files, its line ends as a browser reads them."""
    environment = _environment()
    text, _, _ = environment.loader.get_source(environment, name)
    return "\n".join(text.splitlines())


def _breakable(text: str) -> Any:
    """Return a text, escaped, whose lines may end after an underscore."""
    from markupsafe import Markup, escape

    return escape(text).replace("_", Markup("_<wbr>"))


def _as_it_is(source: str) -> Any:
    """Mark carlib's own style or script as no text to escape."""
    from markupsafe import Markup

    return Markup(source)
