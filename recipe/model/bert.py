"""Config -> fresh BertForPreTraining whose MLM head runs at masked positions only; its checkpoints are standard."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertSelfAttention
from transformers.utils import ModelOutput

from recipe.config import ModelConfig
from recipe.errors import InputError
from recipe.model.attention import states_at
from recipe.model.cross_entropy import IGNORED, vocabulary_loss
from recipe.rng import torch_seed

# Order of the numbers in `PreTrainingOutput.sums`; over batches and ranks they add up, so that metrics are exact
# whatever the split.
SUMS = ("mlm_loss", "masked_tokens", "mlm_correct", "nsp_loss", "pairs", "nsp_correct", "label_1", "label_1_correct")


@dataclass
class PreTrainingOutput(ModelOutput):
    """loss: scalar, differentiable. sums: float64 of shape (8,), named by `SUMS`, without gradient. Logits of the
    vocabulary are not kept.
    """

    loss: torch.Tensor | None = None
    sums: torch.Tensor | None = None


class BertForPreTraining(transformers.BertForPreTraining):
    """The stock model with a forward that runs decoder and softmax at masked positions only (15 % of them) and sums
    instead of averaging.

    It has its parent's name because `save_pretrained` writes the name into config.json, where "BertForPreTraining" is
    what others can load.
    """

    # Both leave work out and change no number (`training.head_at_masked_places`,
    # `training.last_layer_for_read_places`).
    head_at_masked_places = True
    last_layer_for_read_places = True

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        labels: torch.Tensor,
        next_sentence_label: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        cu_seq_lens: torch.Tensor | None = None,
        masked_tokens_in_step: torch.Tensor | None = None,
        pairs_in_step: torch.Tensor | None = None,
    ) -> PreTrainingOutput:
        """Loss = sum of MLM cross-entropy / masked_tokens_in_step + sum of NSP cross-entropy / pairs_in_step.

        Args:
            input_ids, attention_mask, token_type_ids, labels: int64, shape (rows, tokens); labels -100 where nothing
                is predicted.
            next_sentence_label: int64, shape (rows,).
            cu_seq_lens: for a batch without padding, whose rows stand one behind the other in tensors of shape (1,
                tokens) without attention_mask: where each begins, and where the last one ends, shape (rows + 1,). Rows
                do not see each other.
            masked_tokens_in_step, pairs_in_step: counts over the whole optimizer step (all micro-batches and ranks);
                None: of this batch.
        """
        is_masked = labels != IGNORED
        is_predicted = is_masked if self.head_at_masked_places else torch.ones_like(is_masked)
        if cu_seq_lens is not None:
            states, pooled = self._states_without_padding(input_ids, token_type_ids, is_predicted, cu_seq_lens)
        elif attention_mask is None:
            raise ValueError("a padded batch needs attention_mask, one without padding cu_seq_lens")
        elif self.last_layer_for_read_places:
            states, pooled = self._states_at_read_places(input_ids, attention_mask, token_type_ids, is_predicted)
        else:
            hidden, pooled = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[:2]
            states = hidden[is_predicted]
        mlm_loss, mlm_right = self._mlm_sums(states, labels[is_predicted])
        pair_logits = self.cls.seq_relationship(pooled).float()
        nsp_loss = cross_entropy(pair_logits, next_sentence_label, reduction="sum")
        # A batch without any masked token has a loss of 0 / 1 instead of 0 / 0.
        masked_tokens = is_masked.sum().clamp(min=1) if masked_tokens_in_step is None else masked_tokens_in_step
        pairs = len(next_sentence_label) if pairs_in_step is None else pairs_in_step
        with torch.no_grad():
            is_right = pair_logits.argmax(-1) == next_sentence_label
            label_1 = next_sentence_label == 1
            counts = (mlm_loss, is_masked.sum(), mlm_right)
            counts_of_pairs = (
                nsp_loss,
                torch.tensor(len(label_1)),
                is_right.sum(),
                label_1.sum(),
                (is_right & label_1).sum(),
            )
            sums = torch.stack([count.double().to(pooled.device) for count in (*counts, *counts_of_pairs)])
        return PreTrainingOutput(loss=mlm_loss / masked_tokens + nsp_loss / pairs, sums=sums)

    def _mlm_sums(self, states: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy at places that have a target, and at how many of them the best guess is right."""
        head = self.cls.predictions
        if self.head_at_masked_places:
            return vocabulary_loss(head.transform(states), head.decoder.weight, head.decoder.bias, targets)
        logits = head(states).float()
        return (
            cross_entropy(logits, targets, reduction="sum", ignore_index=IGNORED),
            (logits.argmax(-1) == targets).sum(),
        )

    def _states_at_read_places(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        is_masked: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Last hidden states at the masked places, shape (masked tokens, hidden), and the pooled ones at [CLS], shape
        (rows, hidden).

        The last layer runs for the queries that a head reads; keys and values are those of all tokens, so the result
        is exact.
        """
        hidden = self.bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        mask = attention_mask[:, None, None, :].bool().expand(-1, 1, input_ids.shape[1], -1)
        *layers, last = self.bert.encoder.layer
        for layer in layers:
            hidden = layer(hidden, mask)
        is_read = is_masked.clone()
        is_read[:, 0] = True
        # Rows read unlike numbers of places: the first `most` columns of a stable sort hold a row's read places, then
        # others, which are dropped.
        most = int(is_read.sum(1).max())
        places = torch.argsort(is_read.int(), dim=1, descending=True, stable=True)[:, :most]
        queries = hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[2]))
        attended = _attend(last.attention.self, queries, hidden, mask[:, :, :most])
        states = last.feed_forward_chunk(last.attention.output(attended, queries))
        return states[is_masked.gather(1, places)], self.bert.pooler(states)  # type: ignore[misc]

    def _states_without_padding(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, is_masked: torch.Tensor, cu_seq_lens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_states_at_read_places`, for rows that stand one behind the other: no layer touches a padding token."""
        is_first = torch.zeros_like(is_masked[0])
        is_first[cu_seq_lens[:-1]] = True
        is_read = is_masked[0] | is_first if self.last_layer_for_read_places else torch.ones_like(is_first)
        states = states_at(self.bert, cu_seq_lens, is_read, input_ids, token_type_ids)
        return states[is_masked[0][is_read]], self.bert.pooler(states[is_first[is_read]][:, None])  # type: ignore[misc]


def _attend(
    attention: BertSelfAttention, queries: torch.Tensor, hidden: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Attention of some places, shape (rows, places, hidden), to all tokens, by the modules of a stock
    BertSelfAttention.
    """

    def heads(states: torch.Tensor) -> torch.Tensor:
        return states.view(*states.shape[:2], attention.num_attention_heads, -1).transpose(1, 2)

    dropout = attention.dropout.p if attention.training else 0.0
    query, key, value = heads(attention.query(queries)), heads(attention.key(hidden)), heads(attention.value(hidden))
    return scaled_dot_product_attention(query, key, value, mask, dropout).transpose(1, 2).flatten(2)


def metrics_of(sums: torch.Tensor) -> dict[str, float]:
    """Means of added-up `PreTrainingOutput.sums`; nats for the losses. nsp_balanced_accuracy is the mean over both
    labels of the share that is right.
    """
    total = dict(zip(SUMS, sums.tolist(), strict=True))
    masked, pairs = max(total["masked_tokens"], 1), max(total["pairs"], 1)
    label_0, label_0_correct = pairs - total["label_1"], total["nsp_correct"] - total["label_1_correct"]
    recalls = [
        right / number
        for right, number in ((label_0_correct, label_0), (total["label_1_correct"], total["label_1"]))
        if number
    ]
    return {
        "mlm_loss": total["mlm_loss"] / masked,
        "nsp_loss": total["nsp_loss"] / pairs,
        "mlm_accuracy": total["mlm_correct"] / masked,
        "nsp_accuracy": total["nsp_correct"] / pairs,
        "nsp_balanced_accuracy": sum(recalls) / max(len(recalls), 1),
    }


def bert_config(model: ModelConfig, tokenizer_size: int, pad_token_id: int) -> BertConfig:
    """The BertConfig of a recipe; the vocabulary is rounded up to a multiple of 8 unless model.vocab_size says
    otherwise.

    Raises:
        InputError: if the tokenizer has more entries than model.vocab_size.
    """
    vocab_size = model.vocab_size or -(-tokenizer_size // 8) * 8
    if tokenizer_size > vocab_size:
        raise InputError(
            f"model.vocab_size is {vocab_size}, but the tokenizer has {tokenizer_size} entries: some pieces would have"
            " no embedding; set it to null"
        )
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    dropouts = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    return BertConfig(
        vocab_size=vocab_size,
        pad_token_id=pad_token_id,
        **{name: getattr(model, name) for name in (*names, *dropouts)},
    )


def fresh_model(config: BertConfig, seed: int, token_counts: np.ndarray | None = None) -> BertForPreTraining:
    """A model with random weights that depend on `seed` only.

    Args:
        token_counts: shape (at most vocab_size,); if given, the MLM head's bias starts at the log frequencies
            (add-one), as if it knew the unigrams.
    """
    torch.manual_seed(torch_seed(seed, "initial weights"))
    model = BertForPreTraining(config)
    if token_counts is not None:
        frequencies = np.ones(config.vocab_size)
        frequencies[: len(token_counts)] += token_counts
        with torch.no_grad():
            model.cls.predictions.bias.copy_(torch.from_numpy(np.log(frequencies / frequencies.sum())))
    return model


def load_model(folder: Path) -> BertForPreTraining:
    """The model of a checkpoint folder.

    Raises:
        InputError: if the folder holds no BertForPreTraining that can be read.
    """
    try:
        return BertForPreTraining.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no checkpoint that loads ({' '.join(str(error).split())[:150]})") from None


def compile_layers(model: BertForPreTraining) -> None:
    """Let torch compile the layers, each shape of a batch once; they share what is compiled.

    The last layer stays as it is, since the places that it is asked for differ in number from batch to batch.
    """
    for layer in model.bert.encoder.layer[:-1]:
        layer.compile(dynamic=False)
