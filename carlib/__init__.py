"""Name the damage in a photo of a car: transfer learning on cached bottlenecks.

Example:
    >>> import carlib
    >>> photos = carlib.load_index(carlib.locate_data())
    >>> train, test = carlib.split(photos)
    >>> model = carlib.ImageClassificationTrainer(arch="auto").fit(train)
    >>> print(carlib.evaluate(model.predict(test)))
    >>> model.save("ImageModel.zip")
"""

import lazy_loader

# The public names stand in __init__.pyi, where type checkers see them. Each is loaded
# when first used: importing carlib takes milliseconds, and only what needs TensorFlow
# brings it in.
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*__all__, "__version__"])
__version__ = "0.1.0"


def __dir__() -> list[str]:
    return __all__
