"""The workspace that a site brings along: what notebooks 02 to 04 make, and features.

It is made here, where there is a backbone, for a browser that has none: float32, as it
would be there; photos by the paths that they have there; and a head that is trained by
L-BFGS, which needs no TensorFlow.
"""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

import carlib
from carlib.files import remove, write_text
from carlib.lessons.handover import take_up

ARCHS = "EfficientNetLite0", "EfficientNetLite0-layers"  # as in notebooks 03 and 08
WORKSPACE = "workspace"
SAMPLE = "/lib/python3.14/site-packages/carlib/sample/image"  # in Pyodide
PICTURED = 3  # mistakes, as in notebook 05


def make_workspace(folder: Path, sample: Path) -> bytes:
    """Fill a workspace; return the picture that a browser couldn't make, a PNG.

    Args:
        folder: Where.
        sample: The drawn photos' folder.
    """
    photos = carlib.load_index(sample)
    first, second = (carlib.Backbone(arch, precision="float32") for arch in ARCHS)
    folder.mkdir(parents=True)
    write_list(folder, photos)
    trainer = write_trainer(folder, first)
    train, test = carlib.split(photos, on_leak="keep")
    model = trainer.fit(train)
    model.save(folder / "trained.zip")
    take_up(folder, "photos.csv", "trainer.json").add("trained.zip")
    better = carlib.ImageClassificationTrainer(
        arch=[first, second], workspace_path=folder, **carlib.RECOMMENDED
    )
    better.photo_set(photos)  # all features that notebook 08 asks for
    keep_features_alone(folder)
    return picture_of_maps(model, test)


def write_list(folder: Path, photos: pd.DataFrame) -> None:
    """Write photos.csv, as notebook 02 writes it in a browser."""
    there = [f"{SAMPLE}/{Path(path).name}" for path in photos["image_path"]]
    carlib.write_csv(photos.assign(image_path=there), folder / "photos.csv")
    take_up(folder).add("photos.csv")


def write_trainer(
    folder: Path, backbone: carlib.Backbone
) -> carlib.ImageClassificationTrainer:
    """Write trainer.json, as notebook 03 does, and return the trainer."""
    trainer = carlib.ImageClassificationTrainer(
        arch=backbone,
        optimizer="lbfgs",
        refuse=0.1,
        workspace_path=folder,
        reuse_train_set_bottleneck_cached_values=True,
        reuse_validation_set_bottleneck_cached_values=True,
    )
    options = trainer.options() | {"workspace_path": WORKSPACE}
    write_text(folder / "trainer.json", as_read(options))
    take_up(folder).add("trainer.json")
    return trainer


def as_read(value: Any) -> str:
    """Return JSON as JupyterLite hands it to Python: read, and written anew, by itself.

    Otherwise the hash that notebook 05 asks for would be another's.
    """
    plain = json.loads(json.dumps(value), parse_float=_shortest)
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _shortest(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def keep_features_alone(folder: Path) -> None:
    """Remove what is of no use elsewhere: networks, and the times of files here."""
    for name in ("*/network", "photos-*.npy", ".gitignore"):
        for path in (folder / "bottlenecks").glob(name):
            remove(path)


def picture_of_maps(model: Any, test: pd.DataFrame) -> bytes:
    """Return what notebook 05 draws of the first mistakes: where the model looked."""
    ranked = carlib.worst_first(model.predict(test))
    figure = carlib.plot_class_maps(carlib.class_maps(model, ranked.head(PICTURED)))
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()
