"""Whether an export gives the model's answers: asked in a process of its own.

The client that is written beside an export is run on photos, and what it prints is
compared with what the model itself says of them at float32. So the whole way is proven,
from a photo's file to a label, by the runtime that will go it, without carlib.
"""

import io
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carlib.data.addresses import file_name
from carlib.data.locate import sample_folder
from carlib.data.photos import read_content
from carlib.data.sources import Source, as_sources
from carlib.data.walk import walk
from carlib.errors import ExportError
from carlib.files import write_bytes
from carlib.model.model import ImageClassificationModel

MOST = 1_000  # photos that are asked about
OF_SAMPLE = 40
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",  # a GPU sums otherwise
    "KERAS_BACKEND": "tensorflow",
    "PYTHONUTF8": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Checks:
    """Photos that exports are asked about, and what the model says of them.

    Attributes:
        names: What they are called in messages.
        contents: Encoded.
        probabilities: At float32, (n, n_classes).
        class_names: In their order.
    """

    names: list[str]
    contents: list[bytes]
    probabilities: np.ndarray
    class_names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The model's answers."""
        return [self.class_names[row] for row in self.probabilities.argmax(axis=1)]

    @property
    def files(self) -> list[str]:
        """What the photos are called where they are written to."""
        return [f"{number}.photo" for number in range(len(self.contents))]

    def write(self, folder: Path) -> None:
        """Write the photos into a folder."""
        for file, content in zip(self.files, self.contents, strict=True):
            write_bytes(folder / file, content)


def checks_of(model: ImageClassificationModel, photos: Any) -> Checks:
    """Ask the model about photos; without any, about some of the drawn sample's.

    Raises:
        ImageError: Photos that can't be read.
    """
    sources = as_sources(_of_sample() if photos is None else photos)
    sources = sources[:: -(-len(sources) // MOST)]
    contents = [_content(source) for source in sources]
    table = model.predict(contents, progress=False)
    probabilities = table[list(model.class_names)].to_numpy()
    names = [file_name(source.name) for source in sources]
    return Checks(names, contents, probabilities, model.class_names)


def _of_sample() -> list[Path]:
    folder = sample_folder()
    paths = [folder / path for path in walk(folder).photos]
    return paths[:: len(paths) // OF_SAMPLE]


def _content(source: Source) -> bytes:
    """Return a photo encoded; pixels as a PNG."""
    content, _ = read_content(source)
    if isinstance(content, np.ndarray):
        buffer, image = io.BytesIO(), Image.fromarray(content)
        image.save(buffer, "PNG")
        return buffer.getvalue()
    return content


def prove(
    name: str, client: Path, folder: Path, checks: Checks, bound: float
) -> dict[str, Any]:
    """Compare what a client prints with what the model says.

    Args:
        name: The format's.
        client: The program.
        folder: Where `checks.write` put the photos.
        bound: How far a probability may be from the model's own. The label must be the
            same, unless the model's own two likeliest are no farther apart.

    Returns:
        photos, how many; labels_equal, of how many the label is the same;
        largest_difference, of a probability; milliseconds, the median of a photo.

    Raises:
        ExportError: It doesn't run, or gives other answers; the worst photo is shown.
    """
    answers = _asked(name, client, folder, checks.files)
    rows = [list(answer["probabilities"].values()) for answer in answers]
    differences = np.abs(np.array(rows) - checks.probabilities).max(axis=1)
    pairs = zip(answers, checks.labels, strict=True)
    equal = np.array([answer["label"] == label for answer, label in pairs])
    wrong = ~(differences <= bound) | (~equal & ~_close(answers, checks, bound))
    if wrong.any():
        worst = int(np.lexsort((differences, wrong))[-1])
        raise ExportError(
            f"The {name} export gives other answers than the model, on {wrong.sum():,} "
            f"of {len(wrong):,} photos. Nothing was written.",
            _shown(checks, worst, answers[worst], differences[worst], bound),
        )
    times = [answer["milliseconds"] for answer in answers]
    return {
        "photos": len(answers),
        "labels_equal": int(equal.sum()),
        "largest_difference": float(differences.max()),
        "milliseconds": statistics.median(times[1:] or times),
    }


def _close(answers: Sequence[dict], checks: Checks, bound: float) -> np.ndarray:
    """Tell where the model finds a client's answer as likely as its own, bool (n,)."""
    places = [checks.class_names.index(answer["label"]) for answer in answers]
    chosen = checks.probabilities[np.arange(len(places)), places]
    return checks.probabilities.max(axis=1) - chosen <= bound


def _shown(
    checks: Checks, row: int, answer: dict, difference: float, bound: float
) -> list[str]:
    """Return the two answers about a photo, in words."""
    expected = checks.probabilities[row]
    return [
        f"{checks.names[row]} is the worst; its probabilities differ by "
        f"{difference:.1e}, and {bound:.0e} is allowed",
        f"the model says {checks.labels[row]}, {expected.max():.6f}",
        f"the export says {answer['label']}, {answer['score']:.6f}",
    ]


def _asked(name: str, client: Path, folder: Path, files: Sequence[str]) -> list[dict]:
    """Run a client on photos and return what it prints, a dict a photo."""
    run = subprocess.run(
        [sys.executable, str(client.absolute()), *files],
        cwd=folder,
        env=os.environ | _ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith('{"photo"')]
    if run.returncode or len(lines) != len(files):
        said = run.stderr.strip().splitlines()[-3:]
        raise ExportError(f"The {name} export doesn't run. Nothing was written.", said)
    return [json.loads(line) for line in lines]
