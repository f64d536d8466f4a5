"""A map of photos: what looks alike to the backbones lies side by side."""

import numpy as np
import pandas as pd

from carlib.data.sources import as_sources
from carlib.errors import DataError
from carlib.explain.views import features_of, mean_of_views, training_labels
from carlib.model.model import ImageClassificationModel

LEAST = 10  # photos; fewer make no map
COMPONENTS = 50  # of the features, that t-SNE starts from
PERPLEXITY = 30  # how many neighbours a photo is to keep


def feature_map(
    model: ImageClassificationModel, photos: pd.DataFrame, *, progress: bool = True
) -> pd.DataFrame:
    """Lay photos out on a plane by their features: t-SNE after PCA, scikit-learn's.

    Near is alike; how far groups are apart means nothing. The same photos give the same
    map. 1,210 photos take some 8 seconds.

    Args:
        model: Whose backbones look.
        photos: Ten or more, with the columns image_path and damage_class.
        progress: Show a bar where features must be computed.

    Returns:
        The photos' own columns, x and y.

    Raises:
        DataError: There are fewer photos, or a column is missing.
        ImageError: Photos that can't be read, all of them at once.

    Example:
        >>> carlib.plot_feature_map(carlib.feature_map(model, photos));
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    training_labels(photos)
    if len(photos) < LEAST:
        raise DataError(
            f"Expected {LEAST} photos or more to make a map of. Received: {len(photos)}"
        )
    seen = mean_of_views(features_of(model, as_sources(photos), progress))
    fewest = min(COMPONENTS, *seen.shape)
    layout = TSNE(
        perplexity=min(PERPLEXITY, len(photos) / 4), init="pca", random_state=0
    )
    with threadpool_limits(1):  # of several threads, who comes first changes the sums
        components = PCA(fewest, random_state=0)
        standard = components.fit_transform(StandardScaler().fit_transform(seen))
        places = layout.fit_transform(standard.astype(np.float32))
    return photos.assign(x=places[:, 0], y=places[:, 1])
