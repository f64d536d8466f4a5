"""A program that uses carlib, for type checkers: they see what is right and wrong.

Nothing of it is run. `make lint` checks it by mypy and by basedpyright, to which a line
that is marked as an error and is none is an error, too.
"""

import carlib

photos = carlib.load_index(carlib.locate_data())
train, validation = carlib.split(photos)
trainer = carlib.ImageClassificationTrainer(arch="auto", **carlib.RECOMMENDED)
fewer = carlib.ImageClassificationTrainer(**{**carlib.RECOMMENDED, "epoch": 3})
options = carlib.TrainingOptions(early_stopping=carlib.EarlyStopping("loss"), l2="auto")
comparison: carlib.Comparison = carlib.compare(photos, ["A", ["A", "B"]], options)

model: carlib.ImageClassificationModel = trainer.fit(train, validation)
metrics: carlib.Metrics = carlib.evaluate(model.predict(validation))
accuracy: float = metrics.micro_accuracy
low, high = metrics.micro_interval
print(accuracy - low, high, carlib.ARCHS[0].lower(), carlib.__version__.split("."))
features = carlib.compute_bottlenecks(train, carlib.Backbone("InceptionV3"))
print(features.shape)
loaded = carlib.load_model(model.save("ImageModel.zip", metrics))
carlib.export(loaded, "exported", formats=["pb"])["pb"].exists()
carlib.plot_history(model).savefig("history.png")
try:
    loaded.predict(["photo.jpg"], on_error="skip")
except carlib.ImageError as error:
    print(error.problems)

carlib.nope()  # type: ignore[attr-defined]
carlib.ImageClassificationTrainer(epochs=3)  # type: ignore[call-arg]
carlib.TrainingOptions(augment="flop")  # type: ignore[arg-type]
carlib.load_index()  # type: ignore[call-arg]
metrics.accuracy  # type: ignore[attr-defined]  # noqa: B018
options.epoch = 3  # type: ignore[misc]
