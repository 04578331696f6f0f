import copy
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, pipeline

from recipe.config import ModelConfig
from recipe.errors import InputError
from recipe.model.bert import SUMS, BertForPreTraining, bert_config, fresh_model, load_model, metrics_of
from recipe.model.dropout import set_dropout
from recipe.pretraining.masking import flat_batch

SMALL = ModelConfig(
    num_hidden_layers=2, hidden_size=32, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64
)


def batch_of(rows: int = 6, tokens: int = 20, vocabulary: int = 96) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    lengths = torch.randint(5, tokens + 1, (rows, 1))
    filled = torch.arange(tokens) < lengths
    labels = torch.where(filled & (torch.rand(rows, tokens) < 0.3), torch.randint(vocabulary, (rows, tokens)), -100)
    return {
        "input_ids": torch.randint(vocabulary, (rows, tokens)) * filled,
        "attention_mask": filled.long(),
        "token_type_ids": (torch.arange(tokens) > 8).long().expand(rows, tokens) * filled,
        "labels": labels,
        "next_sentence_label": torch.randint(2, (rows,)),
    }


@pytest.fixture
def model() -> BertForPreTraining:
    return fresh_model(bert_config(SMALL, 90, 0), seed=1)


def without_padding(batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    filled = batch["attention_mask"].bool()
    flat = (batch[name][filled].numpy() for name in ("input_ids", "token_type_ids", "labels"))
    return flat_batch(*flat, filled.sum(1).numpy(), batch["next_sentence_label"].numpy())


def test_loss_and_every_gradient_equal_the_stock_model(model):
    stock = transformers.BertForPreTraining(model.config)
    stock.load_state_dict(model.state_dict())
    set_dropout(model, 0.0)
    set_dropout(stock, 0.0)
    model.train(), stock.train()
    batch = batch_of()
    batch["labels"][0, 0], batch["labels"][1, 1:] = 5, -100  # a masked first token, and a row that reads [CLS] only
    ours, theirs = model(**without_padding(batch)), stock(**batch)
    assert ours.loss.item() == pytest.approx(theirs.loss.item(), abs=1e-5)
    ours.loss.backward()
    theirs.loss.backward()
    gradients = dict(stock.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, atol=1e-6, rtol=1e-5, msg=name)


def test_rows_of_one_length_are_taken_in_one_go_and_do_not_see_each_other(model):
    batch = batch_of()
    batch["attention_mask"][1:4] = (torch.arange(20) < 11).long()
    batch["labels"][1:4, 11:] = -100
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(**without_padding(batch)).loss, stock_loss(model, batch))


def stock_loss(model: BertForPreTraining, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return transformers.BertForPreTraining.forward(model, **batch).loss


def test_dropout_reaches_attention_without_padding(model):
    set_dropout(model, 0.0)
    for layer in model.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.5
    model.train()
    batch = without_padding(batch_of())
    assert model(**batch).loss.item() != model(**batch).loss.item()


def test_sums_are_counted_apart(model):
    batch = batch_of()
    model.eval()
    with torch.no_grad():
        outputs = model(**without_padding(batch))
        sums = dict(zip(SUMS, outputs.sums.tolist(), strict=True))
        logits = transformers.BertForPreTraining.forward(
            model, batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
        )
    is_masked = batch["labels"] >= 0
    assert sums["masked_tokens"] == is_masked.sum()
    assert sums["mlm_correct"] == (logits.prediction_logits.argmax(-1) == batch["labels"])[is_masked].sum()
    nsp_right = logits.seq_relationship_logits.argmax(-1) == batch["next_sentence_label"]
    assert (sums["pairs"], sums["nsp_correct"], sums["label_1"]) == (
        6,
        nsp_right.sum(),
        batch["next_sentence_label"].sum(),
    )
    # The collator puts the shortest rows first.
    assert sorted(outputs.mlm_predictions.tolist()) == sorted(logits.prediction_logits.argmax(-1)[is_masked].tolist())
    assert outputs.nsp_predictions.sum() == logits.seq_relationship_logits.argmax(-1).sum()
    assert sums["label_1_correct"] == (nsp_right & (batch["next_sentence_label"] == 1)).sum()


def test_a_batch_without_masked_tokens_has_a_finite_loss(model):
    batch = batch_of()
    batch["labels"].fill_(-100)
    loss = model(**without_padding(batch)).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


def test_balanced_accuracy_does_not_reward_the_more_frequent_label():
    sums = torch.tensor([0, 0, 0, 0, 100, 80, 80, 80], dtype=torch.float64)  # always says 1, which is right 80 times
    metrics = metrics_of(sums)
    assert (metrics["nsp_accuracy"], metrics["nsp_balanced_accuracy"]) == (0.8, 0.5)


def test_weights_follow_the_seed():
    config = bert_config(SMALL, 90, 0)
    first, again, other = (fresh_model(config, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(
        first["bert.embeddings.word_embeddings.weight"], other["bert.embeddings.word_embeddings.weight"]
    )


def test_unigram_bias_predicts_the_frequencies():
    counts = np.array([0, 5, 10, 85])
    model = fresh_model(
        BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8),
        1,
        counts,
    )
    shares = model.cls.predictions.decoder.bias.exp()
    assert shares.sum().item() == pytest.approx(1.0)
    assert shares[3].item() == pytest.approx(86 / 108)


def test_vocabulary_is_rounded_up_and_never_too_small():
    assert bert_config(SMALL, 8193, 0).vocab_size == 8200
    assert bert_config(ModelConfig(vocab_size=30528), 30522, 0).vocab_size == 30528
    with pytest.raises(InputError, match="tokenizer has 30522"):
        bert_config(ModelConfig(vocab_size=30000), 30522, 0)


def test_dropout_of_pretraining_is_not_in_config_json(model, tmp_path):
    set_dropout(model, 0.0)
    model.save_pretrained(tmp_path)
    assert transformers.BertConfig.from_pretrained(tmp_path).hidden_dropout_prob == 0.1
    model.train()
    batch = without_padding(batch_of())
    assert torch.equal(model(**batch).loss, model(**batch).loss)


def test_checkpoint_holds_only_standard_parameters(trained):
    folder = trained.folder / "model"
    config = transformers.AutoConfig.from_pretrained(folder)
    assert config.architectures == ["BertForPreTraining"]
    loaded, report = transformers.BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    ours = load_model(folder)
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_checkpoint_loads_as_other_users_load_it(trained):
    folder = trained.folder / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    masked_lm, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    encoded = tokenizer("abc [MASK]", return_tensors="pt")
    ours = load_model(folder)
    hidden = ours.bert(**encoded)[0]
    torch.testing.assert_close(masked_lm(**encoded).logits, ours.cls.predictions(hidden))
    assert AutoModel.from_pretrained(folder).config.hidden_size == 32
    best = pipeline("fill-mask", model=str(folder), tokenizer=str(folder))("abc [MASK] def")
    assert len(best) == 5
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_a_folder_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="contains no checkpoint"):
        load_model(tmp_path)


def test_stock_state_is_not_shared(model):
    assert (
        copy.deepcopy(model).state_dict().keys() == transformers.BertForPreTraining(model.config).state_dict().keys()
    )
