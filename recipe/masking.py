"""Rows -> masked batch. The mask is a pure function of (seed, epoch, row id): the same whatever the batch, worker, rank or resume."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from recipe.randomness import derive_key, random_bits, random_uniform

IGNORED = -100


@dataclass(frozen=True)
class MaskingRules:
    """What masking needs to know of vocabulary and settings.

    starts_word: bool of shape (vocabulary,), False for ## pieces. special: sorted ids that are never masked and never drawn.
    """

    starts_word: np.ndarray
    special: np.ndarray
    mask_token_id: int
    mlm_probability: float = 0.15
    whole_word_mask: bool = True
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    seed: int = 1

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> "MaskingRules":
        """The rules for a WordPiece tokenizer; settings: the other fields."""
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        starts_word = np.array([not piece.startswith("##") for piece in pieces])
        return cls(starts_word, np.unique(tokenizer.all_special_ids), tokenizer.mask_token_id, **settings)


def mask_rows(tokens: np.ndarray, lengths: np.ndarray, row_ids: np.ndarray, epoch: np.ndarray | int, rules: MaskingRules) -> tuple[np.ndarray, np.ndarray]:
    """Mask rows that stand one after another in a flat array.

    Per row, words (or pieces) are taken in random order until the number of their tokens is nearest to mlm_probability of the row's tokens, special
    ones aside, and at least one word is. Each is then masked, replaced or kept as one: its pieces share the fate, random pieces are drawn apart.

    Args:
        tokens: ids, shape (total,). lengths, row_ids: shape (rows,). epoch: one number, or one per row.

    Returns:
        masked ids and labels (the id where it is to be predicted, else -100), int64, shape (total,).
    """
    tokens = tokens.astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    words = _Words.of(tokens, row, rules)
    row_keys = random_bits(derive_key(rules.seed, "masking"), np.broadcast_to(epoch, row_ids.shape), row_ids)
    chosen = _choose_words(words, row_keys, len(lengths), rules)
    in_chosen_word = np.zeros(len(tokens), bool)
    in_chosen_word[words.token] = chosen[words.of_token]
    labels = np.where(in_chosen_word, tokens, IGNORED)
    fate = _uniform(row_keys[words.row], words.number_in_row, purpose=1)
    is_mask = chosen & (fate < rules.mask_replace_prob)
    is_random = chosen & ~is_mask & (fate < rules.mask_replace_prob + rules.random_replace_prob)
    masked = tokens.copy()
    masked[words.token[is_mask[words.of_token]]] = rules.mask_token_id
    drawn = words.token[is_random[words.of_token]]
    masked[drawn] = _random_pieces(row_keys[row[drawn]], drawn - (np.cumsum(lengths) - lengths)[row[drawn]], rules)
    return masked, labels


@dataclass(frozen=True)
class _Words:
    """The maskable words of a batch. row, number_in_row, size: shape (words,). token: places of their tokens; of_token: the word of each."""

    row: np.ndarray
    number_in_row: np.ndarray
    size: np.ndarray
    token: np.ndarray
    of_token: np.ndarray

    @classmethod
    def of(cls, tokens: np.ndarray, row: np.ndarray, rules: MaskingRules) -> "_Words":
        token = np.flatnonzero(~np.isin(tokens, rules.special))
        # A ## piece behind a special token or at a row's start begins a word, since its first piece was truncated away.
        follows = np.diff(token, prepend=-2) != 1
        starts = rules.starts_word[tokens[token]] | follows if rules.whole_word_mask else np.ones(len(token), bool)
        of_token = np.cumsum(starts) - 1
        first = token[starts]
        word_row = row[first]
        number_in_row = np.arange(len(first)) - np.searchsorted(word_row, word_row)
        return cls(word_row, number_in_row, np.bincount(of_token, minlength=len(first)), token, of_token)


def _choose_words(words: _Words, row_keys: np.ndarray, rows: int, rules: MaskingRules) -> np.ndarray:
    """Whether each word is chosen. In the random order of its row a word is taken while more of it lies below the budget than above."""
    order = np.lexsort((_uniform(row_keys[words.row], words.number_in_row, purpose=0), words.row))
    row, size = words.row[order], words.size[order]
    budget = rules.mlm_probability * np.bincount(words.row, weights=words.size, minlength=rows)
    total = np.cumsum(size)
    is_first = np.diff(row, prepend=-1) != 0
    before_row = np.maximum.accumulate(np.where(is_first, total - size, 0))
    chosen = np.zeros(len(order), bool)
    chosen[order] = is_first | (total - before_row - size / 2 <= budget[row])
    return chosen


def _random_pieces(keys: np.ndarray, places: np.ndarray, rules: MaskingRules) -> np.ndarray:
    """A uniform piece that is not special for each place of a row."""
    drawn = (_uniform(keys, places, purpose=2) * (len(rules.starts_word) - len(rules.special))).astype(np.int64)
    for special in rules.special:  # ascending, so each step skips one hole
        drawn += drawn >= special
    return drawn


def _uniform(keys: np.ndarray, numbers: np.ndarray, purpose: int) -> np.ndarray:
    return random_uniform(0, keys, numbers, purpose)


@dataclass
class DataCollatorForPreTraining(DataCollatorForLanguageModeling):
    """Masks and pads rows of `NextSentencePairs`; a `DataCollatorForLanguageModeling` whose arguments keep their meaning.

    Unlike its parent it masks whole words by their ## pieces with 80/10/10, masks at least one word of every row, and is a pure function of its rows:
    each needs input_ids, token_type_ids, next_sentence_label and row_id, and may carry epoch (0 if absent). The batch has input_ids, token_type_ids,
    attention_mask and labels of shape (rows, longest row) and next_sentence_label of shape (rows,), all int64 tensors.
    """

    whole_word_mask: bool = True

    def __post_init__(self) -> None:
        wanted_random_prob, wanted_mask_prob, words = self.random_replace_prob, self.mask_replace_prob, self.whole_word_mask
        self.whole_word_mask = False  # the parent cannot do whole words with 80/10/10 and would switch the 10/10 off
        super().__post_init__()
        self.whole_word_mask, self.mask_replace_prob, self.random_replace_prob = words, wanted_mask_prob, wanted_random_prob
        if not self.mlm:
            raise ValueError("mlm=False: pretraining predicts masked tokens; use DataCollatorForLanguageModeling for causal models")
        self.rules = MaskingRules.of(
            self.tokenizer,
            mlm_probability=self.mlm_probability,
            whole_word_mask=self.whole_word_mask,
            mask_replace_prob=self.mask_replace_prob,
            random_replace_prob=self.random_replace_prob,
            seed=self.seed or 0,
        )

    def torch_call(self, examples: list[Any]) -> dict[str, torch.Tensor]:
        """Mask and pad a list of rows."""
        lengths = np.array([len(row["input_ids"]) for row in examples])
        tokens = np.concatenate([np.asarray(row["input_ids"]) for row in examples])
        row_ids = np.array([row["row_id"] for row in examples])
        epochs = np.array([row.get("epoch", 0) for row in examples])
        masked, labels = mask_rows(tokens, lengths, row_ids, epochs, self.rules)
        segments = np.concatenate([np.asarray(row["token_type_ids"]) for row in examples])
        width = -(-lengths.max() // (self.pad_to_multiple_of or 1)) * (self.pad_to_multiple_of or 1)
        filled = np.arange(width) < lengths[:, None]
        padding: dict[str, tuple[Any, int]] = {
            "input_ids": (masked, self.tokenizer.pad_token_id),
            "token_type_ids": (segments, 0),
            "attention_mask": (1, 0),
            "labels": (labels, IGNORED),
        }
        batch = {name: _padded(values, filled, pad) for name, (values, pad) in padding.items()}
        batch["next_sentence_label"] = torch.tensor([int(row["next_sentence_label"]) for row in examples])
        return batch


def _padded(values: np.ndarray | int, filled: np.ndarray, padding: int) -> torch.Tensor:
    table = np.full(filled.shape, padding, np.int64)
    table[filled] = values
    return torch.from_numpy(table)
