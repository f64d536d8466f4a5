"""The ways to turn JPEG files into features, each opened in a process of its own.

A way's `prepare` is not timed, its `compute` is. A process goes three times through
both: one photo, for the seconds to the first feature; a batch, to warm up; and what is
timed.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from busy import watched
from processes import answer

BATCH = 32


def backbone(arch: str, precision: str = "float32", calibration: Any = None) -> Any:
    """Return a backbone that needs no download: speed does not depend on weights."""
    from carlib.backbones.backbone import Backbone

    embedded = arch == "EfficientNetLite0"
    weights = "imagenet" if embedded else None
    return Backbone(arch, weights, precision=precision, calibration=calibration)


class Carlib:
    """carlib's engine and cache, in a workspace that is fresh each time."""

    def __init__(self, job: dict):
        photos = job["calibration"] and sorted(Path(job["calibration"]).iterdir())
        self.backbone = backbone(job["arch"], job["precision"], photos or None)
        self.workspace = Path(job["workspace"])

    def prepare(self, folder: Path) -> Any:
        return sorted(folder.iterdir()), self.workspace / folder.name

    def compute(self, prepared: Any) -> np.ndarray:
        from carlib.bottlenecks.extract import extract
        from carlib.data.sources import as_sources

        paths, workspace = prepared
        sources = as_sources(paths)
        return extract(sources, [self.backbone], workspace, progress=False).of_photos()


class Again(Carlib):
    """carlib in a workspace that knows the backbone but not the photos."""

    def prepare(self, folder: Path) -> Any:
        return sorted(folder.iterdir()), self.workspace


class InKeras:
    """What the ways that call Keras share: the network, and pixels scaled for it."""

    def __init__(self, job: dict):
        made = backbone(job["arch"])
        self.size = (made.input_size, made.input_size)
        self.scale, self.offset = made.architecture.scale, made.architecture.offset
        self.model = made.network.layers[-1]  # after the layer that scales pixels

    def prepare(self, folder: Path) -> Path:
        return folder

    def scaled(self, pixels):
        return pixels * self.scale + self.offset


class Notebook(InKeras):
    """What a notebook would do."""

    def compute(self, prepared: Path) -> np.ndarray:
        import keras

        dataset = keras.utils.image_dataset_from_directory(
            prepared,
            labels=None,
            shuffle=False,
            image_size=self.size,
            batch_size=BATCH,
            verbose=False,
        )
        return self.model.predict(dataset.map(self.scaled), verbose=0)


class Tuned(InKeras):
    """A `tf.data` pipeline as TensorFlow's guide to its performance has it."""

    def compute(self, prepared: Path) -> np.ndarray:
        import tensorflow as tf

        files = tf.data.Dataset.list_files(f"{prepared}/*.jpg", shuffle=False)
        photos = files.map(self.load, num_parallel_calls=tf.data.AUTOTUNE)
        return self.model.predict(
            photos.batch(BATCH).prefetch(tf.data.AUTOTUNE), verbose=0
        )

    def load(self, path):
        import tensorflow as tf

        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return self.scaled(tf.image.resize(pixels, self.size))


class Decoded:
    """What the ways that get decoded pixels share: decoding is not timed."""

    def __init__(self, job: dict):
        self.backbone = backbone(job["arch"])
        self.open(job)

    def prepare(self, folder: Path) -> list[np.ndarray]:
        paths = sorted(folder.iterdir())
        starts = range(0, len(paths), BATCH)
        return [self.pixels(paths[i : i + BATCH]) for i in starts]

    def pixels(self, paths: list[Path]) -> np.ndarray:
        from carlib.data import images

        size, resizer = self.backbone.input_size, self.backbone.interpolation
        return np.stack([images.pixels(p.read_bytes(), size, resizer) for p in paths])

    def compute(self, prepared: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([self.infer(batch) for batch in prepared])


class OpenVINO(Decoded):
    """OpenVINO called by hand, with its defaults but for the precision."""

    def open(self, job: dict) -> None:
        from carlib import runtime

        openvino = runtime.openvino()  # without its telemetry
        model = openvino.convert_model(self.backbone.network)
        steps = openvino.preprocess.PrePostProcessor(model)
        steps.input().tensor().set_element_type(openvino.Type.u8)
        is_float32 = job["precision"] == "float32"
        options = {"INFERENCE_PRECISION_HINT": "f32"} if is_float32 else {}
        self.compiled = openvino.compile_model(steps.build(), "CPU", options)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return self.compiled(batch)[0]


class ONNXRuntime(Decoded):
    """ONNX Runtime called by hand, on a file that Keras wrote."""

    def open(self, job: dict) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(
            job["onnx"], providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: batch.astype(np.float32)})[0]


class ONNXRuntimeOnGPU(ONNXRuntime):
    """The same on a GPU, where the package can use one."""

    def open(self, job: dict) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(
            job["onnx"], providers=["CUDAExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name


class Engine(Decoded):
    """carlib's engine alone, on pixels that are there."""

    def open(self, job: dict) -> None:
        self.backbone = backbone(job["arch"], job["precision"])

    def compute(self, prepared: list[np.ndarray]) -> np.ndarray:
        return self.backbone.features(np.concatenate(prepared))


class PyTorch(Decoded):
    """A network of the same kind, compiled, channels last, in half precision on a GPU.

    Its weights are torchvision's own draw: only its speed is compared.
    """

    names = {
        "InceptionV3": "inception_v3",
        "MobileNetV2": "mobilenet_v2",
        "ResNet50V2": "resnet50",
        "ResNet101V2": "resnet101",
        "EfficientNetLite0": "efficientnet_b0",  # the nearest that there is
    }
    batch = 128

    def open(self, job: dict) -> None:
        import torch
        import torchvision

        name = self.names[job["arch"]]
        extra = {"init_weights": False} if name == "inception_v3" else {}
        network = getattr(torchvision.models, name)(weights=None, **extra).eval()
        self.torch, on_gpu = torch, job["device"] == "gpu"
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.kind = torch.float16 if on_gpu else torch.float32
        network = network.to(self.device, self.kind, memory_format=torch.channels_last)
        self.network = torch.compile(network)

    def compute(self, prepared: list[np.ndarray]) -> np.ndarray:
        pixels, torch = np.concatenate(prepared), self.torch
        done = []
        with torch.inference_mode():
            for start in range(0, len(pixels), self.batch):
                batch = np.zeros((self.batch, *pixels.shape[1:]), np.uint8)
                some = pixels[start : start + self.batch]
                batch[: len(some)] = some
                there = torch.from_numpy(batch).to(self.device, non_blocking=True)
                there = there.permute(0, 3, 1, 2).to(self.kind) / 127.5 - 1
                answers = self.network(
                    there.contiguous(memory_format=torch.channels_last)
                )
                done.append(answers[: len(some)])
            return torch.cat(done).float().cpu().numpy()


class Reference(Decoded):
    """Keras at float32, on the pixels that carlib decodes: what the others should be.

    It writes the ONNX file, too, where one is asked for.
    """

    def open(self, job: dict) -> None:
        self.onnx = job["onnx"]

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return self.backbone.network.predict(batch.astype(np.float32), verbose=0)

    def compute(self, prepared: list[np.ndarray]) -> np.ndarray:
        features = super().compute(prepared)
        if self.onnx:
            self.backbone.network.export(self.onnx, format="onnx", verbose=False)
        return features


WAYS = {
    "carlib": Carlib,
    "notebook": Notebook,
    "tf.data": Tuned,
    "openvino": OpenVINO,
    "onnxruntime": ONNXRuntime,
    "again": Again,
    "engine": Engine,
    "onnxruntime-gpu": ONNXRuntimeOnGPU,
    "pytorch": PyTorch,
    "reference": Reference,
}


def run(job: dict) -> dict:
    """Open a way, and take its times.

    Args:
        job: way, arch, precision, calibration (a folder, or ""), onnx (a file's path,
            or ""), workspace, first, warm, timed (folders of photos; the last two may
            be missing), features (where to put those of the last); device, for PyTorch.

    Returns:
        first_feature, in seconds; speed, in photos a second; busy, the GPU's share of
        the time, where that can be told.
    """
    way = WAYS[job["way"]](job)
    features = way.compute(way.prepare(Path(job["first"])))
    found = {"first_feature": time.time() - job["started"]}
    if "timed" in job:
        way.compute(way.prepare(Path(job["warm"])))
        prepared = way.prepare(Path(job["timed"]))
        with watched() as shares:
            began = time.perf_counter()
            features = way.compute(prepared)
            found["speed"] = len(features) / (time.perf_counter() - began)
        found["busy"] = float(np.mean(shares)) if shares else None
    np.save(job["features"], features)
    return found


if __name__ == "__main__":
    answer(run)
