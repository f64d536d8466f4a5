"""What a notebook shows of an object."""

import dataclasses

import carlib
from carlib.display import LONGEST, card
from carlib.training.options import TrainingOptions


def test_a_card_shows_what_there_is_and_nothing_of_it_is_markup():
    made = card("A <b>", {"x": "<script>", "n": 0, "none": None, "empty": ""})
    assert "<caption" in made and "A &lt;b&gt;" in made
    assert "&lt;script&gt;" in made and "<script>" not in made
    assert made.count("<tr>") == 2 and ">0<" in made


def test_a_long_value_is_cut_and_one_line():
    made = card("A", {"x": "long\n" * 99})
    assert "\n" not in made and "…" in made and len(made) < 3 * LONGEST + 200


def test_a_model_shows_what_it_is_and_how_good_it_was(trained):
    shown = trained._repr_html_()
    assert "EfficientNetLite0" in shown and "8: bumper_dent, " in shown
    assert "micro-accuracy" not in shown
    metrics = {"micro_accuracy": 0.8444, "n": 180}
    judged = dataclasses.replace(trained, metrics=metrics)
    assert "0.844 on 180 photos" in judged._repr_html_()
    odd = dataclasses.replace(trained, metrics={"micro_accuracy": "<b>"})
    assert "<b>" not in odd._repr_html_()


def test_a_trainer_shows_the_options_that_are_not_the_defaults(trainer):
    shown = trainer(epoch=7, l2=0.03)._repr_html_()
    assert "EfficientNetLite0" in shown
    assert ">epoch<" in shown and ">7<" in shown and ">0.03<" in shown
    assert "batch_size" not in shown


def test_options_that_are_all_the_defaults_say_so():
    assert "the defaults" in TrainingOptions()._repr_html_()
    assert repr(TrainingOptions()) == "TrainingOptions()"


def test_a_trainer_always_shows_its_network_and_where_it_works():
    shown = carlib.ImageClassificationTrainer()._repr_html_()
    assert "InceptionV3" in shown and "workspace_path" in shown


def test_an_option_that_is_none_by_choice_is_shown():
    shown = TrainingOptions(early_stopping=None)._repr_html_()
    assert ">early_stopping<" in shown and ">None<" in shown


def test_a_printed_trainer_is_a_line_and_not_all_its_options():
    trainer = carlib.ImageClassificationTrainer(
        arch="auto",
        early_stopping=carlib.EarlyStopping(patience=5),
        learning_rate_scheduler=carlib.ExponentialLRDecay(learning_rate=0.02),
        metrics_callback=print,
    )
    assert repr(trainer) == (
        "ImageClassificationTrainer(arch='auto', workspace_path='workspace', "
        "learning_rate_scheduler=ExponentialLRDecay(learning_rate=0.02), "
        "early_stopping=EarlyStopping(patience=5), metrics_callback=print)"
    )
    heard = dataclasses.replace(trainer, metrics_callback=carlib.short_report)
    assert " at 0x" not in repr(heard) + heard._repr_html_()
