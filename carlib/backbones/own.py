"""Somebody's own Keras network as a backbone: copied, checked, and told apart."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from carlib import runtime
from carlib.backbones.architectures import ARCHS, Architecture
from carlib.data.images import INTERPOLATIONS
from carlib.errors import OptionError


def architecture_of(
    model: Any,
    name: str,
    preprocessing: Callable[[Any], Any] | None,
    interpolation: str,
) -> Architecture:
    """Return what `Backbone.from_keras` makes a backbone of.

    Raises:
        OptionError: With all that is wrong.
    """
    problems = [*_about_name(name), *_about_model(model)]
    if interpolation not in INTERPOLATIONS:
        names = " or ".join(INTERPOLATIONS)
        problems.append(f"interpolation must be {names}. Received: {interpolation!r}")
    if preprocessing is not None and not callable(preprocessing):
        problems.append(f"preprocessing must be a function. Received: {preprocessing}")
    if problems:
        raise OptionError("No backbone can be made of this.", problems)
    network = _copied(model, preprocessing)
    return Architecture(
        name=name,
        slug=name.lower(),
        input_size=model.input_shape[1],
        n_features=model.output_shape[1],
        build=lambda: network,
        interpolation=interpolation,
        scale=1.0,
        offset=0.0,
        own=_identity(network),
    )


def _about_name(name: Any) -> Iterator[str]:
    plain = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name)
    if not (plain and name.isascii()):
        yield f"name must be up to 64 letters, digits and . _ -. Received: {name!r}"
    elif name.casefold() in {"auto", *(arch.casefold() for arch in ARCHS)}:
        yield f"name must not be that of another network. Received: {name!r}"


def _about_model(model: Any) -> Iterator[str]:
    keras = runtime.keras()
    if not isinstance(model, keras.Sequential | keras.models.Model) or not getattr(
        model, "inputs", None
    ):
        yield (
            "model must be a Keras model, Functional or Sequential, that is built. "
            f"Received: a {type(model).__name__}"
        )
        return
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    taken, given = shapes[0], shapes[-1]
    if len(shapes) != 2:
        yield f"model must have one input and one output. Received: {shapes}"
    if len(taken) != 4 or taken[1] != taken[2] or None in taken[1:] or taken[3] != 3:
        yield (
            "model must take square RGB pixels of a known size, (None, size, size, 3). "
            f"Received: {taken}"
        )
    if len(given) != 2 or given[1] is None:
        yield (
            'model must give features (None, d): pooling="avg" makes them. '
            f"Received: {given}"
        )


def _copied(model: Any, preprocessing: Callable[[Any], Any] | None) -> Any:
    """Return a copy, which no training of the original reaches, behind the pixels."""
    keras = runtime.keras()

    class Preprocess(keras.layers.Layer):
        def call(self, pixels: Any) -> Any:
            return pixels if preprocessing is None else preprocessing(pixels)

        def compute_output_shape(self, input_shape: tuple) -> tuple:
            return input_shape

    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except (ValueError, TypeError, NotImplementedError) as error:
        raise OptionError(
            f"The model can't be copied: {error}",
            hint="Its layers need a get_config, as for keras.models.clone_model.",
        ) from error
    with runtime.plain_float32():
        pixels = keras.Input(model.input_shape[1:])
        network = keras.Model(pixels, copy(Preprocess(name="preprocess")(pixels)))
    network.trainable = False
    return network


def _identity(network: Any) -> str:
    """Return the SHA-256 of what is computed: layers, weights and preprocessing.

    By the traced graph, in which nodes are numbered: what Keras calls a layer depends
    on how many there were before it in the process.
    """
    tf = runtime.tensorflow()
    pixels = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)
    graph = runtime.freeze(lambda x: network(x, training=False), pixels)
    nodes = graph.graph.as_graph_def().node
    numbers = {node.name: f"n{number}" for number, node in enumerate(nodes)}
    digest = hashlib.sha256()
    for node in nodes:
        node.name = numbers[node.name]
        for place, given in enumerate(node.input):
            name, _, output = given.lstrip("^").partition(":")
            node.input[place] = f"{numbers[name]}:{output}"
        digest.update(node.SerializeToString(deterministic=True))
    return digest.hexdigest()
