"""Muon beside AdamW: against torch's own optimizers, against the singular values, and inside the Trainer."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import run_folder_of

from recipe.model.bert import load_model
from recipe.model.muon import MuonAdamW, orthogonalized
from recipe.pretraining.run import make_trainer, pretrain

RATES = {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-6}


def parameters(seed: int, *shapes: tuple[int, ...]) -> list[torch.nn.Parameter]:
    torch.manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape) / 10) for shape in shapes]


def with_gradients(members: list[torch.nn.Parameter], seed: int) -> None:
    torch.manual_seed(seed)
    for each in members:
        each.grad = torch.randn_like(each)


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(1, 3),
    rows=st.integers(2, 40),
    columns=st.integers(2, 40),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    size=st.sampled_from([1e-4, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_large_singular_values_become_about_one_and_the_directions_stay(number, rows, columns, dtype, size, seed):
    """Those of a thousandth of the norm or less grow, but five iterations do not bring them to one."""
    torch.manual_seed(seed)
    matrices = size * torch.randn(number, rows, columns)
    found = orthogonalized(matrices, dtype)
    assert (found.shape, found.dtype) == (matrices.shape, matrices.dtype)
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    # Along the singular directions of the matrix the result is diagonal.
    along = u.mT @ found @ v.mT
    is_large = values > 0.05 * matrices.norm(dim=(1, 2))[:, None]
    diagonal = along.diagonal(dim1=1, dim2=2)
    assert ((diagonal > 0.6) & (diagonal < 1.3))[is_large].all()
    if dtype == torch.float32:
        assert (along - torch.diag_embed(diagonal)).abs().max() < 1e-2


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
def test_updates_are_those_of_torchs_muon_and_adamw():
    shapes = (24, 16), (16, 24), (24, 16), (16, 16), (40, 16), (16,)
    ours, theirs = parameters(0, *shapes), parameters(0, *shapes)
    decayed, spared = {"params": ours[:5], "weight_decay": 0.1}, {"params": ours[5:], "weight_decay": 0.0}
    optimizer = MuonAdamW([decayed, spared], ours[:4], torch.bfloat16, **RATES)
    muon = torch.optim.Muon(theirs[:4], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    groups = [{"params": theirs[4:5], "weight_decay": 0.1}, {"params": theirs[5:], "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, fused=True, **RATES)
    for step in range(5):
        with_gradients(ours, step)
        with_gradients(theirs, step)
        for each in (optimizer, muon, adamw):
            each.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("found_inf", [0.0, 1.0])
def test_found_inf_leaves_weights_and_moments_even_where_gradients_are_nan(found_inf):
    members = parameters(1, (8, 6), (6,))
    optimizer = MuonAdamW([{"params": members, "weight_decay": 0.1}], members[:1], torch.float32, **RATES)
    with_gradients(members, 0)
    optimizer.step()
    kept = [each.clone() for each in (*members, *_moments(optimizer))]
    for each in members:
        each.grad = torch.full_like(each, float("nan") if found_inf else 1.0)
    optimizer.found_inf = torch.tensor(found_inf)
    optimizer.step()
    assert all(map(torch.equal, kept, [*members, *_moments(optimizer)])) == bool(found_inf)


def test_a_scaled_gradient_is_the_gradient():
    plain, scaled = parameters(2, (8, 6), (6,)), parameters(2, (8, 6), (6,))
    optimizers = [
        MuonAdamW([{"params": each, "weight_decay": 0.1}], each[:1], torch.float32, **RATES)
        for each in (plain, scaled)
    ]
    # The scaler changes its scale. Under one scale alone a direction would not tell: its length does not matter.
    for step, scale in enumerate((1024.0, 2.0, 1024.0)):
        optimizers[1].grad_scale = torch.tensor(scale)
        with_gradients(plain, step)
        for one, other in zip(plain, scaled, strict=True):
            other.grad = scale * one.grad
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one, other)


def _moments(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [tensor for state in optimizer.state.values() for tensor in state.values()]


def test_muon_takes_the_matrices_of_the_encoder_and_nothing_else(prepared, corpus_file, tmp_path):
    overrides = {"training.optimizer": "muon", "training.weight_decay": "0.01"}
    trainer = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file, **overrides))
    groups = trainer.create_optimizer().param_groups
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    in_groups = [(names[id(each)], group) for group in groups for each in group["params"]]
    assert sorted(name for name, _ in in_groups) == sorted(names.values())
    for name, group in in_groups:
        is_norm_or_bias = "bias" in name or "LayerNorm" in name
        assert group["is_muon"] == ("encoder" in name and not is_norm_or_bias)
        assert group["weight_decay"] == (0 if is_norm_or_bias else 0.01)


def test_a_run_with_muon_learns_and_its_steps_are_logged(prepared, corpus_file, tmp_path):
    found = {}
    for name in ("adamw", "muon"):
        recipe = run_folder_of(prepared, tmp_path / name, corpus_file, **{"training.optimizer": name})
        pretrain(recipe)
        log = json.loads((recipe.folder / "training.json").read_text())["log_history"]
        found[name] = [line["mlm_loss"] for line in log if "loss" in line]
        assert torch.isfinite(load_model(recipe.folder / "model").bert.pooler.dense.weight).all()
    # The first loss is that of the initial weights.
    assert found["muon"][0] == found["adamw"][0]
    assert found["muon"][-1] != found["adamw"][-1]
