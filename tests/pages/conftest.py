"""A report on photos and classes whose names would do harm if they could."""

import shutil

import pandas as pd
import pytest

from carlib.pages.report import report
from tests.browser import Opened

CLASSES = {
    "bumper_dent": '"><script>window.harmed = 1</script>',
    "door_dent": "</script><img src=x onerror='window.harmed = 1'>",
    "tail_lamp": "{{ 7 * 7 }} & a very long name_of_a_class_that goes on",
    "unknown": "\u05e9\u05d1\u05d5\u05e8",
}
NAMES = (
    "\"><img src=x onerror='window.harmed = 1'> {}.jpeg",
    "{{{{ 7 * 7 }}}} {}.jpeg",
)


@pytest.fixture(scope="session")
def named(photos, tmp_path_factory) -> pd.DataFrame:
    """A few of the sample's photos under such names; two labels in V are wrong."""
    folder = tmp_path_factory.mktemp("named") / "image"
    folder.mkdir()
    some = photos[photos.damage_class.isin(CLASSES)]
    some = some.groupby(["damage_class", "subset"]).head(4).reset_index(drop=True)
    paths = []
    for number, path in enumerate(some.image_path):
        paths.append(folder / NAMES[number % 2].format(f"\u202e{number}"))
        shutil.copy(path, paths[-1])
    labels = some.damage_class.map(CLASSES)
    wrong, names = some.index[some.subset == "V"][:2], [*CLASSES.values()]
    labels[wrong] = labels[wrong].map(dict(zip(names, names[::-1], strict=True)))
    table = pd.DataFrame({"image_path": map(str, paths), "damage_class": labels})
    broken = folder / "broken.jpeg"
    broken.write_bytes(b"\xff\xd8\xff no photo")
    table["subset"] = some.subset
    table.loc[len(table)] = [str(broken), labels[0], "V"]
    return table.astype("str")


@pytest.fixture(scope="session")
def named_model(named, backbone, workspace):
    from carlib.training.options import RECOMMENDED
    from carlib.training.trainer import ImageClassificationTrainer

    options = {**RECOMMENDED, "l2": 0.1}
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, **options
    )
    return trainer.fit(named[named.subset == "T"])


@pytest.fixture(scope="session")
def path(named, named_model, tmp_path_factory):
    """The report's file."""
    output = tmp_path_factory.mktemp("report") / "report.html"
    return report(named_model, named, output, progress=False)


@pytest.fixture
def opened(browser, path):
    """Open the report, as on a screen of some width and colours."""
    pages = []

    def make(**options):
        pages.append(Opened(browser, path, **options))
        return pages[-1]

    yield make
    for each in pages:
        each.context.close()
