"""A backbone: a frozen network that turns photos into features."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones import architectures, engines, graphs, kept, own, precisions
from carlib.backbones.architectures import Architecture
from carlib.backbones.int8 import Calibration, quantize
from carlib.backbones.weights import (
    fill,
    find_weights,
    read_vector,
    resolve_arch,
    vector_by,
)
from carlib.errors import OptionError
from carlib.messages import say

# Part of every fingerprint: raise it when features come to mean something else.
FEATURE_VERSION = 3


class Backbone:
    """A network with its weights, preprocessing and fingerprint; nothing in it trains.

    Args:
        arch: One of `carlib.ARCHS`, or "auto" (see `resolve_arch`). For a network of
            your own see `from_keras`.
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
        arch: str | Architecture = "InceptionV3",
        weights: str | os.PathLike | np.ndarray | None = "imagenet",
        seed: int = 1,
        precision: str = "auto",
        calibration: Any = None,
    ):
        self.precision = precisions.resolve(precision)
        self.calibration = Calibration.given(calibration, self.precision)
        if not isinstance(arch, Architecture):
            arch = architectures.find(resolve_arch() if arch == "auto" else arch)
        self.architecture = arch
        self.weights, self.seed = weights, seed
        self._engine: engines.Engine | None = None
        self._folder: Path | None = None  # where the network is to be kept
        self._kept_in: Path | None = None
        self._source = None if arch.own else find_weights(arch, weights)
        if isinstance(weights, np.ndarray):
            self.weights = self._source  # which nobody else can change
        self.arch, self.interpolation = arch.name, arch.interpolation
        self.input_size, self.n_features = arch.input_size, arch.n_features
        self.weights_name = self._name_of_weights()

    @classmethod
    def from_keras(
        cls,
        model: Any,
        *,
        name: str,
        preprocessing: Callable[[Any], Any] | None = None,
        interpolation: str = "bilinear",
        precision: str = "auto",
        calibration: Any = None,
    ) -> "Backbone":
        """Make a backbone of a Keras network of your own.

        It's a copy: training the model later changes nothing here. A model that was
        trained on it is saved without it, so that `load_model` needs it again.

        Args:
            model: Functional or Sequential, from square RGB pixels to features (n, d),
                such as one of `keras.applications` with pooling="avg".
            name: What to call it: letters, digits and . _ -
            preprocessing: What the network wants done to pixels 0 … 255, float32
                (n, size, size, 3), such as `keras.applications.vgg16.preprocess_input`;
                None: nothing.
            interpolation: "bilinear" or "bicubic".
            precision, calibration: As of `Backbone`.

        Raises:
            OptionError: With all that is wrong with the model or the name.

        Example:
            >>> pooled = [keras.layers.Conv2D(8, 3), keras.layers.GlobalMaxPool2D()]
            >>> network = keras.Sequential([keras.Input((96, 96, 3)), *pooled])
            >>> backbone = carlib.Backbone.from_keras(
            ...     network, name="Mine", preprocessing=lambda pixels: pixels / 255)
        """
        made = own.architecture_of(model, name, preprocessing, interpolation)
        return cls(made, "own", precision=precision, calibration=calibration)

    @property
    def is_own(self) -> bool:
        """Whether it is somebody's own network, which carlib can't make again."""
        return bool(self.architecture.own)

    def __repr__(self) -> str:
        return (
            f"Backbone({self.arch!r}, weights={self.weights_name!r}, "
            f"precision={self.precision!r})"
        )

    def __deepcopy__(self, memo: Any) -> "Backbone":
        """Return itself: nothing in it changes what a feature is."""
        return self

    def __reduce__(self) -> tuple:
        """Pickle what it was made from, not what runs."""
        if self.is_own:
            raise OptionError(
                f"{self.arch} is a Keras network of your own, and can't be pickled.",
                hint="Make it in the other process, by Backbone.from_keras.",
            )
        made_from = (self.arch, self.weights, self.seed, self.precision)
        state = {"weights_name": self.weights_name}
        return Backbone, (*made_from, self.calibration), state

    def at(self, precision: str, calibration: Any = None) -> "Backbone":
        """Return the same backbone, computing at another precision."""
        made_from = (self.architecture, self.weights, self.seed)
        other = Backbone(*made_from, precision, calibration)
        other.weights_name = self.weights_name
        if "_vector" in vars(self):  # what a file held then, and may not hold now
            vars(other)["_vector"] = self._vector
        return other

    def _name_of_weights(self) -> str:
        if self.is_own or self.weights is None:
            return "your own" if self.is_own else f"random, seed {self.seed}"
        if isinstance(self.weights, np.ndarray):
            return "from a saved model"
        return "imagenet" if self.weights == "imagenet" else self._source.name

    @property
    def options(self) -> dict[str, Any]:
        """What to make it of again, as plain values, as far as those can say it."""
        weights, seed = self.weights, self.seed
        if isinstance(weights, np.ndarray):  # a saved model's: what it was made of
            weights, _, drawn = self.weights_name.partition("random, seed ")
            weights, seed = (None, int(drawn)) if drawn else (weights, seed)
        elif not isinstance(weights, str | None):
            weights = os.fspath(weights)
        options = {"arch": self.arch, "weights": weights, "weights_seed": seed}
        calibration = self.calibration.paths if self.calibration else None
        return options | {"precision": self.precision, "calibration": calibration}

    @property
    def preprocessing(self) -> dict:
        """What is done to a photo's upright RGB pixels before the network."""
        return {
            "input_size": self.input_size,
            "interpolation": self.interpolation,
            "scale": self.architecture.scale,
            "offset": self.architecture.offset,
        }

    @property
    def fingerprint(self) -> str:
        """What features depend on besides the photo's bytes, as 64 hex digits.

        It is by the weights themselves (random ones: their seed), whose file may move.
        """
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        if self.is_own:
            weights = self.architecture.own
        elif self.weights is None:  # known without the network, whose draw it is
            weights = f"random {self.seed}"
        else:
            weights = hashlib.sha256(self._vector).hexdigest()
        parts = {
            "version": FEATURE_VERSION,
            "arch": self.arch,
            "weights": weights,
            "preprocessing": self.preprocessing,
            "precision": self.precision,
        }
        if self.calibration:
            parts["calibration"] = self.calibration_id
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def weights_vector(self) -> np.ndarray:
        """Return all weights, float32 (n,), one after another in Keras's order.

        They are read once, whatever happens to the file meanwhile.

        Raises:
            WeightsError: They can't be read, or don't fit the network.
        """
        return self._vector

    @functools.cached_property
    def _vector(self) -> np.ndarray:
        if self.is_own:
            return np.concatenate([w.ravel() for w in self._core.get_weights()])
        vector = read_vector(self._source, self.arch)
        if vector is None:
            vector = vector_by(self._core, self._source, self.arch, self.seed)
        vector.flags.writeable = False
        return vector

    @functools.cached_property
    def _core(self) -> Any:
        """The Keras network itself, from scaled pixels to features."""
        with runtime.plain_float32():
            return self.architecture.build()

    @functools.cached_property
    def network(self) -> Any:
        """The Keras model: pixels 0 … 255, float32 (n, size, size, 3), to features.

        Raises:
            WeightsError: The weights are another network's.
        """
        keras, core, made = runtime.keras(), self._core, self.architecture
        if not self.is_own:
            fill(core, self._vector, self._source, self.arch)
        with runtime.plain_float32():
            pixels = keras.Input((self.input_size, self.input_size, 3))
            scaled = keras.layers.Rescaling(made.scale, made.offset)(pixels)
            network = keras.Model(pixels, core(scaled), name=f"backbone_{made.slug}")
        network.trainable = False
        return network

    @property
    def calibration_id(self) -> str:
        """The SHA-256 of what an int8 backbone was calibrated on; else ""."""
        return self.calibration.identity if self.calibration else ""

    def keep_in(self, folder: Path) -> None:
        """Take a folder in which the network as OpenVINO has it is kept.

        It spares a later process the conversion, or an int8 network's calibration.
        Others of carlib's own need no keeping: see `graphs`.
        """
        is_ready = self.calibration is None and graphs.is_ready(self.arch)
        self._folder = None if is_ready else folder

    def engine(self) -> engines.Engine:
        """Return what executes the network on this machine; made once."""
        runtime.check_process()
        if self._engine is None:
            self._engine = self._open_engine()
        elif self._folder and self._folder != self._kept_in:
            self._keep_again()
        self._kept_in = self._folder
        return self._engine

    def _keep_again(self) -> None:
        """Keep what the engine runs in another folder, too."""
        on_openvino = isinstance(self._engine, engines.OpenVINOEngine)
        if on_openvino and not kept.is_whole(self._folder):
            model = kept.kept(self._kept_in)
            kept.keep(self._folder, self._converted() if model is None else model)

    def _open_engine(self) -> engines.Engine:
        if engines.executor() == "tensorflow":
            return engines.TensorFlowEngine(self.frozen(), self.precision)
        return engines.OpenVINOEngine(self.openvino_model(), self.precision)

    def openvino_model(self) -> Any:
        """Return the network as OpenVINO has it: the one kept, or one to be kept."""
        model = kept.kept(self._folder, self.input_size, self.n_features)
        if model is None:
            model = self._converted()
            if self._folder:
                kept.keep(self._folder, model)
        if self.calibration and self.calibration.network is None:
            network = kept.network_of(model)
            self.calibration = dataclasses.replace(self.calibration, network=network)
        return model

    def int8_network(self) -> tuple[bytes, bytes] | None:
        """Return an int8 backbone's calibrated network, as OpenVINO's two files."""
        if self.calibration is None:
            return None
        self.engine()
        return self.calibration.network

    def _converted(self) -> Any:
        """Return the network as OpenVINO has it, in int8 where that is asked for."""
        if self.calibration and self.calibration.network:
            return kept.model_from(self.calibration.network)
        if graphs.is_ready(self.arch):
            model = graphs.joined(self.arch, self._vector, self._source)
        else:
            model = runtime.convert(self.frozen().graph)
        if self.calibration is None:
            return model
        say(f"Calibrating {self.arch} on {len(self.calibration.sources)} photos.")
        return quantize(model, self.calibration, self.input_size, self.interpolation)

    def frozen(self) -> Any:
        """Return the network as TensorFlow's frozen graph: uint8 pixels to features."""
        tf, network = runtime.tensorflow(), self.network
        pixels = tf.TensorSpec((None, self.input_size, self.input_size, 3), tf.uint8)
        return runtime.freeze(lambda x: network(tf.cast(x, tf.float32)), pixels)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Turn pixels into features.

        Args:
            pixels: uint8 (n, input_size, input_size, 3), RGB.

        Returns:
            float32 (n, n_features). A photo's row doesn't depend on the others'.
        """
        return engines.features(self.engine(), pixels, self.n_features)
