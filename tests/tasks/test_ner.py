"""Rows, batches, the choice of the epoch and scores of entity tasks, on a made-up task."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from conftest import SHARED
from made_up_task import (
    LABELS,
    SPECIALS,
    build_config,
    build_tokenizer,
    encode_sentences,
    made_up_sentences,
    write_checkpoint,
    write_task,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerFast, TrainerControl

from recipe.errors import InputError
from recipe.model.dropout import set_dropout
from recipe.tasks.data.columns import count_entities, read_sentences, read_task
from recipe.tasks.finetuning.collation import padded, unpadded
from recipe.tasks.finetuning.inference import batches_by_length, predict
from recipe.tasks.finetuning.settings import RunSettings
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification
from recipe.tasks.finetuning.training import (
    BestEpoch,
    Materials,
    new_model,
    prepare,
    score_split,
    train_once,
    training_arguments,
)
from recipe.tasks.types.ner import TASK_TYPE, EncodedSentences
from recipe.tasks.types.task_type import Row

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


@pytest.fixture(scope="module")
def config(tokenizer) -> BertConfig:
    return build_config(len(tokenizer))


@pytest.fixture(scope="module")
def task_folder(tmp_path_factory) -> Path:
    return write_task(tmp_path_factory.mktemp("made-up"))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_checkpoint(folder / "model")
    return folder


@pytest.fixture
def materials(run_folder, task_folder) -> Materials:
    return prepare(read_task(task_folder), TASK_TYPE, run_folder / "model", 12, use_cpu=True)


@pytest.mark.parametrize("max_seq_length", [8, 16])
def test_the_support_is_the_files_count_for_any_length(tokenizer, max_seq_length):
    sentences = made_up_sentences("test")
    split = encode_sentences(sentences, tokenizer, max_seq_length)
    assert len(split.windows) > len(sentences)
    assert max(len(window.input_ids) for window in split.windows) <= max_seq_length
    nothing = [[0] * len(window.words) for window in split.windows]
    support = count_entities(sentences)
    zero = {"precision": None, "recall": 0, "f1": 0, "support": support, "reason": "nothing was predicted"}
    unseen = {"recall": 0, "support": count_entities(sentences)}
    assert split.score(nothing) == {
        **zero,
        "per_type": {"Chemical": zero},
        "conlleval": zero,
        "seen": {"recall": None, "support": 0, "reason": "no gold entity is seen"},
        "unseen": unseen,
    }


def test_a_lost_gold_word_stops_the_run(tokenizer):
    split = encode_sentences(made_up_sentences("test"), tokenizer, 8)
    row, window = next((row, window) for row, window in zip(split.rows, split.windows, strict=True) if 1 in row.labels)
    row.labels[row.labels.index(1)] = 0
    predictions = [[0] * len(each.words) for each in split.windows]
    with pytest.raises(RuntimeError, match="gold entities"):
        split.score(predictions)
    index = split.windows.index(window)
    split.windows[index] = replace(window, words=window.words[1:], positions=window.positions[1:])
    predictions[index].pop()
    with pytest.raises(RuntimeError, match="never predicted"):
        split.score(predictions)


@pytest.fixture
def classifier(config) -> BertForTokenClassification:
    torch.manual_seed(0)
    return BertForTokenClassification(
        BertConfig(**{**config.to_dict(), "id2label": dict(enumerate(LABELS)), "num_hidden_layers": 2})
    ).eval()


def rows_of_the_test_split(tokenizer) -> list[Row]:
    return encode_sentences(made_up_sentences("test"), tokenizer, 10).rows


@pytest.mark.parametrize("stock", [False, True])
def test_predictions_do_not_depend_on_the_batch(tokenizer, classifier, stock):
    rows = rows_of_the_test_split(tokenizer)
    one_by_one = []
    for row in rows:
        logits = classifier(torch.tensor([row.input_ids])).logits[0]
        one_by_one.append([int(logits[position].argmax()) for position in row.positions])
    assert len({label for labels in one_by_one for label in labels}) > 1, (
        "a constant model would hide a mix-up of rows"
    )
    model = classifier
    if stock:
        model = transformers.BertForTokenClassification(classifier.config)
        model.load_state_dict(classifier.state_dict())
    assert predict(model, rows, 0) == one_by_one


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_batches_without_padding_give_the_stock_models_loss_and_gradients(tokenizer, classifier, dropout):
    rows = rows_of_the_test_split(tokenizer)[:9]
    stock = transformers.BertForTokenClassification(classifier.config)
    stock.load_state_dict(classifier.state_dict())
    set_dropout(classifier, dropout)
    losses = [
        model(**batch).loss for model, batch in ((stock.eval(), padded(rows, 0)), (classifier.eval(), unpadded(rows)))
    ]
    for loss in losses:
        loss.backward()
    assert losses[1].item() == pytest.approx(losses[0].item(), abs=1e-6)
    for (name, expected), found in zip(stock.named_parameters(), classifier.parameters(), strict=True):
        assert torch.allclose(found.grad, expected.grad, atol=1e-6), name
    if dropout:
        assert classifier.train()(**unpadded(rows)).loss.item() != pytest.approx(losses[1].item(), abs=1e-6), (
            "nothing is dropped while training"
        )


def test_weights_that_are_not_numbers_are_an_input_error(tokenizer, classifier):
    torch.nn.init.constant_(classifier.classifier.bias, math.nan)
    with pytest.raises(InputError, match=r"not finite"):
        predict(classifier, rows_of_the_test_split(tokenizer), 0)


def test_padding_is_attended_by_nothing_and_labelled_with_nothing():
    batch = padded([Row([2, 5, 3], [1], [1]), Row([2, 3], [], [])], pad_token_id=0)
    assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[-100, 1, -100], [-100, -100, -100]]


def test_rows_without_padding_come_one_after_the_other():
    batch = unpadded([Row([2, 5, 6, 3], [1, 2], [1, 2]), Row([2, 7, 3], [1], [0])])
    runs = batch.pop("runs")
    found = {name: tensor.tolist() for name, tensor in batch.items()}
    assert runs == [(1, 1, 3), (1, 2, 4)]
    assert found == {
        "input_ids": [2, 7, 3, 2, 5, 6, 3],
        "position_ids": [0, 1, 2, 0, 1, 2, 3],
        "cu_seq_lens": [0, 3, 7],
        "read_positions": [1, 4, 5],
        "read_cu_seq_lens": [0, 1, 3],
        "labels": [0, 1, 2],
    }


def test_batches_contain_rows_of_similar_length():
    lengths = [5, 2000, 3, 1800, 4000, 6000, 4]
    batches = list(batches_by_length(lengths))
    assert batches == [[2, 6, 0], [3, 1], [4], [5]]


def run_epochs(best: BestEpoch, epochs: int) -> int:
    """Let epochs end, each with other weights; gives the epoch after which the callback stopped the training, 0 if it
    did not.
    """
    model = torch.nn.Linear(1, 1)
    for epoch in range(1, epochs + 1):
        torch.nn.init.constant_(model.weight, epoch)
        control = TrainerControl()
        best.on_epoch_end(None, None, control, model=model)
        if control.should_training_stop:
            return epoch
    return 0


def test_the_first_best_epoch_is_kept_with_its_weights():
    scores = iter([0.5, 0.8, 0.8, 0.3])
    best = BestEpoch(lambda model: next(scores), None)
    assert run_epochs(best, 4) == 0
    assert (best.best_score, best.epoch, best.weights["weight"].item()) == (0.8, 2, 2)


def test_training_stops_after_the_patience():
    scores = iter([0.5, 0.4, 0.6, 0.6, 0.5, 0.9])
    best = BestEpoch(lambda model: next(scores), 2)
    assert run_epochs(best, 6) == 5
    assert (best.best_score, best.epoch) == (0.6, 3)


def test_the_weights_that_are_given_back_are_those_of_the_chosen_epoch(materials, monkeypatch):
    scores = iter([{"f1": 0.9}, {"f1": 0.1}])
    kept = []

    class Spied(BestEpoch):
        def on_epoch_end(self, *arguments, model=None, **kwargs):
            super().on_epoch_end(*arguments, model=model, **kwargs)
            kept.append(model.classifier.weight.detach().clone())

    monkeypatch.setattr(EncodedSentences, "score", lambda self, outputs: next(scores))
    monkeypatch.setattr("recipe.tasks.finetuning.training.BestEpoch", Spied)
    materials.splits["train"].rows = materials.splits["train"].rows[:40]
    trained = train_once(materials, RunSettings(learning_rate=1e-2, batch_size=16, num_train_epochs=2), True, 1)
    assert (trained.devel_score, trained.best_epoch, trained.epochs) == (0.9, 1, 2)
    assert torch.equal(trained.model.classifier.weight, kept[0])
    assert not torch.equal(kept[0], kept[1])


def test_the_pretrained_runs_start_from_the_checkpoint_and_the_others_do_not(materials):
    expected = BertForPreTraining.from_pretrained(materials.checkpoint).bert.state_dict()
    pretrained, fresh, fresh_again = (new_model(materials, start).bert.state_dict() for start in (True, False, False))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pretrained.items())
    query = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(fresh[query], expected[query])
    assert not torch.equal(fresh[query], fresh_again[query])


def test_a_seed_gives_the_same_scores_again(materials):
    settings = RunSettings(learning_rate=1e-2, batch_size=16, num_train_epochs=2)
    first, again, other = (train_once(materials, settings, True, seed) for seed in (7, 7, 8))
    tests = [score_split(materials, trained.model, "test") for trained in (first, again, other)]
    assert (first.devel_score, first.best_epoch, tests[0]) == (again.devel_score, again.best_epoch, tests[1])
    assert first.devel_score != other.devel_score
    assert tests[0] != tests[2]


def test_warm_up_is_a_number_of_steps_and_the_batch_is_the_recipes(tmp_path):
    settings = RunSettings(batch_size=16, num_train_epochs=3, warmup_share=1.0)
    arguments = training_arguments(settings, True, 100, 1, str(tmp_path))
    assert arguments.get_warmup_steps(21) == 21
    assert arguments.train_batch_size == 16


def test_a_checkpoint_without_encoder_weights_is_refused(task_folder, tmp_path, config, tokenizer):
    model = BertForPreTraining(config)
    weights = {name: tensor for name, tensor in model.state_dict().items() if "attention" not in name}
    model.save_pretrained(tmp_path / "model", state_dict=weights)
    tokenizer.save_pretrained(tmp_path / "model")
    materials = prepare(read_task(task_folder), TASK_TYPE, tmp_path / "model", 12, use_cpu=True)
    with pytest.raises(InputError, match="lacks the weights"):
        new_model(materials, True)


@pytest.mark.parametrize("max_seq_length", [32, 64, 128])
def test_all_entities_of_bc5_chem_are_scored_at_any_length(max_seq_length):
    path = SHARED / "data" / "tasks" / "BC5CDR-chem-IOB" / "test.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    sentences = read_sentences(path)[0]
    split = encode_sentences(sentences, letter_tokenizer(), max_seq_length)
    assert max(len(row.input_ids) for row in split.rows) == max_seq_length
    assert len(split.rows) > 2 * len(sentences) * 32 / max_seq_length
    scores = split.score([row.labels for row in split.rows])
    assert (scores["support"], scores["f1"], scores["conlleval"]["support"]) == (5385, 1.0, 5385)
    assert split.predictions([row.labels for row in split.rows]).count("\n") == sum(
        len(sentence.words) + 1 for sentence in sentences
    )


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """One piece per letter, so that nearly every sentence is longer than a window."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters)]
    rust = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    rust.normalizer, rust.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )
