"""Name the damage in a photo of a car: transfer learning on cached bottlenecks.

Example:
    >>> import carlib
    >>> photos = carlib.load_index(carlib.locate_data())
    >>> train, validation = carlib.split(photos)
    >>> model = carlib.ImageClassificationTrainer(arch="auto").fit(train)
    >>> print(carlib.evaluate(model.predict(validation)))
    >>> model.save("ImageModel.zip")
"""

import importlib
from typing import Any

# Each public name and the module it lives in, loaded when first used: importing carlib
# takes milliseconds, and only what needs TensorFlow brings it in.
_HOME = {
    "ARCHS": "backbones",
    "AccuracyError": "errors",
    "ArchiveError": "errors",
    "Backbone": "backbones",
    "BottleneckMetrics": "training",
    "Bottlenecks": "transformer",
    "CarlibError": "errors",
    "Comparison": "comparing",
    "CrossValidation": "crossvalidation",
    "DataError": "errors",
    "EarlyStopping": "training",
    "EpochMetrics": "training",
    "ExponentialLRDecay": "schedules",
    "ExportError": "errors",
    "ImageClassificationModel": "model",
    "ImageClassificationTrainer": "training",
    "ImageError": "errors",
    "LsrDecay": "schedules",
    "Metrics": "evaluation",
    "OptionError": "errors",
    "PolynomialLRDecay": "schedules",
    "RECOMMENDED": "training",
    "WeightsError": "errors",
    "cache_info": "cache",
    "clear_cache": "cache",
    "compact_cache": "cache",
    "compare": "comparing",
    "compute_bottlenecks": "bottlenecks",
    "cross_validate": "crossvalidation",
    "evaluate": "evaluation",
    "export": "exporting",
    "load_index": "data",
    "load_model": "model",
    "locate_data": "data",
    "plot_class_balance": "plots",
    "plot_comparison": "comparisonplot",
    "plot_confusion": "plots",
    "plot_history": "plots",
    "require": "files",
    "resolve_arch": "backbones",
    "show_mistakes": "plots",
    "show_photos": "plots",
    "split": "data",
    "verify_cache": "cache",
}

__all__ = sorted([*_HOME, "__version__"])
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'carlib' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"carlib.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
