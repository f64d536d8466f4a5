"""A backbone: a frozen network that turns photos into features."""

import dataclasses
import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones import architectures, engines, graphs, precisions
from carlib.backbones.architectures import Architecture
from carlib.backbones.int8 import Calibration, quantize
from carlib.backbones.weights import find_weights, identity, imagenet_file, load_into
from carlib.errors import OptionError, WeightsError
from carlib.messages import say

# Part of every fingerprint: raise it when features come to mean something else.
FEATURE_VERSION = 2


class Backbone:
    """A network with its weights, preprocessing and fingerprint; nothing in it trains.

    Args:
        arch: One of `carlib.ARCHS`, or "auto" (see `resolve_arch`).
        weights: "imagenet" (Keras's cache in KERAS_HOME, else a download), the path of
            a weights file in a layout that Keras reads (`.h5`, `.weights.h5`), None for
            random ones drawn from `seed`, or all of them in one vector, as
            `weights_vector` returns it.
        seed: Draws the weights where `weights` is None.
        precision: What the network computes in: "float32", "bfloat16", "float16", or
            "auto", the lowest that this machine's chip has in hardware. Weights and
            features are float32 all the same. bfloat16 features differ from float32's
            by 0.4 % to 9 % in norm, the more the slimmer the network, at twice the
            speed; a head trained on them is as good. "int8", for CPUs, is faster still
            with InceptionV3 and ResNet; it needs `calibration` and `carlib[int8]`.
        calibration: For "int8": some 200 of the photos that it is to be used on, as
            `compute_bottlenecks` takes them; of more, 200 are chosen evenly.

    Attributes:
        precision: The one it computes in; never "auto".
        input_size: Height and width of the pixels it takes.
        n_features: How many features a photo becomes.
        weights_name: What the weights are, in a word or two and without a path.
        fingerprint: 64 hex digits that change with anything that changes a feature.

    Raises:
        OptionError: There is no such network, or this machine can't compute at that
            precision.
        WeightsError: The weights aren't there and can't be had, or don't fit.

    Example:
        >>> backbone = carlib.Backbone("EfficientNetLite0")
        >>> backbone.features(pixels).shape    # pixels: uint8 (32, 224, 224, 3)
        (32, 1280)
    """

    def __init__(
        self,
        arch: str = "InceptionV3",
        weights: str | os.PathLike | np.ndarray | None = "imagenet",
        seed: int = 1,
        precision: str = "auto",
        calibration: Any = None,
    ):
        self.precision = precisions.resolve(precision)
        self.calibration = _calibration(self.precision, calibration)
        name = resolve_arch() if arch == "auto" else arch
        self.architecture: Architecture = architectures.find(name)
        self.weights, self.seed = weights, seed
        self._engine: engines.Engine | None = None
        self._source = find_weights(self.architecture, weights)
        self.arch = self.architecture.name
        self.input_size = self.architecture.input_size
        self.n_features = self.architecture.n_features
        self.interpolation = self.architecture.interpolation
        self.weights_name = self._name_of_weights()

    def __repr__(self) -> str:
        return (
            f"Backbone({self.arch!r}, weights={self.weights_name!r}, "
            f"precision={self.precision!r})"
        )

    def __reduce__(self):
        """Copy and pickle what it was made from, not what runs."""
        made_from = (self.arch, self.weights, self.seed, self.precision)
        state = {"weights_name": self.weights_name}
        return Backbone, (*made_from, self.calibration), state

    def at(self, precision: str, calibration: Any = None) -> "Backbone":
        """Return the same backbone, computing at another precision."""
        other = Backbone(self.arch, self.weights, self.seed, precision, calibration)
        other.weights_name = self.weights_name
        return other

    def _name_of_weights(self) -> str:
        if self.weights is None:
            return f"random, seed {self.seed}"
        if isinstance(self.weights, np.ndarray):
            return "from a saved model"
        return "imagenet" if self.weights == "imagenet" else self._source.name

    @property
    def weights_options(self) -> dict:
        """What to hand to `Backbone` to get it again, beside arch, as plain values."""
        named = self.weights is None or isinstance(self.weights, str)
        weights = self.weights if named else str(self._source)
        if isinstance(self.weights, np.ndarray):
            weights = self.weights_name
        return {
            "weights": weights,
            "weights_seed": self.seed,
            "precision": self.precision,
        }

    @property
    def preprocessing(self) -> dict:
        """What is done to a photo's upright RGB pixels before the network."""
        return {
            "input_size": self.input_size,
            "interpolation": self.interpolation,
            "scale": self.architecture.scale,
            "offset": self.architecture.offset,
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        """What features depend on besides the photo's bytes, as 64 hex digits."""
        return self._fingerprint(identity(self._source, self.seed))

    @functools.cached_property
    def fingerprint_of_weights(self) -> str:
        """The fingerprint that this backbone has once a saved model holds its weights.

        The other one is by the file they came from: that is known without the network.
        """
        return self._fingerprint(identity(self.weights_vector(), self.seed))

    def _fingerprint(self, weights_identity: str) -> str:
        parts = {
            "version": FEATURE_VERSION,
            "arch": self.arch,
            "weights": weights_identity,
            "preprocessing": self.preprocessing,
            "precision": self.precision,
        }
        if self.calibration:
            parts["calibration"] = self.calibration_id
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @functools.cached_property
    def network(self):
        """The Keras model: pixels 0 … 255, float32 (n, size, size, 3), to features."""
        keras = runtime.keras()
        with runtime.plain_float32():
            core = self.architecture.build()
            load_into(core, self.arch, self._source, self.seed)
            pixels = keras.Input((self.input_size, self.input_size, 3))
            scaled = keras.layers.Rescaling(
                self.architecture.scale, self.architecture.offset
            )(pixels)
            network = keras.Model(pixels, core(scaled), name=self._layer_name)
        network.trainable = False
        return network

    @property
    def _layer_name(self) -> str:
        return f"backbone_{self.architecture.slug}"

    @property
    def calibration_id(self) -> str:
        """The SHA-256 of what an int8 backbone was calibrated on; else ""."""
        return self.calibration.identity if self.calibration else ""

    def weights_vector(self, kept: Path | None = None) -> np.ndarray:
        """Return all weights, float32, one after another in Keras's order.

        Args:
            kept: A folder in which they may lie: there they are had without Keras.
        """
        if isinstance(self._source, np.ndarray):
            return self._source.copy()
        weights = graphs.kept_weights(kept)
        if weights is None:
            weights = np.concatenate([w.ravel() for w in self.network.get_weights()])
        return weights

    def layer(self, kept: Path) -> Any:
        """Return a Keras layer that is traced to what `network` is; it can't be called.

        Args:
            kept: A folder in which the network as TensorFlow has it is kept: with it, a
                later process needs not build it.
        """
        graph = graphs.kept_graph(kept)
        if graph is None:
            definition = graphs.trace(self.network, "features")
            graph = graphs.Graph(definition, self.weights_vector())
            graphs.keep_graph(kept, graph)
        return graphs.as_layer(graph, self._layer_name, self.n_features)

    def engine(self, kept: Path | None = None) -> engines.Engine:
        """Return what executes the network on this machine; made once.

        Args:
            kept: A folder in which the network as OpenVINO has it is kept: with it, a
                later process needs neither TensorFlow nor the conversion.
        """
        if self._engine is None:
            self._engine = self._open_engine(kept)
        return self._engine

    def _open_engine(self, kept: Path | None) -> engines.Engine:
        if precisions.executor() == "tensorflow":
            return engines.TensorFlowEngine(self._frozen(), self.precision)
        model = engines.kept_model(kept)
        if model is None:
            model = self._converted()
            if kept is not None:
                engines.keep_model(kept, model)
        if self.calibration and self.calibration.network is None:
            network = engines.network_of(model)
            self.calibration = dataclasses.replace(self.calibration, network=network)
        return engines.OpenVINOEngine(model, self.precision)

    def int8_network(self, kept: Path | None = None) -> tuple[bytes, bytes] | None:
        """Return an int8 backbone's calibrated network, as OpenVINO's two files.

        Args:
            kept: As `engine` takes it.
        """
        if self.calibration is None:
            return None
        self.engine(kept)
        return self.calibration.network

    def _converted(self) -> Any:
        """Return the network as OpenVINO has it, in int8 where that is asked for."""
        if self.calibration and self.calibration.network:
            return engines.model_from(self.calibration.network)
        model = runtime.openvino().convert_model(self._frozen().graph)
        if self.calibration is None:
            return model
        say(f"Calibrating {self.arch} on {len(self.calibration.sources)} photos.")
        return quantize(model, self.calibration, self.input_size, self.interpolation)

    def _frozen(self):
        tf, network = runtime.tensorflow(), self.network
        pixels = tf.TensorSpec((None, self.input_size, self.input_size, 3), tf.uint8)
        return freeze(lambda x: network(tf.cast(x, tf.float32)), pixels)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Turn pixels into features.

        Args:
            pixels: uint8 (n, input_size, input_size, 3), RGB.

        Returns:
            float32 (n, n_features). A photo's row doesn't depend on the others'.
        """
        return engines.features(self.engine(), pixels, self.n_features)


def _calibration(precision: str, given: Any) -> Calibration | None:
    if (precision == "int8") != (given is not None):
        raise OptionError(
            'precision="int8" and calibration=photos go together. Received: '
            f"precision={precision!r} and calibration "
            + ("None" if given is None else "photos"),
            hint="Some 200 of the training photos will do.",
        )
    return given if isinstance(given, Calibration | None) else Calibration.on(given)


def freeze(function, *signature):
    """Trace a function and turn its variables into constants: faster, and one file."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    traced = runtime.tensorflow().function(
        function, input_signature=signature, autograph=False
    )
    return convert_variables_to_constants_v2(traced.get_concrete_function())


def resolve_arch(arch: str = "auto", weights: str | None = "imagenet") -> str:
    """Turn "auto" into a name, and say which and why; check any other name.

    "auto" is InceptionV3 if its ImageNet weights lie in Keras's cache or can be
    downloaded now, else EfficientNetLite0, whose weights came with pip. With other
    weights than "imagenet" there is nothing to download, and it is InceptionV3.

    Raises:
        OptionError: There is no such network.
    """
    if arch != "auto":
        return architectures.find(arch).name
    if weights != "imagenet":
        return "InceptionV3"
    try:
        imagenet_file(architectures.find("InceptionV3"))
    except WeightsError as error:
        say(
            "Backbone: EfficientNetLite0, whose ImageNet weights came with the "
            f"installation. {error.message}"
        )
        return "EfficientNetLite0"
    say("Backbone: InceptionV3, with its ImageNet weights from Keras's cache.")
    return "InceptionV3"
