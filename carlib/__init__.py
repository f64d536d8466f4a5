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
    "ARCHS": "backbones.architectures",
    "AccuracyError": "errors",
    "ArchiveError": "errors",
    "Backbone": "backbones.backbone",
    "BottleneckMetrics": "training.progress",
    "Bottlenecks": "bottlenecks.transformer",
    "CarlibError": "errors",
    "Comparison": "evaluation.compare",
    "CrossValidation": "evaluation.cross_validation",
    "DataError": "errors",
    "EarlyStopping": "training.early_stopping",
    "EpochMetrics": "training.progress",
    "ExponentialLRDecay": "training.schedules",
    "ExportError": "errors",
    "ImageClassificationModel": "model.model",
    "ImageClassificationTrainer": "training.trainer",
    "ImageError": "errors",
    "LsrDecay": "training.schedules",
    "Metrics": "evaluation.metrics",
    "OptionError": "errors",
    "PolynomialLRDecay": "training.schedules",
    "RECOMMENDED": "training.options",
    "TrainingOptions": "training.options",
    "WeightsError": "errors",
    "cache_info": "bottlenecks.cache",
    "clear_cache": "bottlenecks.cache",
    "compact_cache": "bottlenecks.cache",
    "compare": "evaluation.compare",
    "compute_bottlenecks": "bottlenecks.extract",
    "cross_validate": "evaluation.cross_validation",
    "evaluate": "evaluation.evaluate",
    "export": "model.export",
    "load_index": "data.table",
    "load_model": "model.model",
    "locate_data": "data.locate",
    "plot_class_balance": "plots.charts",
    "plot_comparison": "plots.comparison",
    "plot_confusion": "plots.charts",
    "plot_history": "plots.charts",
    "require": "messages",
    "resolve_arch": "backbones.backbone",
    "show_mistakes": "plots.photos",
    "show_photos": "plots.photos",
    "split": "data.table",
    "verify_cache": "bottlenecks.cache",
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
