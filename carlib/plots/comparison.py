"""The charts of a comparison: what each reaches, what sets them apart, how surely."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from carlib.errors import OptionError
from carlib.evaluation.compare import Comparison, arch_lines, figure_of
from carlib.evaluation.cross_validation import METRICS
from carlib.evaluation.paired import PairedComparison
from carlib.evaluation.text import MOST_CLASSES
from carlib.plots.style import FAINT, FIRST, INK, SECOND, drawable, house_style, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND = "Lines: 95 % intervals. Dotted: the first row's figure."
DIFFERENCES = (("micro_accuracy", FIRST, "o"), ("macro_accuracy", SECOND, "s"))


def plot_comparison(
    comparison: Comparison, ax: "Sequence[Axes] | None" = None
) -> "Figure":
    """Draw each arch's figures with their 95 % intervals, an arch a row.

    A dotted line marks the first row's figure; speed and size stand in the labels. Of
    more than 30 archs, the first 30.

    Args:
        comparison: What `compare` returns.
        ax: Three Axes, for micro-accuracy, macro-accuracy and log-loss. Defaults to a
            figure of its own.

    Raises:
        OptionError: `ax` isn't three Axes.

    Example:
        >>> carlib.plot_comparison(comparison);
    """
    rows = list(comparison.table.head(MOST_CLASSES).itertuples(index=False))
    if ax is not None and len(ax) != len(METRICS):
        raise OptionError(f"Expected three Axes. Received: {len(ax)}")
    with house_style(ax) as plt:
        if ax is None:
            title = _title(comparison)
            size = (9.5, 1.6 + 0.85 * len(rows) + 0.18 * title.count("\n"))
            figure, ax = plt.subplots(1, len(METRICS), sharey=True, figsize=size)
            figure.suptitle(title, x=0.01, ha="left")
        for panel, (metric, name) in zip(ax, METRICS.items(), strict=True):
            _panel(panel, rows, metric)
            lower = " (lower is better)" if metric == "log_loss" else ""
            panel.set_title(name + lower)
            panel.set_xlabel(f"baseline {comparison.baseline[metric]:.3f}", color=FAINT)
        ax[0].set_yticks(range(len(rows)), map(_label, rows))
        ax[0].set_ylim(len(rows) - 0.5, -0.6)
    return ax[0].figure


def _title(comparison: Comparison) -> str:
    lines = [*comparison.title().split("\n"), LEGEND]
    if len(comparison.table) > MOST_CLASSES:
        lines.append(f"The first {MOST_CLASSES} of {len(comparison.table):,} archs.")
    return "\n".join(map(drawable, lines))


def _panel(ax: "Axes", rows: Sequence[Any], metric: str) -> None:
    """Draw a metric's points and intervals, the first row's as what others are to."""
    from matplotlib.ticker import MaxNLocator

    ax.axvline(getattr(rows[0], metric), color=FAINT, linewidth=1, linestyle=":")
    for place, row in enumerate(rows):
        value, low, high = figure_of(row, metric)
        color, marker = (FIRST, "o") if place == 0 else (SECOND, "s")
        ax.plot([low, high], [place, place], color=color)
        ax.plot(value, place, marker, color=color, markersize=6)
        above = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        text = ax.annotate(f"{value:.3f}", (value, place), size=10, color=INK, **above)
        text.set_bbox({"color": "white", "pad": 0.5})
    ax.grid(axis="x")
    ax.margins(x=0.12)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def _label(row: Any) -> str:
    """Return an arch's names, its speed and its size, below one another."""
    speed, size = row.photos_per_second, f"{row.megabytes:,.1f} MB"
    cost = size if speed != speed else f"{speed:,.0f} photos/s, {size}"
    return "\n".join([*map(legible, arch_lines(row.arch)), cost])


def plot_differences(
    found: Comparison | PairedComparison, ax: "Axes | None" = None
) -> "Axes":
    """Draw by how many points others are better, with the 95 % intervals, a row each.

    An interval that crosses the line at 0 says that these photos are too few to tell.
    Of more than 30 others, the first 30.

    Args:
        found: What `Metrics.compare` returns, or `compare`, whose first row is what the
            others are compared with.
        ax: Where to draw. Defaults to a figure of its own.

    Example:
        >>> carlib.plot_differences(before.compare(after));
    """
    pairs = [found] if isinstance(found, PairedComparison) else found.pairs
    pairs = pairs[:MOST_CLASSES]
    with house_style(ax) as plt:
        if ax is None:
            size = (7, 1.9 + 0.6 * len(pairs))
            ax = plt.subplots(figsize=size)[1]
        ax.axvline(0, color=FAINT, linewidth=1)
        for shift, (name, color, marker) in zip(
            (-0.14, 0.14), DIFFERENCES, strict=True
        ):
            _differences(ax, pairs, name, shift, {"color": color, "marker": marker})
        ax.set_title(drawable(f"Points better than {pairs[0].names[0]}"))
        ax.set_xlabel("difference in percentage points; lines: 95 % intervals")
        ax.set_yticks(range(len(pairs)), [_name(pair) for pair in pairs])
        ax.set_ylim(len(pairs) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _differences(
    ax: "Axes",
    pairs: Sequence[PairedComparison],
    figure: str,
    shift: float,
    looks: dict[str, str],
) -> None:
    """Draw a figure's differences, a row a pair, a little above or below its middle."""
    for place, pair in enumerate(pairs):
        row, label = pair.table.loc[figure], None if place else METRICS[figure]
        at = place + shift
        ax.plot([100 * row.low, 100 * row.high], [at, at], color=looks["color"])
        ax.plot(100 * row.difference, at, **looks, markersize=6, ls="", label=label)


def _name(pair: PairedComparison) -> str:
    return "\n".join(map(legible, arch_lines(pair.names[1])))
