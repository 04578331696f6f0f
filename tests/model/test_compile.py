"""Compiled layers on real batches; slow, since a C++ compiler runs."""

import pytest
import torch
from conftest import small_recipe
from pretraining.test_trainer import NO_DROPOUT, history, run_folder_of

from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.pretraining.run import make_trainer, pretrain


def losses_of(recipe) -> list[float]:
    return [line[name] for line in history(recipe) for name in ("loss", "eval_mlm_loss") if name in line]


@pytest.mark.slow
@pytest.mark.parametrize("dropout", ["0", "0.1"])
def test_compiled_layers_are_compiled_once_a_width_and_give_the_same_losses(prepared, corpus_file, tmp_path, dropout):
    settings = {
        **NO_DROPOUT,
        "model.num_hidden_layers": "3",
        "training.dropout": dropout,
        "training.max_steps": "24",
        "training.eval_steps": "5",
    }
    plain = run_folder_of(prepared, tmp_path / "plain", corpus_file, **settings, **{"training.padding_free": "false"})
    compiled = run_folder_of(
        prepared, tmp_path / "compiled", corpus_file, **settings, **{"training.torch_compile": "true"}
    )
    pretrain(plain)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    pretrain(compiled)
    # pairs of up to 48 tokens in widths of 12, 24, 36 and 48
    assert 2 <= torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 4
    assert not torch._dynamo.utils.counters["graph_break"]
    if dropout == "0":
        assert losses_of(compiled) == pytest.approx(losses_of(plain), rel=1e-5)


def test_widths_are_quarters_of_the_longest(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.torch_compile": "true"})
    trainer = make_trainer(recipe)
    widths = {trainer.data_collator([row])["input_ids"].shape[1] for row in trainer.train_dataset}
    assert widths <= {12, 24, 36, 48}
    assert len(widths) > 1


def test_compiling_batches_without_padding_is_refused(corpus_file, tmp_path):
    with pytest.raises(InputError, match=r"training.torch_compile wants batches of few shapes"):
        small_recipe(
            corpus_file, tmp_path / "run", **{"training.torch_compile": "true", "training.padding_free": "true"}
        )


def test_schedule_shares_above_one_are_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("training: {lr_scheduler_type: warmup_stable_decay, warmup_share: 0.6, decay_share: 0.5}\n")
    with pytest.raises(InputError, match=r"training.warmup_share 0.6 and training.decay_share 0.5 exceed 1"):
        load_recipe(path)
