"""A program that uses carlib, for type checkers: they see what is right and wrong.

Nothing of it is run. `make lint` checks it by mypy and by basedpyright, to which a line
that is marked as an error and is none is an error, too.
"""

import numpy as np

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
pair: carlib.PairedComparison = metrics.compare(metrics, names=("old", "new"))
print(pair.verdict, pair.photos_needed, pair.p < 0.05, metrics.figures.loc["log_loss"])
carlib.plot_differences(pair).set_title("Points")
print(accuracy - low, high, carlib.ARCHS[0].lower(), carlib.__version__.split("."))
features = carlib.compute_bottlenecks(train, carlib.Backbone("InceptionV3"))
print(features.shape)
loaded = carlib.load_model(model.save("ImageModel.zip", metrics))
carlib.export(loaded, "exported", ["pb", "onnx"], photos=train)["pb"].exists()
carlib.plot_history(model).savefig("history.png")
found: carlib.Audit = carlib.audit(photos, decisions="labels.patch.csv")
carlib.plot_pairs(found, n=4).savefig("pairs.png")
unseen = carlib.split(photos, on_leak="drop")[1]
print(found.wrong, len(found.pairs), found.to_dict()["n"], len(unseen))
carlib.report(model, photos, "report.html", subset="all").exists()
carlib.clinic(photos, "clinic.html", decisions="labels.patch.csv").exists()
print(carlib.load_index("photos", patch="labels.patch.csv")["subset"])
worth: carlib.PatchWorth = carlib.patch_worth(photos, "labels.patch.csv")
print(worth.sentence, worth.after.macro_accuracy)
print(carlib.coverage(model.predict(validation)).threshold_for(0.05))
sure: carlib.Confidence | None = loaded.confidence
print(carlib.label_sets(loaded, model.predict(validation), alpha=0.05).sum(axis=1))
spent: carlib.Costs = carlib.costs(model.predict(validation), "costs.csv", 15.0)
print(spent.automatic, carlib.decide(loaded.predict("new"), "costs.csv", 15)["review"])
print(carlib.reliability(model.predict(validation)).error_by_chance)
if calibration := loaded.calibration:
    print(calibration.temperature, calibration.shift[0])
carlib.plot_reliability(model.predict(validation)).set_xlabel("said")
carlib.plot_coverage(model.predict(validation)).set_title("Sure or not sure")
checked: carlib.Check = carlib.check(loaded, validation, min_recalls={"a": 0.5})
print(checked.ok, checked.junit(), checked.gates[0].note, checked.table["got"])
proof: carlib.Proof = carlib.prove(loaded, photos)
print(proof.ok, [each.what for each in proof.differences])
curve: carlib.LearningCurve = carlib.learning_curve(photos, trainer, repeats=2)
foretold: carlib.Foretold = curve.foretell(40, of="bumper_scratch")
print(foretold.then - foretold.now, carlib.label_next(loaded, "new", 20)["margin"])
carlib.plot_learning_curve(curve, of="bumper_scratch").set_title("")
carlib.plot_learning_curves(curve)[0].set_title("")
drifted: bool = carlib.drift(loaded, "incoming").found
maps: carlib.ClassMaps = carlib.class_maps(model, validation, classes=["door_dent"])
carlib.plot_class_maps(maps, n=3).savefig("maps.png")
carlib.plot_layers(carlib.Backbone("auto"), "1.jpeg", n=4).savefig("layers.png")
carlib.plot_overfitting(features, train["damage_class"]).savefig("overfitting.png")
film: bytes = carlib.watch_overfitting(features, train["damage_class"], epochs=50).png
carlib.show_photos(train, 3, classes=["door_dent", "door_scratch"]).savefig("two.png")
blamed: carlib.Blame = carlib.blame(model, validation, train, n=3, leave_out=True)
print(maps.together().shape, blamed.sentence(0), blamed.table["share"].max())
print(carlib.nearest(model, ["photo.jpg"], train)["is_copy"].any())
ranked = carlib.worst_first(model.predict(validation))
print(carlib.list_answers(ranked, n=20))
near = carlib.nearest(model, ranked.head(3), train, n=3)
carlib.plot_nearest(near, ranked.head(3)).savefig("near.png")
carlib.plot_learning_rate(carlib.ExponentialLRDecay(), epochs=60).set_title("steps")
files: carlib.HandOver = carlib.take_up("workspace", "photos.csv")
files.add("trainer.json")
print(files["photos.csv"].name, carlib.short_report)
carlib.plot_feature_map(carlib.feature_map(model, photos), pictures=9).get_title()
print(loaded.predict_proba(["photo.jpg"]).shape, loaded.classes_[0])
classifier = carlib.ImageClassifier("A+B", l2="auto", workspace_path=None)
classifier.fit(train.image_path, train.damage_class).model_.save("ImageModel.zip")
print(classifier.predict(["photo.jpg"])[0], classifier.predict_proba(["a.jpg"]).max())
tuned: carlib.ImageClassificationModel = carlib.fine_tune(model, train, layers=7)
print(tuned.backbones[0].weights_name, tuned.history["accuracy"].max())
given = carlib.from_features(np.load("features.npy", mmap_mode="r"), ["a", "b"])
trained, _ = carlib.ImageClassificationTrainer(optimizer="lbfgs").train_head(given)
print(carlib.evaluate(trained.predictions(given)).log_loss)
print(carlib.write_html(model, "m.html").name, carlib.write_web(model, "page", train))
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
