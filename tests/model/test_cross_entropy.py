import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from recipe.model import cross_entropy as module
from recipe.model.cross_entropy import vocabulary_loss


def inputs_of(tokens: int, vocabulary: int = 50, hidden: int = 8) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(tokens)
    states, weight, bias = torch.randn(tokens, hidden), torch.randn(vocabulary, hidden), torch.randn(vocabulary)
    return *(values.requires_grad_() for values in (states, weight, bias)), torch.randint(vocabulary, (tokens,))


@pytest.mark.parametrize("tokens", [1, 7, 127, 128, 129, 300])
def test_loss_gradients_and_hits_are_those_of_all_logits_at_once(tokens):
    states, weight, bias, targets = inputs_of(tokens)
    logits = linear(states, weight, bias)
    (cross_entropy(logits, targets, reduction="sum") / 7).backward()
    expected = [values.grad.clone() for values in (states, weight, bias)]
    for values in (states, weight, bias):
        values.grad = None
    loss, right, predictions = vocabulary_loss(states, weight, bias, targets)
    assert predictions is None, "argmax is slow, and nobody reads it while training"
    (loss / 7).backward()
    assert loss.item() == pytest.approx(cross_entropy(logits, targets, reduction="sum").item(), rel=1e-6)
    assert right == (logits.argmax(-1) == targets).sum()
    for values, gradient in zip((states, weight, bias), expected, strict=True):
        torch.testing.assert_close(values.grad, gradient, atol=1e-5, rtol=1e-5)


def test_no_token_has_no_loss_and_no_gradient():
    states, weight, bias, targets = inputs_of(0)
    loss, right, _ = vocabulary_loss(states, weight, bias, targets)
    loss.backward()
    assert (loss.item(), right.item(), weight.grad.abs().sum().item()) == (0, 0, 0)


def test_huge_logits_neither_overflow_nor_vanish():
    states, weight, bias, targets = inputs_of(20)
    with torch.no_grad():
        states.mul_(1000)
    loss, *_ = vocabulary_loss(states, weight, bias, targets)
    loss.backward()
    assert loss.item() == pytest.approx(
        cross_entropy(linear(states, weight, bias), targets, reduction="sum").item(), rel=1e-6
    )
    assert torch.isfinite(states.grad).all()


def test_without_gradients_none_are_computed(monkeypatch):
    monkeypatch.setattr(module, "_add_gradients", None)
    states, weight, bias, targets = inputs_of(20)
    with torch.no_grad():
        loss, right, predictions = vocabulary_loss(states, weight, bias, targets)
    assert not loss.requires_grad
    assert torch.equal(predictions, linear(states, weight, bias).argmax(-1))
    assert right == (predictions == targets).sum()


def test_a_tie_of_all_logits_is_no_hit_but_for_the_first():
    targets = torch.arange(4)
    _, right, _ = vocabulary_loss(torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4), targets)
    assert right == 1
