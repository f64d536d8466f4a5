"""The house style of carlib's pictures: calm, and readable without colour."""

import contextlib
import functools
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from carlib.errors import CarlibError, DataError, printable
from carlib.evaluation.text import cut

# Three colours that all can tell apart (Okabe and Ito), and greys; a marker, hatch
# or text always says the same as the colour.
FIRST, SECOND, THIRD = "#0072B2", "#D55E00", "#009E73"
INK, FAINT, PALE = "#333333", "#8C8C8C", "#C4C4C4"
STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",  # in a notebook with a dark ground, too
    "axes.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.titlesize": 11,
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "hatch.linewidth": 0.6,
}
LONGEST = 40  # characters of a name in a picture
# What comes with matplotlib, then what systems have for other scripts, emoji the last.
FONTS = (
    "DejaVu Sans",
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans CJK TC"),
    *("Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "Source Han Sans"),
    *("IPAexGothic", "IPAGothic", "TakaoPGothic", "VL Gothic", "NanumGothic"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "UnDotum"),
    *("Yu Gothic", "Meiryo", "MS Gothic", "Microsoft YaHei", "Microsoft JhengHei"),
    *("SimHei", "SimSun", "Malgun Gothic", "Hiragino Sans", "Hiragino Sans GB"),
    *("PingFang SC", "STHeiti", "Heiti TC", "AppleGothic", "Apple SD Gothic Neo"),
    *("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai"),
    *("Noto Sans Bengali", "Noto Sans Tamil", "Nirmala UI", "Leelawadee UI"),
    *("Arial Unicode MS", "Unifont", "FreeSans"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Symbola"),
)


@contextlib.contextmanager
def house_style(axes: Any = None) -> Iterator[Any]:
    """Yield pyplot, with the house style for what is made in the block.

    Args:
        axes: One or more Axes that were made before and are drawn into: they keep
            their looks, but their texts are no formulas either.

    Raises:
        CarlibError: matplotlib isn't installed.
    """
    try:
        with _quiet():
            import matplotlib.pyplot as plt
    except ImportError as error:
        raise CarlibError(
            f"Pictures need matplotlib, which can't be imported: {error}.",
            hint="Install it: pip install matplotlib",
        ) from None
    # A notebook's backend sets itself up when it is first used: were that inside the
    # block, its settings would be undone with ours, and no later figure be shown.
    plt.draw_if_interactive()
    with plt.rc_context(STYLE | {"font.family": [name for name, _ in _fonts()]}):
        yield plt
    _make_plain(axes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let matplotlib start without a word on a home that it can't write to.

    It takes a temporary folder then, by itself; nor is news that it looks for fonts.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@functools.cache
def _fonts() -> list[tuple[str, Any]]:
    """Return the fonts that are here, by name: any other would be a warning a text."""
    from matplotlib import font_manager

    logging.getLogger(font_manager.__name__).addFilter(_is_no_matter_of_weight)
    found = []
    installed = set(font_manager.get_font_names())
    for name in filter(installed.__contains__, FONTS):
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # unreadable
            path = font_manager.findfont(name)
            found.append((name, font_manager.get_font(path)))
    return found


def _is_no_matter_of_weight(record: logging.LogRecord) -> bool:
    """Tell whether a record isn't of a font to fall back on that comes in one weight.

    Of most there is no bold one, and a line about it at every drawing helps nobody.
    """
    arguments = record.args if isinstance(record.args, tuple) else ()
    return "weight" not in str(record.msg) or not any(a in FONTS for a in arguments)


def _make_plain(axes: Any) -> None:
    """Make no formulas, and all scripts, of the texts of Axes made out of the style."""
    if axes is None:
        return
    import numpy as np
    from matplotlib.text import Text

    for text in (text for ax in np.ravel(axes) for text in ax.findobj(Text)):
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_family([name for name, _ in _fonts()])


def drawable(text: object) -> str:
    """Return a text in one line; what no font here can draw stands as escapes.

    Such as "\\u65e5" where there is no Japanese font, so that names can still be told
    apart. A glyph that is missing would be a box, and a warning at every drawing.
    """
    return "".join(map(_drawable, printable(text)))


@functools.cache
def _drawable(character: str) -> str:
    if any(font.get_char_index(ord(character)) for _, font in _fonts()):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def legible(name: object) -> str:
    """Return a name as a picture shows it: drawable, and 40 characters at most."""
    return cut(drawable(name), LONGEST)


def room_for(names: Iterable[str], usual: int) -> float:
    """Return the inches that the longest of some names takes beyond the usual."""
    return 0.085 * max(0, max(map(len, names)) - usual)


def check_table(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Raise a DataError unless the table has these columns, and rows."""
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty:
        raise DataError(
            f"Expected rows with the columns {', '.join(columns)}. Received: "
            f"{len(table):,} rows with {', '.join(map(str, table.columns)) or 'none'}",
            [f"no column {name!r}" for name in missing],
        )
