"""A backbone cut below its last convolutions: what lies above can be trained.

What flows through the cut is computed once for each photo, by the engine that executes
backbones, and kept like any features. Then a pass over the photos costs only what lies
above. The maps are kept as float32, as all features are: 37 KB a photo below the last
block of EfficientNetLite0.
"""

import functools
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.backbones.weights import fill
from carlib.errors import OptionError

CUT_VERSION = 1  # part of every fingerprint: raise it when maps come to mean otherwise


class CutBackbone:
    """A backbone's lower part; to the cache a network like any (see `Network`).

    Its features are what flows through the cut, flat: one map, and the means of
    whichever maps below it are features themselves.

    Args:
        backbone: One of carlib's own networks, and not in int8. It isn't changed: this
            has a copy of its weights.
        layers: Over how many convolutions to cut, at least. It's cut between blocks, so
            that of a block all are above, or none.

    Attributes:
        layers: How many convolutions lie above.

    Raises:
        OptionError: It's another network, or has not so many convolutions.
    """

    def __init__(self, backbone: Backbone, layers: int):
        if problems := problems_of(backbone):
            raise OptionError(f"{backbone.arch} can't be cut.", problems)
        self.backbone, self.precision = backbone, backbone.precision
        self.input_size, self.interpolation = (
            backbone.input_size,
            backbone.interpolation,
        )
        self.weights_name = backbone.weights_name
        self._core = copy_of(backbone)
        self._tensors, above = _cut(self._core, layers, backbone.arch)
        self.layers = len(above)
        for layer in self._core.layers:
            layer.trainable = layer in above
        self._sizes = [math.prod(tensor.shape[1:]) for tensor in self._tensors]
        self.n_features = sum(self._sizes)
        self.arch = f"{backbone.arch}-below-{self.layers}"

    @functools.cached_property
    def fingerprint(self) -> str:
        """What the maps depend on besides the photo's bytes, as 64 hex digits."""
        parts = f"cut {CUT_VERSION} {self.layers} {self.backbone.fingerprint}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def keep_in(self, folder: Path) -> None:
        """Keep nothing: whoever cuts has TensorFlow at hand."""

    def engine(self) -> engines.Engine:
        """Return what executes the lower part on this machine."""
        frozen = self._frozen()
        if engines.executor() == "tensorflow":
            return engines.TensorFlowEngine(frozen, self.precision)
        return engines.OpenVINOEngine(runtime.convert(frozen.graph), self.precision)

    def _frozen(self) -> Any:
        """Return the lower part as TensorFlow's frozen graph: uint8 pixels to maps."""
        tf, keras, made = runtime.tensorflow(), runtime.keras(), self.backbone
        with runtime.plain_float32():
            lower = keras.Model(self._core.inputs, self._tensors)
        pixels = tf.TensorSpec((None, made.input_size, made.input_size, 3), tf.uint8)
        scale, offset = made.architecture.scale, made.architecture.offset

        def maps(pixels: Any) -> Any:
            scaled = tf.cast(pixels, tf.float32) * scale + offset
            found = keras.tree.flatten(lower(scaled, training=False))
            sizes = zip(found, self._sizes, strict=True)
            return tf.concat([tf.reshape(x, (-1, size)) for x, size in sizes], axis=1)

        return runtime.freeze(maps, pixels)

    @functools.cached_property
    def upper(self) -> Any:
        """The Keras model of what lies above: maps, flat, to features.

        Its convolutions train; its normalisations stay as they are, and go by the
        statistics that they came with.
        """
        keras = runtime.keras()
        with runtime.plain_float32():
            upper = keras.Model(self._tensors, self._core.output)
            flat = keras.Input((self.n_features,))
            starts = np.cumsum([0, *self._sizes[:-1]])
            parts = [
                keras.layers.Reshape(tensor.shape[1:])(flat[:, start : start + size])
                for tensor, start, size in zip(
                    self._tensors, starts, self._sizes, strict=True
                )
            ]
            return keras.Model(
                flat, upper(parts), name=f"upper_{self.backbone.architecture.slug}"
            )

    def whole(self, weights_name: str) -> Backbone:
        """Return the whole backbone, with the weights that the upper part has now."""
        vector = np.concatenate([w.ravel() for w in self._core.get_weights()])
        made = Backbone(
            self.backbone.architecture, vector, precision=self.backbone.precision
        )
        made.weights_name = weights_name
        return made


def copy_of(backbone: Backbone) -> Any:
    """Return a backbone's Keras network, from scaled pixels to features, to be trained.

    The backbone doesn't see it, save that of somebody's own network there's only one.
    """
    with runtime.plain_float32():
        core = backbone.architecture.build()
    if not backbone.is_own:
        vector = backbone.weights_vector()
        fill(core, vector, vector, backbone.arch)
    return core


def problems_of(backbone: Backbone) -> list[str]:
    """Return why a backbone can't be cut."""
    problems = []
    if backbone.is_own:
        problems.append("it's a Keras network of your own: train it in Keras")
    if backbone.calibration:
        problems.append('it computes in int8: take model.at("float32")')
    return problems


def _cut(core: Any, layers: int, arch: str) -> tuple[list[Any], list[Any]]:
    """Find the highest cut below so many convolutions.

    Returns:
        The tensors that flow through it, and the convolutions above.
    """
    kind = runtime.keras().layers.InputLayer
    steps = [layer for layer in core.layers if not isinstance(layer, kind)]
    inputs = {id(step): runtime.keras().tree.flatten(step.input) for step in steps}
    most = 0
    for last in reversed(steps):
        below = _below(last, steps, inputs, core)
        above = [step for step in steps if id(step) not in below]
        convolutions = [step for step in above if _is_convolution(step)]
        flow = _flow(steps, above, inputs)
        if sum(len(tensor.shape) == 4 for tensor in flow) == 1:
            most = len(convolutions)
            if most >= layers:
                return flow, convolutions
    raise OptionError(
        f"Expected layers from 1 to {most} for {arch}. Received: {layers}",
        hint="The fewer, the less there is to compute: 4 is a block and the last one.",
    )


def _below(
    last: Any, steps: Sequence[Any], inputs: dict[int, list[Any]], core: Any
) -> set[int]:
    """Return what `last` is made of, and what else is made of that alone."""
    made_by = {id(step.output): step for step in steps}
    below, waiting = {id(last)}, [last]
    while waiting:
        for tensor in inputs[id(waiting.pop())]:
            step = made_by.get(id(tensor))
            if step is not None and id(step) not in below:
                below.add(id(step))
                waiting.append(step)
    ready = {
        id(step.output) for step in steps if id(step) in below and step is not last
    }
    ready |= set(map(id, core.inputs))
    for step in steps:
        if {id(tensor) for tensor in inputs[id(step)]} <= ready and step is not last:
            below.add(id(step))
            ready.add(id(step.output))
    return below


def _flow(
    steps: Sequence[Any], above: Sequence[Any], inputs: dict[int, list[Any]]
) -> list[Any]:
    """Return the tensors that come from below and are needed above."""
    own = {id(step.output) for step in above}
    needed = [tensor for step in above for tensor in inputs[id(step)]]
    return list({id(t): t for t in needed if id(t) not in own}.values())


def _is_convolution(layer: Any) -> bool:
    return hasattr(layer, "kernel_size")
