"""float32 or bfloat16: as the recipe says, else what the device is faster in, and never another one after a resume."""

import dataclasses

import pytest
import torch
from small_run import run_folder_of

from recipe.config import Recipe, TrainingConfig
from recipe.pretraining import precision
from recipe.pretraining.checkpoints import recorded_precision
from recipe.pretraining.precision import BFLOAT16, FLOAT32, bfloat16_gain, precision_of
from recipe.pretraining.run import checkpoint_folder, make_trainer, pretrain


def recipe_with(**changes: object) -> Recipe:
    return Recipe(training=TrainingConfig(use_cpu=True, **changes))


@pytest.mark.parametrize(("gain", "expected"), [(2.1, BFLOAT16), (1.2, FLOAT32), (0.3, FLOAT32)])
def test_null_takes_what_is_measurably_faster(monkeypatch, tmp_path, capsys, gain, expected):
    monkeypatch.setattr(precision, "bfloat16_gain", lambda *_: gain)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    assert precision_of(recipe_with(), tmp_path) == expected
    assert f"bfloat16 is {gain:.2f} x as fast as float32, so {expected} is used" in capsys.readouterr().out


def test_a_cpu_without_bfloat16_is_not_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "bfloat16_gain", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert precision_of(recipe_with(), tmp_path) == FLOAT32


@pytest.mark.parametrize(("wanted", "expected"), [(True, BFLOAT16), (False, FLOAT32)])
def test_what_the_recipe_says_counts(monkeypatch, tmp_path, wanted, expected):
    monkeypatch.setattr(precision, "bfloat16_gain", lambda *_: pytest.fail("it was measured"))
    assert precision_of(recipe_with(bf16=wanted), tmp_path) == expected


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), BFLOAT16), ((8, 0), BFLOAT16), ((7, 5), FLOAT32)])
def test_a_gpu_that_has_bfloat16_takes_it(monkeypatch, tmp_path, capability, expected):
    monkeypatch.setattr(precision, "_has_gpu", lambda recipe: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert precision_of(recipe_with(), tmp_path) == expected


def test_the_measurement_is_a_ratio_of_times():
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}
    small = dataclasses.replace(Recipe().model, hidden_size=16, intermediate_size=32, **sizes)
    assert bfloat16_gain(small, 100) == 1.0, "it is too short"
    large = dataclasses.replace(small, hidden_size=512, intermediate_size=2048)
    assert 0 < bfloat16_gain(large, 500) != 1.0


def test_a_run_that_goes_on_stays_in_its_precision(prepared, corpus_file, tmp_path, monkeypatch):
    """Also on a machine that would choose another one."""
    gains = iter([5.0, 0.1])
    monkeypatch.setattr(precision, "bfloat16_gain", lambda *_: next(gains))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.bf16": "null"})
    assert recipe.training.bf16 is None
    pretrain(recipe)
    assert recorded_precision(checkpoint_folder(recipe)) == BFLOAT16
    assert precision_of(recipe, checkpoint_folder(recipe)) == BFLOAT16
    assert precision_of(recipe, tmp_path) == FLOAT32


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU would be used")
def test_a_machine_without_a_gpu_trains_in_bfloat16_without_being_told_to_stay_on_its_cpu(
    prepared, corpus_file, tmp_path
):
    changes = {"training.bf16": "true", "training.use_cpu": "false"}
    arguments = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file, **changes)).args
    assert (arguments.bf16, arguments.device.type) == (True, "cpu")
