"""Heads on whole texts: batches with and without padding give one loss, and answers come back in the order of the
rows.
"""

import pytest
import torch
import transformers
from made_up_task import build_config, build_tokenizer

from recipe.model.dropout import set_dropout
from recipe.tasks.finetuning.collation import padded_texts, unpadded
from recipe.tasks.finetuning.heads import HEADS
from recipe.tasks.finetuning.inference import predict
from recipe.tasks.finetuning.sequence_classifier import BertForSequenceClassification
from recipe.tasks.types.task_type import Row

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = {
    "class": [0, 2, 1, 1, 0],
    "labels": [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "number": [0.5, 4.0, 2.5, 0.0, 1.0],
}


def models(head: str) -> tuple[transformers.BertForSequenceClassification, BertForSequenceClassification]:
    """The stock model and ours with the same weights, large enough that answers differ."""
    torch.manual_seed(0)
    changes = {
        "num_hidden_layers": 2,
        "initializer_range": 0.2,
        "num_labels": 1 if head == "number" else 3,
        "problem_type": HEADS[head].problem_type,
    }
    config = build_config(len(build_tokenizer()), **changes)
    ours = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        # Answers that lie around their mean differ from row to row.
        ours.classifier.bias -= ours(**unpadded(rows(head, True))).logits.mean(0)
    stock = transformers.BertForSequenceClassification(config)
    stock.load_state_dict(ours.state_dict())
    return stock.eval(), ours.eval()


def rows(head: str, is_pair: bool) -> list[Row]:
    found = []
    for number, (size, label) in enumerate(zip((9, 4, 12, 4, 7), LABELS[head], strict=True)):
        ids = [2, *((7 * number + 3 * place) % 15 + 4 for place in range(size - 2)), 3]
        found.append(Row(ids, [0], [label], [0] * 3 + [1] * (size - 3) if is_pair else []))
    return found


@pytest.mark.parametrize("is_pair", [False, True])
@pytest.mark.parametrize("head", LABELS)
def test_batches_without_padding_give_the_stock_models_loss_and_gradients(head, is_pair):
    stock, ours = models(head)
    for model in (stock, ours):
        set_dropout(model, 0.0)
    losses = [stock(**padded_texts(rows(head, is_pair), 0)).loss, ours(**unpadded(rows(head, is_pair))).loss]
    for loss in losses:
        loss.backward()
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-5)
    for (name, expected), found in zip(stock.named_parameters(), ours.parameters(), strict=True):
        assert torch.allclose(found.grad, expected.grad, atol=1e-5 * max(1.0, expected.grad.abs().max().item())), name


@pytest.mark.parametrize("head", LABELS)
def test_answers_do_not_depend_on_the_batch(head):
    stock, ours = models(head)
    for model in (stock, ours):
        logits = [
            stock(torch.tensor([row.input_ids]), token_type_ids=torch.tensor([row.token_type_ids])).logits[0]
            for row in rows(head, True)
        ]
        found = predict(model, rows(head, True), 0)
        if head == "class":
            assert found == [[int(one.argmax())] for one in logits]
            assert len({answer for (answer,) in found}) > 1, "a constant model would hide a mix-up of rows"
        elif head == "labels":
            assert found == [[[float(value > 0) for value in one]] for one in logits]
        else:
            assert [answer for (answer,) in found] == pytest.approx([one.item() for one in logits], abs=1e-5)


def test_segments_are_padded_with_the_first():
    batch = padded_texts(
        [Row([2, 5, 3, 6, 3], [0], [1], [0, 0, 0, 1, 1]), Row([2, 3, 3], [0], [0], [0, 0, 1])], pad_token_id=0
    )
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
