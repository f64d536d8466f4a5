"""The picture of an audit's pairs: two photos that are one, side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from carlib.audits.found import Audit
from carlib.data.addresses import file_name
from carlib.errors import OptionError
from carlib.plots.photos import check_count, fill, picture, sentence
from carlib.plots.style import house_style, legible, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PAIRS = 50
COLUMNS = 2  # pairs beside each other
AMONG = "{n:,} of {total:,} pairs of photos that are one picture"


def plot_pairs(
    audit: Audit, n: int = 8, ax: "Sequence[Axes] | None" = None
) -> "Figure":
    """Show pairs of photos that are one picture, what is most wrong with them first.

    Over each photo stand its file's name, class and subset. The paths are the Axes'
    labels: `ax.get_label()`. Without pairs a sentence says so.

    Args:
        audit: What `carlib.audit` returns.
        n: Pairs at most, 50 or less.
        ax: Two Axes a pair. Defaults to a figure of its own.

    Raises:
        ImageError: A photo can't be read any more.
        OptionError: `n` isn't from 1 to 50; `ax` has another number of Axes.

    Example:
        >>> carlib.plot_pairs(carlib.audit(photos));
    """
    check_count("n", n, MOST_PAIRS)
    shown = [side for row in audit.pairs.head(n).itertuples() for side in _sides(row)]
    if ax is not None and np.size(ax) != len(shown):
        raise OptionError(
            f"Expected two Axes a pair, {len(shown)}. Received: {np.size(ax)}"
        )
    if not shown:
        return sentence(f"No two of {audit.n:,} photos are one picture.")
    pictures = [picture(path) for path, _ in shown]
    with house_style(ax) as plt:
        titles = [_drawn(title) for _, title in shown]
        if ax is None:
            rows = -(-len(shown) // (2 * COLUMNS))
            room = room_for([line for t in titles for line in t.split("\n")], 26)
            size = (9 + 4 * room, 0.4 + 2.75 * rows)
            figure, ax = plt.subplots(rows, 2 * COLUMNS, figsize=size, squeeze=False)
            heading = AMONG.format(n=len(shown) // 2, total=len(audit.pairs))
            figure.suptitle(heading, x=0.01, ha="left")
        axes = np.ravel(np.asarray(ax, dtype=object))
        fill(axes, pictures)
        for panel, (path, _), title in zip(axes, shown, titles, strict=False):
            panel.set_title(title, fontsize=10, pad=5)
            panel.set_label(path)
    return axes[0].figure


def _sides(row: Any) -> list[tuple[str, list[str]]]:
    """Return a pair's two paths, each with the lines of its title."""
    what = ", ".join([row.kind, *["two labels"] * row.contradicts])
    one = [file_name(row.image_path), f"{row.damage_class} {row.subset}", what]
    other = [
        file_name(row.other_image_path),
        f"{row.other_damage_class} {row.other_subset}",
        "T and V" if row.crosses else "",
    ]
    return [(row.image_path, one), (row.other_image_path, other)]


def _drawn(lines: list[str]) -> str:
    return "\n".join(legible(line.strip()) for line in lines)
