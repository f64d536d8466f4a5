"""The picture of a learning rate: how large the steps are, epoch by epoch."""

from typing import TYPE_CHECKING

from carlib.plots.photos import check_count
from carlib.plots.style import FIRST, house_style
from carlib.training.schedules import LearningRateScheduler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_EPOCHS = 10_000
BATCHES = 100  # an epoch, of which the first is drawn


def plot_learning_rate(
    schedule: LearningRateScheduler, epochs: int = 60, ax: "Axes | None" = None
) -> "Axes":
    """Draw the learning rate that each epoch begins with, as steps.

    Args:
        schedule: Such as `carlib.ExponentialLRDecay()`.
        epochs: How many, 10,000 at most.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        OptionError: `epochs` isn't from 1 to 10,000.

    Example:
        >>> carlib.plot_learning_rate(carlib.ExponentialLRDecay());
    """
    check_count("epochs", epochs, MOST_EPOCHS)
    rates = [schedule.rate(epoch, 0, BATCHES) for epoch in range(epochs)]
    with house_style(ax) as plt:
        ax = plt.subplots(figsize=(8, 2.8))[1] if ax is None else ax
        ax.step([*range(epochs + 1)], [*rates, rates[-1]], where="post", color=FIRST)
        ax.set_xlim(0, epochs)
        ax.set_ylim(bottom=0)
        ax.grid(axis="y")
        ax.set_xlabel("Epoch")
        ax.set_title(f"Learning rate: {rates[0]:g} at first, {rates[-1]:.2g} at last")
    return ax
