import pytest
import torch
from laws import assert_share, trials_to_detect
from transformers import BertConfig, BertModel

from recipe.model.dropout import Dropout, drop, set_dropout


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_drops_the_share_and_keeps_the_mean(probability):
    trials = trials_to_detect(probability, wrong=probability + 0.01)
    torch.manual_seed(1)
    dropped = drop(torch.ones(trials), probability)
    assert_share(int((dropped == 0).sum()), trials, round(probability * 65536) / 65536)
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / (1 - probability), rel=1e-4)]


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 7), (0, 4)])
def test_any_shape_is_dropped_value_by_value(shape):
    values = torch.randn(shape, requires_grad=True)
    torch.manual_seed(2)
    dropped = drop(values, 0.5)
    dropped.sum().backward()
    torch.testing.assert_close(dropped, values * values.grad)
    assert set(values.grad.flatten().tolist()) <= {0.0, 2.0}


def test_neighbours_are_dropped_apart():
    """Four draws come from one 64-bit number: each pair of them is dropped together as often as chance has it."""
    trials = trials_to_detect(0.25, wrong=0.26)
    torch.manual_seed(3)
    gone = drop(torch.ones(trials, 4), 0.5) == 0
    for one in range(4):
        for other in range(one):
            assert_share(int((gone[:, one] & gone[:, other]).sum()), trials, 0.25)


def test_draws_follow_the_seed():
    torch.manual_seed(4)
    first = drop(torch.ones(1000), 0.5)
    torch.manual_seed(4)
    assert torch.equal(drop(torch.ones(1000), 0.5), first)
    assert not torch.equal(drop(torch.ones(1000), 0.5), first)


def test_a_whole_model_is_set_and_evaluates_without():
    model = BertModel(
        BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )
    set_dropout(model, 0.25)
    found = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert len(found) == 4
    assert all(isinstance(module, Dropout) and module.p == 0.25 for module in found)
    model.eval()
    ids = torch.arange(8)[None]
    assert torch.equal(model(ids)[0], model(ids)[0])
    model.train()
    assert not torch.equal(model(ids)[0], model(ids)[0])
