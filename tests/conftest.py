"""What tests share: the drawn sample, a model, the real photos and weights if here."""

import os
from pathlib import Path

import pytest

from tests.browser import chromium

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# Quiet, and the same on machines with and without a GPU; set before TensorFlow loads.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sample() -> Path:
    """The drawn photos that are committed with the project."""
    return ROOT / "data" / "sample"


@pytest.fixture(scope="session")
def browser():
    """Chromium, started once: a second one can't be beside it in a process."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The zip of the 1,210 real photos, where somebody has put it."""
    path = SHARED / "data" / "car_damage" / "preprocessed.zip"
    return path if path.exists() else pytest.skip("the real photos are not here")


@pytest.fixture(scope="session")
def keras_home() -> Path:
    """A KERAS_HOME with MobileNetV2-0.35's weights, where somebody has put it."""
    path = SHARED / "keras"
    return path if path.exists() else pytest.skip("no Keras weights are here")


@pytest.fixture(scope="session")
def photos(sample):
    """The sample's table of photos."""
    from carlib.data.table import load_index

    return load_index(sample)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Path:
    """A workspace that the whole test session shares, for its bottleneck cache."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def backbone():
    """The embedded backbone."""
    from carlib.backbones.backbone import Backbone

    return Backbone("EfficientNetLite0")


@pytest.fixture(scope="session")
def train(photos):
    """The sample's photos in T."""
    return photos[photos.subset == "T"].reset_index(drop=True)


@pytest.fixture(scope="session")
def skewed(train):
    """Photos of three classes, of one many and of one few."""
    few = {"door_dent": 15, "unknown": 9, "tail_lamp": 4}
    parts = [train[train.damage_class == name][:n] for name, n in few.items()]
    return train.loc[[row for part in parts for row in part.index]]


@pytest.fixture(scope="session")
def few(photos):
    """Four of the sample's photos a class, to train on."""
    train = photos[photos.subset == "T"]
    return train.groupby("damage_class").head(4).reset_index(drop=True)


@pytest.fixture
def trainer(backbone, workspace):
    """A trainer that finds its features in the workspace."""
    from carlib.training.trainer import ImageClassificationTrainer

    def make(**options):
        options = {"arch": backbone, "workspace_path": workspace} | options
        return ImageClassificationTrainer(**options)

    return make


@pytest.fixture(scope="session")
def trained(photos, workspace, backbone):
    """A model trained on the sample, for a few epochs."""
    from carlib.training.trainer import ImageClassificationTrainer

    train = photos[photos.subset == "T"]
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, epoch=8
    )
    return trainer.fit(train)


@pytest.fixture(scope="session")
def random():
    """A backbone that never saw a photo."""
    from carlib.backbones.backbone import Backbone

    return Backbone("MobileNetV2-0.35", weights=None)


@pytest.fixture(scope="session")
def comparison(photos, backbone, random, workspace):
    """The embedded backbone beside one that never saw a photo, and both joined."""
    from carlib.evaluation.compare import compare
    from carlib.training.options import TrainingOptions

    archs, options = [backbone, random, [backbone, random]], TrainingOptions(epoch=4)
    runs = {"folds": 2, "seeds": (1, 2), "progress": False}
    return compare(photos, archs, options, workspace_path=workspace, **runs)
