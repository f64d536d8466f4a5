"""On the real photos: what happens without the photos blamed is what was foretold."""

import numpy as np
import pytest

from carlib.data.locate import locate_data
from carlib.data.sources import as_sources
from carlib.data.table import load_index, split
from carlib.explain.blame import blame
from carlib.explain.representers import Representers
from carlib.explain.views import features_of
from tests.explain.models import fitted


@pytest.mark.slow
def test_training_again_without_the_five_moves_the_answer_as_foretold(
    real_photos, backbone, tmp_path
):
    train, validation = split(load_index(locate_data(real_photos, home=tmp_path)))
    train = train.reset_index(drop=True)
    asked = validation.sample(50, random_state=0)
    model = fitted(train, backbone, tmp_path, l2=0.03, epoch=100, batch_size=32)
    told = blame(model, asked, train, n=5, leave_out=True, progress=False)
    ground = Representers.of(model, train, progress=False)
    features = features_of(model, as_sources(asked), progress=False)
    happened = []
    for row, photo in enumerate(ground.blamed(features, range(len(asked)))):
        listed = told.table.loc[told.table["row"] == row, "image_path"]
        out = np.flatnonzero(train["image_path"].isin(listed))
        rest = ground.loss.without(np.concatenate([out, out + len(train)]))
        again, before = rest.optimum(ground.optimum), ground.optimum
        moved = photo.features @ (again.kernel - before.kernel)
        happened.append((moved + again.bias - before.bias)[photo.best])
    foretold = told.photos["left_out"] - told.photos["logit"]
    assert len(set(told.table["image_path"])) > 100
    assert np.corrcoef(foretold, happened)[0, 1] > 0.9
    assert np.polyfit(foretold, happened, 1)[0] == pytest.approx(1, abs=0.15)
