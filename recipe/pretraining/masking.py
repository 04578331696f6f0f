"""Rows -> masked batch. The mask is a pure function of (seed, epoch, row id), whatever the batch, worker or rank."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from recipe.model.cross_entropy import IGNORED
from recipe.model.layout import bounds_of, layout_of
from recipe.rng import derive_key, random_below, random_bits

REPLACEMENT_BITS = 24
DRAW_BITS = 28
NUMBER_BITS = 16
RANDOM_PIECE = 1


@dataclass(frozen=True)
class MaskingRules:
    """What masking needs to know of vocabulary and settings.

    starts_word: bool, shape (vocabulary,), False for ## pieces.
    special: sorted ids that are never masked and never drawn.
    max_predictions_per_seq: most tokens of a row that are predicted; None: no limit.
    """

    starts_word: np.ndarray
    special: np.ndarray
    mask_token_id: int
    mlm_probability: float = 0.15
    whole_word_mask: bool = True
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    max_predictions_per_seq: int | None = None
    seed: int = 1

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> "MaskingRules":
        """The rules for a WordPiece tokenizer; settings: the other fields."""
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        starts_word = np.array([not piece.startswith("##") for piece in pieces])
        # [UNK] is one of them: BERT predicts it, but a model that answers "unknown" has learned nothing of the text.
        added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        special = np.array(sorted({*tokenizer.all_special_ids, *added}))
        return cls(starts_word, special, tokenizer.mask_token_id, **settings)

    @cached_property
    def is_special(self) -> np.ndarray:
        """Bool, shape (vocabulary,)."""
        found = np.zeros(len(self.starts_word), bool)
        found[self.special] = True
        return found

    @cached_property
    def key(self) -> int:
        """Where the draws start."""
        return derive_key(self.seed, "masking")


def mask_rows(
    tokens: np.ndarray, lengths: np.ndarray, row_ids: np.ndarray, epoch: np.ndarray | int, rules: MaskingRules
) -> tuple[np.ndarray, np.ndarray]:
    """Mask rows that lie one after another in a flat array.

    Per row, words (or pieces) are chosen until their tokens are nearest to mlm_probability of all tokens that are not
    special; at least one word is. Of the chosen words, mask_replace_prob become [MASK] and random_replace_prob become
    random pieces that are not special.

    Args:
        tokens: ids, shape (total,). lengths, row_ids: shape (rows,). epoch: one number, or one per row.

    Returns:
        masked ids, and labels (the id where it is to be predicted, else -100); int64, shape (total,).
    """
    masked = tokens.astype(np.int64)
    labels = np.full(len(masked), IGNORED)
    words = _Words.of(masked, lengths, rules)
    row_keys = random_bits(rules.key, np.broadcast_to(epoch, row_ids.shape), row_ids)
    # One hash per word: its upper bits order the words of a row, its lower ones choose the replacement.
    draws = random_bits(row_keys[words.row], words.number_in_row)
    chosen = _choose_words(words, draws >> np.uint64(64 - DRAW_BITS), rules)
    token, word = words.token[chosen[words.of_token]], words.of_token[chosen[words.of_token]]
    labels[token] = masked[token]
    # A word is replaced as a whole: the original script draws per piece, which leaves a tenth of the pieces of a
    # masked long word readable.
    draw = (draws[word] & np.uint64((1 << REPLACEMENT_BITS) - 1)) * 2.0**-REPLACEMENT_BITS
    masked[token[draw < rules.mask_replace_prob]] = rules.mask_token_id
    is_random = (draw >= rules.mask_replace_prob) & (draw < rules.mask_replace_prob + rules.random_replace_prob)
    row, drawn = words.row[word[is_random]], token[is_random]
    # The random pieces of a word are drawn apart, by their positions in the row.
    positions = drawn - (np.cumsum(lengths) - lengths)[row]
    pieces = random_below(len(rules.starts_word) - len(rules.special), row_keys[row], positions, RANDOM_PIECE)
    for special in rules.special:  # in ascending order, so each step skips one hole
        pieces += pieces >= special
    masked[drawn] = pieces
    return masked, labels


@dataclass(frozen=True)
class _Words:
    """The maskable words of a batch.

    row, number_in_row, size: shape (words,). token: positions of their tokens. of_token: the word of each of them.
    first: the first word of each row, or of the next row where a row has none, shape (rows,).
    """

    row: np.ndarray
    number_in_row: np.ndarray
    size: np.ndarray
    token: np.ndarray
    of_token: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, tokens: np.ndarray, lengths: np.ndarray, rules: MaskingRules) -> "_Words":
        token = np.flatnonzero(~rules.is_special[tokens])
        starts = np.ones(len(token), bool)
        if rules.whole_word_mask:
            # A ## piece after a special token or at a row's start begins a word: its first piece was truncated away.
            starts[1:] = rules.starts_word[tokens[token[1:]]] | (token[1:] != token[:-1] + 1)
        of_token = np.cumsum(starts) - 1
        first_token = np.flatnonzero(starts)
        row = np.repeat(np.arange(len(lengths)), lengths)[token[first_token]]
        first = np.searchsorted(row, np.arange(len(lengths)))
        sizes = np.diff(first_token, append=len(token))
        return cls(row, np.arange(len(row)) - first[row], sizes, token, of_token, first)


def _choose_words(words: _Words, draws: np.ndarray, rules: MaskingRules) -> np.ndarray:
    """Whether each word is chosen: in the random order of its row, while more of it is below the budget than above."""
    if rules.max_predictions_per_seq is not None:
        # A word longer than the limit goes to the end of the order: it is taken only where the row has no other.
        draws = np.where(words.size > rules.max_predictions_per_seq, np.uint64((1 << DRAW_BITS) - 1), draws)
    # One sort for all rows: by row, then draw. The word's number separates equal draws, whatever the sort does. Words
    # stay in the places of their row, so sums within a row are differences of one running sum.
    place = (words.row << DRAW_BITS).astype(np.uint64) | draws
    order = np.argsort((place << np.uint64(NUMBER_BITS)) | words.number_in_row.astype(np.uint64))
    size = words.size[order]
    before = np.concatenate([[0], np.cumsum(size)])
    ends = np.append(words.first[1:], len(size))
    budget = rules.mlm_probability * (before[ends] - before[words.first])
    taken = before[1:] - before[words.first][words.row]
    is_taken = taken - size / 2 <= budget[words.row]
    if rules.max_predictions_per_seq is not None:
        is_taken &= taken <= rules.max_predictions_per_seq
    # A row without any mask would teach nothing and give a loss of 0 / 0 alone.
    is_taken[words.number_in_row == 0] = True
    chosen = np.empty(len(order), bool)
    chosen[order] = is_taken
    return chosen


@dataclass
class DataCollatorForPreTraining(DataCollatorForLanguageModeling):
    """Masks rows of `NextSentencePairs` and makes a batch; the arguments of the parent class keep their meaning.

    Unlike its parent it masks whole words by their ## pieces with 80/10/10, masks at least one word of every row, and
    is a pure function of its rows: each needs input_ids, token_type_ids, next_sentence_label and row_id, and may have
    epoch (0 if absent).

    The batch has input_ids, token_type_ids, attention_mask and labels of shape (rows, longest row) and
    next_sentence_label of shape (rows,), all int64 tensors, as stock models take them. With padding_free=True, as the
    recipe trains, the rows lie one after another; see `flat_batch`.
    """

    whole_word_mask: bool = True
    max_predictions_per_seq: int | None = None
    padding_free: bool = False

    def __post_init__(self) -> None:
        random_prob, mask_prob, whole_words = self.random_replace_prob, self.mask_replace_prob, self.whole_word_mask
        self.whole_word_mask = False  # the parent cannot do whole words with 80/10/10 and would switch the 10/10 off
        super().__post_init__()
        self.whole_word_mask, self.mask_replace_prob, self.random_replace_prob = whole_words, mask_prob, random_prob
        if not self.mlm:
            raise ValueError(
                "mlm=False: pretraining predicts masked tokens; use DataCollatorForLanguageModeling instead"
            )
        self.rules = MaskingRules.of(
            self.tokenizer,
            mlm_probability=self.mlm_probability,
            whole_word_mask=self.whole_word_mask,
            mask_replace_prob=self.mask_replace_prob,
            random_replace_prob=self.random_replace_prob,
            max_predictions_per_seq=self.max_predictions_per_seq,
            seed=self.seed or 0,
        )

    def torch_call(self, examples: list[Any]) -> dict[str, Any]:
        """Mask a list of rows and put them together."""
        lengths = np.array([len(row["input_ids"]) for row in examples])
        tokens = np.concatenate([np.asarray(row["input_ids"]) for row in examples])
        row_ids, epochs = np.array([(row["row_id"], row.get("epoch", 0)) for row in examples]).T
        masked, labels = mask_rows(tokens, lengths, row_ids, epochs, self.rules)
        segments = np.concatenate([np.asarray(row["token_type_ids"]) for row in examples]).astype(np.int64)
        pair_labels = np.array([int(row["next_sentence_label"]) for row in examples])
        if self.padding_free:
            return flat_batch(masked, segments, labels, lengths, pair_labels)
        batch = self._padded(masked, segments, labels, lengths)
        return {**batch, "next_sentence_label": torch.from_numpy(pair_labels)}

    def _padded(
        self, masked: np.ndarray, segments: np.ndarray, labels: np.ndarray, lengths: np.ndarray
    ) -> dict[str, torch.Tensor]:
        multiple = self.pad_to_multiple_of or 1
        is_filled = np.arange(-(-lengths.max() // multiple) * multiple) < lengths[:, None]
        columns: dict[str, tuple[Any, int]] = {
            "input_ids": (masked, self.tokenizer.pad_token_id),
            "token_type_ids": (segments, 0),
            "attention_mask": (1, 0),
            "labels": (labels, IGNORED),
        }
        batch = {}
        for name, (values, padding) in columns.items():
            table = np.full(is_filled.shape, padding, np.int64)
            table[is_filled] = values
            batch[name] = torch.from_numpy(table)
        return batch


def flat_batch(
    masked: np.ndarray, segments: np.ndarray, labels: np.ndarray, lengths: np.ndarray, pair_labels: np.ndarray
) -> dict[str, Any]:
    """A batch as `recipe.model.bert.BertForPreTraining` takes it, with all its indexes; the shortest rows first.

    Args:
        masked, segments, labels: of rows that lie one after another, shape (tokens,).
        lengths, pair_labels: shape (rows,).
    """
    is_masked = labels != IGNORED
    starts = bounds_of(lengths)[:-1]
    is_read = is_masked.copy()
    is_read[starts] = True
    reads = np.add.reduceat(is_read, starts, dtype=np.int64)
    # Attention takes neighbours with equally many tokens in one go, and in the last layer with equally many reads.
    order = np.lexsort((reads, lengths))
    lengths, reads = lengths[order], reads[order]
    bounds = bounds_of(lengths)
    tokens = np.arange(bounds[-1]) + np.repeat(starts[order] - bounds[:-1], lengths)
    is_masked, read_positions = is_masked[tokens], np.flatnonzero(is_read[tokens])
    return {
        "input_ids": torch.from_numpy(masked[tokens]),
        "token_type_ids": torch.from_numpy(segments[tokens]),
        "targets": torch.from_numpy(labels[tokens][is_masked]),
        "masked_reads": torch.from_numpy(np.flatnonzero(is_masked[read_positions])),
        "first_reads": torch.from_numpy(bounds_of(reads)[:-1]),
        "next_sentence_label": torch.from_numpy(pair_labels[order]),
        **layout_of(lengths, reads, read_positions),
    }
