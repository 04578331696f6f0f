"""Config -> BertForPreTraining that reads batches without padding; its checkpoints are standard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import BertConfig
from transformers.utils import ModelOutput

from recipe.config import ModelConfig
from recipe.errors import InputError
from recipe.model.layer import PretrainingHead, states_at, take_rows
from recipe.rng import torch_seed

# The numbers of `PreTrainingOutput.sums` in their order. They are sums, not means, since sums add up over batches and
# ranks: metrics are exact however the rows were split.
SUMS = ("mlm_loss", "masked_tokens", "mlm_correct", "nsp_loss", "pairs", "nsp_correct", "label_1", "label_1_correct")


@dataclass
class PreTrainingOutput(ModelOutput):
    """What a forward gives; logits over the vocabulary are not kept.

    loss: scalar, differentiable. sums: float64, shape (8,), named by `SUMS`, without gradient.
    mlm_predictions: int64, shape (masked tokens,), in the order of the tokens; None while training.
    nsp_predictions: int64, shape (rows,).
    """

    loss: torch.Tensor | None = None
    sums: torch.Tensor | None = None
    mlm_predictions: torch.Tensor | None = None
    nsp_predictions: torch.Tensor | None = None


# The name is that of the parent: `save_pretrained` writes it into config.json, where others need "BertForPreTraining".
class BertForPreTraining(transformers.BertForPreTraining):
    """The stock model with a forward for batches without padding, in which work that changes no number is left out."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        take_rows(self.bert)
        self.cls.predictions.__class__ = PretrainingHead

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        targets: torch.Tensor,
        masked_reads: torch.Tensor,
        first_reads: torch.Tensor,
        next_sentence_label: torch.Tensor,
        masked_tokens_in_step: torch.Tensor | None = None,
        pairs_in_step: torch.Tensor | None = None,
        **layout: Any,
    ) -> PreTrainingOutput:
        """Loss = sum of MLM cross-entropy / masked_tokens_in_step + sum of NSP cross-entropy / pairs_in_step.

        Args:
            input_ids, token_type_ids: int64, shape (tokens,). targets: what is predicted, shape (masked tokens,).
            masked_reads, first_reads: where masked tokens and the first token of each row stand among the tokens that
            are read, shapes (masked tokens,) and (rows,). next_sentence_label: shape (rows,). All int64.
            layout: what `recipe.model.layout.layout_of` makes.
            masked_tokens_in_step, pairs_in_step: counts over all micro-batches and ranks; None: of this batch.
        """
        # Nothing here waits for the device: no index is searched for, and no number is read.
        states = states_at(self.bert, input_ids, token_type_ids, **layout)
        pooled = self.bert.pooler(states.index_select(0, first_reads)[:, None])  # type: ignore[misc]
        masked_states = states.index_select(0, masked_reads)
        mlm_loss, mlm_correct, mlm_predictions = self.cls.predictions(masked_states, targets)
        pair_logits = self.cls.seq_relationship(pooled).float()
        nsp_loss = cross_entropy(pair_logits, next_sentence_label, reduction="sum")
        # A batch without any masked token has a loss of 0 / 1 instead of 0 / 0.
        masked_tokens = max(len(targets), 1) if masked_tokens_in_step is None else masked_tokens_in_step
        pairs = len(next_sentence_label) if pairs_in_step is None else pairs_in_step
        loss = mlm_loss / masked_tokens + nsp_loss / pairs
        with torch.no_grad():
            nsp_predictions = pair_logits.argmax(-1)
            is_right, label_1 = nsp_predictions == next_sentence_label, next_sentence_label == 1
            of_pairs = (nsp_loss, len(label_1), is_right.sum(), label_1.sum(), (is_right & label_1).sum())
            values = (mlm_loss, len(targets), mlm_correct, *of_pairs)
            sums = torch.stack(
                [
                    loss.new_full((), each, dtype=torch.float64) if isinstance(each, int) else each.double()
                    for each in values
                ]
            )
        return PreTrainingOutput(loss, sums, mlm_predictions, nsp_predictions)


def metrics_of(sums: torch.Tensor) -> dict[str, float]:
    """Means of added-up `PreTrainingOutput.sums`, losses in nats; a mean over nothing is left out.

    NSP accuracies are left out where all pairs have one label: a constant guess would have 100 %.
    """
    total = dict(zip(SUMS, sums.tolist(), strict=True))
    masked, pairs, label_1 = total["masked_tokens"], total["pairs"], total["label_1"]
    metrics: dict[str, float] = {}
    if masked:
        metrics |= {"mlm_loss": total["mlm_loss"] / masked, "mlm_accuracy": total["mlm_correct"] / masked}
    if pairs:
        metrics["nsp_loss"] = total["nsp_loss"] / pairs
    if 0 < label_1 < pairs:
        metrics["nsp_accuracy"] = total["nsp_correct"] / pairs
        # Balanced: the mean of both labels' recall, which a constant guess cannot raise above one half.
        recall_0 = (total["nsp_correct"] - total["label_1_correct"]) / (pairs - label_1)
        metrics["nsp_balanced_accuracy"] = (recall_0 + total["label_1_correct"] / label_1) / 2
    return metrics


def bert_config(model: ModelConfig, tokenizer_size: int, pad_token_id: int) -> BertConfig:
    """The BertConfig of a recipe.

    Raises:
        InputError: if the tokenizer has more entries than model.vocab_size.
    """
    # A multiple of 8 lets GPUs use their fast matrix products.
    vocab_size = model.vocab_size or -(-tokenizer_size // 8) * 8
    if tokenizer_size > vocab_size:
        raise InputError(
            f"model.vocab_size is {vocab_size}, but the tokenizer has {tokenizer_size} entries: some pieces would have"
            " no embedding; set it to null"
        )
    # Dropout goes into the config for fine-tuning; pretraining sets its own on the modules.
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    dropouts = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    return BertConfig(
        vocab_size=vocab_size,
        pad_token_id=pad_token_id,
        **{name: getattr(model, name) for name in (*names, *dropouts)},
    )


def fresh_model(config: BertConfig, seed: int, token_counts: np.ndarray | None = None) -> BertForPreTraining:
    """A model with a random initialisation that depends on `seed` only.

    Args:
        token_counts: shape (at most vocab_size,); the MLM head's bias starts at their log frequencies. None: zeros.
    """
    torch.manual_seed(torch_seed(seed, "initial weights"))
    model = BertForPreTraining(config)
    if token_counts is not None:
        take_unigrams(model, token_counts)
    return model


def take_unigrams(model: BertForPreTraining, token_counts: np.ndarray) -> None:
    """Let the bias of the MLM head be the log frequencies of the tokens: counts of shape (at most vocab_size,)."""
    # One more of each, so that a token that never occurs has a finite logarithm.
    frequencies = np.ones(model.config.vocab_size)
    frequencies[: len(token_counts)] += token_counts
    with torch.no_grad():
        model.cls.predictions.bias.copy_(torch.from_numpy(np.log(frequencies / frequencies.sum())))


def load_model(folder: Path) -> BertForPreTraining:
    """The model of a checkpoint folder.

    Raises:
        InputError: if the folder contains no BertForPreTraining that can be read.
    """
    try:
        return BertForPreTraining.from_pretrained(folder)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:150]
        raise InputError(f"{folder}: contains no checkpoint that loads ({why})") from None
