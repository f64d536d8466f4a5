"""Backbones whose features are joined: made of what people name, and told of."""

from collections.abc import Iterator, Sequence
from typing import Any

from carlib.backbones import architectures
from carlib.backbones.backbone import Backbone
from carlib.backbones.weights import resolve_arch
from carlib.errors import OptionError

TUNED = "fine-tuned from "  # how a name of weights begins that are tuned


def backbones_of(arch: Any) -> tuple[Backbone, ...]:
    """Return the backbones that `arch` stands for: a name, a `Backbone`, or a list.

    "A+B" is the list of A and B.

    Raises:
        OptionError: It names no network, or one twice.
        WeightsError: The weights aren't there and can't be had.
    """
    parts = parts_of(arch)
    backbones = [Backbone(resolve_arch(a)) if isinstance(a, str) else a for a in parts]
    names = [backbone.arch for backbone in backbones]
    if not names or len(set(names)) < len(names):
        raise OptionError(f"arch must name different networks. Received: {names}")
    return tuple(backbones)


def parts_of(arch: Any) -> list[Any]:
    """Return what an `arch` names, one after another: names and `Backbone`s."""
    parts = arch if isinstance(arch, list | tuple) else [arch]
    split = [each.split("+") if isinstance(each, str) else [each] for each in parts]
    return [p.strip() if isinstance(p, str) else p for each in split for p in each]


def problems_of(arch: Any) -> Iterator[str]:
    """Yield what is wrong with an `arch`, without a look at any weights."""
    for each in parts_of(arch):
        if not isinstance(each, str | Backbone):
            yield (
                "arch must be the name of a network, a Backbone, or a list of them. "
                f"Received: {each!r}"
            )
        elif isinstance(each, str) and each != "auto":
            try:
                architectures.find(each)
            except OptionError as error:
                yield error.message


def name_of(backbones: Sequence[Backbone]) -> str:
    """Return the backbone's name; of several, all names: "A + B"."""
    return " + ".join(backbone.arch for backbone in backbones)


def about_weights(backbones: Sequence[Backbone]) -> list[str]:
    """Return what a reader of figures must know of the backbones' weights, if any."""
    random = [each.arch for each in backbones if each.weights is None]
    tuned = [each.arch for each in backbones if each.weights_name.startswith(TUNED)]
    return [
        *(
            f"The weights of {name} are random: it never saw a photo."
            for name in random
        ),
        *(
            f"{name} was tuned on photos: on those its figures are too good."
            for name in tuned
        ),
    ]
