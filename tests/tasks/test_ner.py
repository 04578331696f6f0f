"""Fine-tuning end to end on a made-up task whose entities are a fixed list of words, so that a right program must
learn it.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from conftest import SHARED
from made_up_task import (
    LABELS,
    SENTENCES,
    SPECIALS,
    build_config,
    build_tokenizer,
    made_up_sentences,
    write_checkpoint,
    write_task,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    PreTrainedTokenizerFast,
    TrainerControl,
)

from recipe.config import Recipe, TaskConfig, TrainingConfig
from recipe.errors import InputError
from recipe.model.dropout import set_dropout
from recipe.tasks.data.columns import count_entities, read_sentences
from recipe.tasks.finetuning.collation import padded, unpadded
from recipe.tasks.finetuning.inference import batches_by_length, predict
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification
from recipe.tasks.finetuning.training import BestEpoch, _arguments, new_model
from recipe.tasks.stage import _prepare, finetune_task, run_once, summarize_runs
from recipe.tasks.types.ner import EncodedSentences, encode_sentences
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
def recipe(run_folder, task_folder) -> Recipe:
    task = TaskConfig(
        data=str(task_folder), max_seq_length=12, learning_rate=1e-2, batch_size=16, num_train_epochs=6, seeds=[1, 2]
    )
    return Recipe(run_dir=str(run_folder), task=task, training=TrainingConfig(use_cpu=True))


def test_a_learnable_task_is_learned_and_everything_is_written(recipe, task_folder, capsys):
    finetune_task(recipe)
    folder = recipe.folder / "task"
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["models"]["pretrained"]["f1_mean"] > 0.9
    _assert_schema(scores, recipe, task_folder)
    _assert_predictions_agree(folder / "predictions.tsv", scores)
    _assert_saved_model_is_the_best(folder, scores)
    printed = capsys.readouterr()
    lines = printed.out.strip().split("\n")
    assert len(lines) == 5, lines
    assert lines[0].startswith(f"{task_folder.name}: 160 / 24 / 30 sentences")
    assert "{" not in printed.out
    assert "classifier" not in printed.err


def _assert_schema(scores: dict, recipe: Recipe, task_folder: Path) -> None:
    keys = ["task", "metric", "labels", "support", "sentences", "models", "settings"]
    assert list(scores) == keys
    assert scores["task"] == task_folder.name
    assert scores["labels"] == ["O", "B-Chemical", "I-Chemical"]
    assert scores["support"] == {name: count_entities(made_up_sentences(name)) for name in ("devel", "test")}
    assert scores["sentences"] == SENTENCES
    assert scores["settings"] == recipe.settings("task")
    assert list(scores["models"]) == ["pretrained", "random_weights"]
    for model in scores["models"].values():
        assert list(model) == ["f1_mean", "f1_std", "precision_mean", "recall_mean", "runs"]
        assert [run["seed"] for run in model["runs"]] == recipe.task.seeds
        for run in model["runs"]:
            assert list(run)[:7] == ["seed", "f1", "precision", "recall", "devel_f1", "best_epoch", "seconds"]
            assert run["seen"]["support"] + run["unseen"]["support"] == scores["support"]["test"]
            assert 0 <= run["f1"] <= 1
            assert 1 <= run["best_epoch"] <= 6


def _assert_predictions_agree(path: Path, scores: dict) -> None:
    blocks = [
        [line.split("\t") for line in block.split("\n") if line]
        for block in path.read_text(encoding="utf-8").split("\n\n")
        if block.strip("\n")
    ]
    gold = made_up_sentences("test")
    assert [[row[0] for row in block] for block in blocks] == [sentence.words for sentence in gold]
    assert [[row[1] for row in block] for block in blocks] == [sentence.tags for sentence in gold]
    best = max(scores["models"]["pretrained"]["runs"], key=lambda run: run["devel_f1"])
    assert _slow_f1([[row[1] for row in b] for b in blocks], [[row[2] for row in b] for b in blocks]) == pytest.approx(
        best["f1"]
    )


def _slow_f1(gold: list[list[str]], predicted: list[list[str]]) -> float:
    found = [_entities(gold), _entities(predicted)]
    right = len(found[0] & found[1])
    return 2 * right / (len(found[0]) + len(found[1]))


def _entities(sentences: list[list[str]]) -> set:
    entities = set()
    for number, tags in enumerate(sentences):
        for start, tag in enumerate(tags):
            if tag[0] == "B":
                stop = start + 1
                while stop < len(tags) and tags[stop] == "I" + tag[1:]:
                    stop += 1
                entities.add((number, start, stop, tag))
    return entities


def _assert_saved_model_is_the_best(folder: Path, scores: dict) -> None:
    model = AutoModelForTokenClassification.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert model.config.id2label == {0: "O", 1: "B-Chemical", 2: "I-Chemical"}
    assert model.config.label2id == {"O": 0, "B-Chemical": 1, "I-Chemical": 2}
    split = encode_sentences(made_up_sentences("test"), tokenizer, 12, scores["labels"], set())
    best = max(scores["models"]["pretrained"]["runs"], key=lambda run: run["devel_f1"])
    assert split.score(predict(model, split.rows, 0))["f1"] == pytest.approx(best["f1"])


@pytest.mark.parametrize("max_seq_length", [8, 16])
def test_the_support_is_the_files_count_for_any_length(tokenizer, max_seq_length):
    sentences = made_up_sentences("test")
    split = encode_sentences(sentences, tokenizer, max_seq_length, LABELS, set())
    assert len(split.windows) > len(sentences)
    assert max(len(window.input_ids) for window in split.windows) <= max_seq_length
    nothing = [[0] * len(window.words) for window in split.windows]
    zero = {"precision": 0, "recall": 0, "f1": 0, "support": count_entities(sentences)}
    unseen = {"recall": 0, "support": count_entities(sentences)}
    assert split.score(nothing) == {
        **zero,
        "per_type": {"Chemical": zero},
        "conlleval": zero,
        "seen": {"recall": 0, "support": 0},
        "unseen": unseen,
    }


def test_a_lost_gold_word_stops_the_run(tokenizer):
    split = encode_sentences(made_up_sentences("test"), tokenizer, 8, LABELS, set())
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
        BertConfig(**{**config.to_dict(), "num_labels": 3, "num_hidden_layers": 2})
    ).eval()


def rows_of_the_test_split(tokenizer) -> list[Row]:
    return encode_sentences(made_up_sentences("test"), tokenizer, 10, LABELS, set()).rows


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


def test_rows_without_padding_stand_one_behind_the_other():
    batch = unpadded([Row([2, 5, 6, 3], [1, 2], [1, 2]), Row([2, 7, 3], [1], [0])])
    found = {name: tensor.tolist() for name, tensor in batch.items()}
    assert found == {
        "input_ids": [[2, 7, 3, 2, 5, 6, 3]],
        "cu_seq_lens": [0, 3, 7],
        "reads": [1, 4, 5],
        "labels": [0, 1, 2],
    }


def test_batches_hold_rows_of_like_length():
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


def test_the_scored_weights_are_those_of_the_chosen_epoch(recipe, monkeypatch):
    rest = {"conlleval": {}, "per_type": {}, "seen": {}, "unseen": {}}
    scores = iter([{"f1": 0.9}, {"f1": 0.1}, {"f1": 0.5, "precision": 0.5, "recall": 0.5, **rest}])
    kept = []

    class Spied(BestEpoch):
        def on_epoch_end(self, *arguments, model=None, **kwargs):
            super().on_epoch_end(*arguments, model=model, **kwargs)
            kept.append(model.classifier.weight.detach().clone())

    monkeypatch.setattr(EncodedSentences, "score", lambda self, outputs: next(scores))
    monkeypatch.setattr("recipe.tasks.finetuning.training.BestEpoch", Spied)
    recipe = replace(recipe, task=replace(recipe.task, num_train_epochs=2, max_train_sentences=40))
    run = run_once(_prepare(recipe)[1], recipe.task, True, 1)
    assert (run.scores["devel_f1"], run.scores["best_epoch"], run.scores["f1"]) == (0.9, 1, 0.5)
    assert torch.equal(run.trained.model.classifier.weight, kept[0])
    assert not torch.equal(kept[0], kept[1])


def test_a_part_of_an_epoch_is_scored_too(recipe):
    recipe = replace(
        recipe,
        task=replace(
            recipe.task,
            num_train_epochs=0.5,
            seeds=[3],
            compare_random_weights=False,
            max_train_sentences=40,
            max_test_sentences=5,
        ),
    )
    finetune_task(recipe)
    scores = json.loads((recipe.folder / "task" / "scores.json").read_text())
    assert list(scores["models"]) == ["pretrained"]
    assert scores["models"]["pretrained"]["runs"][0]["best_epoch"] == 1
    assert scores["sentences"] == {"train": 40, "devel": 24, "test": 5}
    assert scores["support"]["test"] == count_entities(made_up_sentences("test")[:5])


def test_the_pretrained_runs_start_from_the_checkpoint_and_the_others_do_not(recipe):
    _, materials = _prepare(recipe)
    expected = BertForPreTraining.from_pretrained(recipe.folder / "model").bert.state_dict()
    pretrained, fresh, fresh_again = (new_model(materials, kind).bert.state_dict() for kind in (True, False, False))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pretrained.items())
    query = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(fresh[query], expected[query])
    assert not torch.equal(fresh[query], fresh_again[query])


def test_a_seed_gives_the_same_scores_again(recipe):
    recipe = replace(
        recipe, task=replace(recipe.task, num_train_epochs=2, seeds=[7, 7, 8], compare_random_weights=False)
    )
    finetune_task(recipe)
    first, again, other = json.loads((recipe.folder / "task" / "scores.json").read_text())["models"]["pretrained"][
        "runs"
    ]
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert (first["f1"], first["devel_f1"]) != (other["f1"], other["devel_f1"])


def test_warm_up_is_a_number_of_steps_and_the_batch_is_the_recipes(tmp_path):
    config = TaskConfig(batch_size=16, num_train_epochs=3, warmup_share=1.0)
    arguments = _arguments(config, True, 100, 1, str(tmp_path))
    assert arguments.get_warmup_steps(21) == 21
    assert arguments.train_batch_size == 16


def test_means_and_sample_deviation_of_the_runs():
    runs = [{"f1": 0.5, "precision": 0.4, "recall": 0.6}, {"f1": 0.7, "precision": 0.6, "recall": 0.8}]
    summary = summarize_runs(runs)
    assert [summary[name] for name in ("f1_mean", "precision_mean", "recall_mean")] == pytest.approx([0.6, 0.5, 0.7])
    assert summary["f1_std"] == pytest.approx(0.2 / math.sqrt(2))
    assert summarize_runs(runs[:1])["f1_std"] == 0.0


def test_what_is_missing_is_named(recipe, tmp_path):
    with pytest.raises(InputError, match=r"set task\.data"):
        finetune_task(replace(recipe, task=replace(recipe.task, data=None)))
    with pytest.raises(InputError, match=r"run scripts/pretrain\.py first"):
        finetune_task(replace(recipe, run_dir=str(tmp_path)))
    with pytest.raises(InputError, match=r"lower max_seq_length"):
        finetune_task(replace(recipe, task=replace(recipe.task, max_seq_length=64)))


def test_a_checkpoint_without_encoder_weights_is_refused(recipe, tmp_path, config, tokenizer):
    model = BertForPreTraining(config)
    weights = {name: tensor for name, tensor in model.state_dict().items() if "attention" not in name}
    model.save_pretrained(tmp_path / "model", state_dict=weights)
    tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="lacks the weights"):
        finetune_task(replace(recipe, run_dir=str(tmp_path)))


def test_several_processes_are_refused(recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one process"):
        finetune_task(recipe)


@pytest.mark.parametrize("max_seq_length", [32, 64, 128])
def test_all_entities_of_bc5_chem_are_scored_at_any_length(max_seq_length):
    path = SHARED / "data" / "tasks" / "BC5CDR-chem-IOB" / "test.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    sentences = read_sentences(path)[0]
    split = encode_sentences(sentences, letter_tokenizer(), max_seq_length, LABELS, set())
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
