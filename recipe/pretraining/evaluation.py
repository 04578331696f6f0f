"""The stage "evaluate": RUN/model on all validation pairs, next to a baseline that knows only token frequencies."""

import logging
from collections.abc import Iterator, Sequence

import datasets
import evaluate as metrics
import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import write_json
from recipe.formatting import percent
from recipe.model.bert import SUMS, BertForPreTraining, load_model, metrics_of
from recipe.model.cross_entropy import IGNORED
from recipe.pairs.dataset import load_pairs
from recipe.pretraining.masking import DataCollatorForPreTraining
from recipe.pretraining.rows import PairRows
from recipe.pretraining.run import make_collator
from recipe.pretraining.trainer import evaluation_sums
from recipe.tokens.store import open_token_store, token_counts

EXAMPLES = 4
GUESSES = 5
ROWS_PER_BATCH = 32


def evaluate(recipe: Recipe) -> None:
    """Score RUN/model on every validation pair and write RUN/evaluation.json, with some pairs and the best guesses.

    Raises:
        InputError: if there is no model or no pairs.
    """
    if not (recipe.folder / "model" / "config.json").is_file():
        raise InputError(f"{recipe.folder / 'model'}: no model here; run `domain-bert pretrain` first")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    tokenizer = AutoTokenizer.from_pretrained(recipe.folder / "model")
    rows = PairRows(load_pairs(recipe)["validation"])
    device = torch.device("cuda" if torch.cuda.is_available() and not recipe.training.use_cpu else "cpu")
    model = load_model(recipe.folder / "model")
    model.to(device)  # type: ignore[arg-type]
    labels, mlm_predictions, pair_labels, nsp_predictions = [], [], [], []

    def keep(batch: dict, outputs) -> None:
        labels.append(batch["targets"].numpy())
        mlm_predictions.append(outputs.mlm_predictions.cpu().numpy())
        pair_labels.append(batch["next_sentence_label"].numpy())
        nsp_predictions.append(outputs.nsp_predictions.cpu().numpy())

    number = -(-len(rows) // ROWS_PER_BATCH)
    unpadded = _batches(rows, make_collator(recipe, tokenizer, for_validation=True))
    batches = tqdm(unpadded, desc="evaluate: batches", total=number, unit=" batches", disable=None)
    sums = evaluation_sums(model, batches, device, keep)
    total = dict(zip(SUMS, sums.tolist(), strict=True))
    losses = metrics_of(sums)
    targets = np.concatenate(labels)
    if not len(targets):
        raise InputError(f"{recipe.folder / 'pairs'}: no token of the validation pairs can be masked; all are [UNK]")
    masked = MaskedLMMetric().compute(predictions=np.concatenate(mlm_predictions), references=targets)
    pairs = NextSentenceMetric().compute(
        predictions=np.concatenate(nsp_predictions), references=np.concatenate(pair_labels)
    )
    counts = token_counts(open_token_store(recipe.folder / "store" / "train"), model.config.vocab_size)
    # The examples go through the stock forward, which knows rows with padding only.
    padded = make_collator(recipe, tokenizer, padding_free=False, for_validation=True)
    shown = np.unique(np.linspace(0, len(rows) - 1, EXAMPLES).astype(int)).tolist()
    result = {
        "mlm_loss": losses["mlm_loss"],
        "nsp_loss": losses["nsp_loss"],
        "mlm_accuracy": masked["accuracy"],
        "nsp_accuracy": pairs["accuracy"],
        "nsp_balanced_accuracy": pairs["balanced_accuracy"],
        "perplexity": float(np.exp(losses["mlm_loss"])),
        "unigram_cross_entropy": unigram_cross_entropy(targets, counts),
        "masked_tokens": int(total["masked_tokens"]),
        "pairs": int(total["pairs"]),
        "label_1_share": pairs["share_of_label_1"],
        "examples": [example_of(model, tokenizer, padded, rows[(0, index)]) for index in shown],
    }
    write_json(recipe.folder / "evaluation.json", result)
    balanced = percent(result["nsp_balanced_accuracy"])
    if result["nsp_balanced_accuracy"] is None:
        balanced += f" (all pairs have label {result['label_1_share']:.0f})"
    print(
        f"evaluate: {result['pairs']:,} validation pairs: MLM loss {result['mlm_loss']:.3f} nats (token frequencies"
        f" alone: {result['unigram_cross_entropy']:.3f}), accuracy {percent(result['mlm_accuracy'])}; NSP balanced"
        f" accuracy {balanced}"
    )


def unigram_cross_entropy(labels: np.ndarray, counts: np.ndarray) -> float:
    """Mean cross-entropy in nats of predicting each label from the training tokens' frequencies (add-one)."""
    frequencies = counts + 1.0
    return float(-np.log(frequencies / frequencies.sum())[labels].mean())


@torch.no_grad()
def example_of(
    model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, collator: DataCollatorForPreTraining, row: dict
) -> dict:
    """A pair before and after masking, with the model's best guesses at each masked position and on the pair.

    Args:
        collator: one that pads, since the stock forward is used.
    """
    batch = collator([row])
    inputs = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask", "token_type_ids")}
    hidden, pooled = model.bert(**inputs)[:2]
    positions = torch.nonzero(batch["labels"][0] != IGNORED).flatten()
    probabilities = model.cls.predictions(hidden[0, positions.to(model.device)]).softmax(-1)[:, : len(tokenizer)]
    best = probabilities.topk(GUESSES)
    guesses = {
        str(position): [
            [tokenizer.convert_ids_to_tokens(int(token)), float(share)]
            for token, share in zip(tokens, shares, strict=True)
        ]
        for position, tokens, shares in zip(positions.tolist(), best.indices, best.values, strict=True)
    }
    return {
        "label": int(row["next_sentence_label"]),
        "predicted_label": int(model.cls.seq_relationship(pooled).argmax()),
        "tokens": tokenizer.convert_ids_to_tokens(row["input_ids"].tolist()),
        "masked": tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist()),
        "guesses": guesses,
    }


def _batches(rows: PairRows, collator: DataCollatorForPreTraining) -> Iterator[dict]:
    # The longest first: what does not fit into memory fails at once.
    order = (-rows.lengths()).argsort(kind="stable")
    for start in range(0, len(order), ROWS_PER_BATCH):
        yield collator(rows.__getitems__([(0, int(index)) for index in order[start : start + ROWS_PER_BATCH]]))


class _LabelMetric(metrics.Metric):
    """Base of the metrics over one integer label per item."""

    def __init__(self, **arguments) -> None:
        # In memory: by default the library writes every score to a cache folder of the user.
        super().__init__(**{"keep_in_memory": True, **arguments})

    def _info(self) -> metrics.MetricInfo:
        label = datasets.Value("int64")
        features = datasets.Features({"predictions": label, "references": label})
        return metrics.MetricInfo(description=self.__doc__ or "", citation="", features=features)


class MaskedLMMetric(_LabelMetric):
    """Accuracy at masked tokens.

    `compute(predictions, references)` takes one token id per token, both of shape (tokens,), and returns {"accuracy":
    0..1}; references of -100 (not masked) do not count.

    Raises:
        ValueError: if no token counts, or if the two are not equally many.
    """

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        predicted, expected = np.asarray(predictions), np.asarray(references)
        # As a batch has them: labels of all tokens, -100 where nothing is predicted.
        masked = expected != IGNORED
        if not masked.any():
            raise ValueError(
                f"found no masked token among {len(expected)}: every reference is {IGNORED}, so there is nothing"
                " to score"
            )
        return {"accuracy": float((predicted == expected)[masked].mean())}


class NextSentenceMetric(_LabelMetric):
    """Accuracy at next-sentence labels (0: B follows A, 1: B is random text).

    `compute(predictions, references)` takes one label per pair, both of shape (pairs,), and returns
    - "accuracy": share of pairs that are right, to be judged against max(share_of_label_1, 1 - share_of_label_1);
    - "balanced_accuracy": mean of the recall of both labels, 0.5 for a constant guess;
    - "share_of_label_1": share of pairs whose reference is 1. Where it is 0 or 1 both accuracies are None: a constant
      guess would have 100 %.

    Raises:
        ValueError: if there is no pair, if a reference is neither 0 nor 1, or if the two are not equally many.
    """

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float | None]:
        predicted, expected = np.asarray(predictions), np.asarray(references)
        if not len(expected) or not np.isin(expected, (0, 1)).all():
            raise ValueError(
                f"found next-sentence labels {sorted(set(expected.tolist()))}; at least one pair is needed, and each"
                " label is 0 or 1"
            )
        share, right = float(expected.mean()), predicted == expected
        if share in (0, 1):
            return {"accuracy": None, "balanced_accuracy": None, "share_of_label_1": share}
        recalls = [right[expected == label].mean() for label in (0, 1)]
        return {
            "accuracy": float(right.mean()),
            "balanced_accuracy": float(np.mean(recalls)),
            "share_of_label_1": share,
        }
