"""The house style of carlib's pictures: calm, and readable without colour."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from carlib.errors import CarlibError, DataError

# Two colours that everybody can tell apart (Okabe and Ito), and greys; a marker, hatch
# or text always says the same as the colour.
FIRST, SECOND, INK, FAINT, PALE = "#0072B2", "#D55E00", "#333333", "#8C8C8C", "#C4C4C4"
STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.titlesize": 11,
    "font.size": 10,
    "text.color": INK,
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


@contextlib.contextmanager
def house_style() -> Iterator[Any]:
    """Yield pyplot, with the house style for what is made in the block.

    Raises:
        CarlibError: matplotlib isn't installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise CarlibError(
            f"Pictures need matplotlib, which can't be imported: {error}.",
            hint='Install it: pip install "carlib[notebooks]"',
        ) from None
    # A notebook's backend sets itself up when it is first used: were that inside the
    # block, its settings would be undone with ours, and no later figure be shown.
    plt.draw_if_interactive()
    with plt.rc_context(STYLE):
        yield plt


def check_table(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Raise a DataError unless the table has these columns, and rows."""
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty:
        raise DataError(
            f"Expected rows with the columns {', '.join(columns)}; got {len(table):,} "
            f"rows with {', '.join(map(str, table.columns)) or 'none'}.",
            [f"no column {name!r}" for name in missing],
        )
