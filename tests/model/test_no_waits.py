"""A step computes without the host waiting for the device, and its parts compile into programs for any batch."""

from typing import Any

import numpy as np
import pytest
import torch
from waits import Waits

from recipe.config import ModelConfig
from recipe.model import attention, bert, layer
from recipe.model.bert import BertForPreTraining, bert_config, fresh_model
from recipe.model.dropout import set_dropout
from recipe.model.layer import compile_parts
from recipe.model.layout import to_device
from recipe.pretraining.masking import flat_batch

SMALL = ModelConfig(
    num_hidden_layers=2, hidden_size=32, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64
)


def batch_of(seed: int, rows: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 40, rows)
    ids = rng.integers(5, 90, lengths.sum())
    labels = np.where(rng.random(len(ids)) < 0.2, ids, -100)
    return flat_batch(ids, (ids > 40).astype(np.int64), labels, lengths, rng.integers(0, 2, rows))


def waits_of_a_step(monkeypatch, kernel: str) -> list[str]:
    """What a forward and backward pass on a device without numbers would wait for."""
    monkeypatch.setattr(attention, "kernel_for", lambda *_: attention.KERNELS[kernel])
    model = fresh_model(bert_config(SMALL, 90, 0), seed=1).to("meta")
    model.tie_weights()
    set_dropout(model, 0.1)
    model.train()
    counts = torch.tensor(30), torch.tensor(12)
    batch = to_device(batch_of(1), torch.device("meta"))
    with Waits() as waits:
        outputs = model(**batch, masked_tokens_in_step=counts[0], pairs_in_step=counts[1])
        outputs.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    return waits.found


@pytest.mark.parametrize("kernel", ["flash", "efficient"])
def test_the_host_waits_for_nothing(monkeypatch, kernel):
    assert waits_of_a_step(monkeypatch, kernel) == []


def test_a_position_that_is_searched_for_on_the_device_is_found_by_the_test(monkeypatch):
    states_at = layer.states_at

    def with_flags(*arguments: Any, **layout: Any) -> torch.Tensor:
        states = states_at(*arguments, **layout)
        return states[torch.ones(len(states), dtype=torch.bool, device=states.device)]

    monkeypatch.setattr(bert, "states_at", with_flags)
    with pytest.raises(Exception, match=r"meta|nonzero|bool"):
        assert waits_of_a_step(monkeypatch, "efficient") == []


def test_a_number_that_is_sent_to_the_device_is_found_by_the_test(monkeypatch):
    with Waits() as waits:
        torch.tensor(3).to("meta")
    assert waits.found == ["copy to meta"]


@pytest.mark.slow
def test_compiled_parts_serve_all_layers_and_batches_of_any_size():
    """torch.compile on the CPU: no break in a graph (fullgraph raises), two programs at most, the same loss."""
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    plain, compiled = (fresh_model(bert_config(SMALL, 90, 0), seed=1) for _ in range(2))
    counter = CompileCounterWithBackend("inductor")
    compile_parts(compiled.bert, compiled.cls.predictions, backend=counter)
    for model in (plain, compiled):
        set_dropout(model, 0.0)
        model.train()
    for seed in range(20):
        losses = [both(model, batch_of(seed, 2 + seed % 7)) for model in (plain, compiled)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    # Embeddings, before attention (of all tokens, and in the last layer of some), after it, head; no empty ones.
    programs = [graph for graph in counter.graphs if any(node.op.startswith("call") for node in graph.graph.nodes)]
    assert len(programs) == 5


def both(model: BertForPreTraining, batch: dict[str, Any]) -> float:
    loss = model(**batch).loss
    loss.backward()
    return loss.item()
