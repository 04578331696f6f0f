"""Masks over rows whose tokens say what they are: even ids start a word, odd ids are ## pieces."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import assert_share, trials_to_detect
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

from recipe.model.cross_entropy import IGNORED
from recipe.pretraining.masking import DataCollatorForPreTraining, MaskingRules, mask_rows

VOCABULARY = 1000
SPECIAL = np.arange(5)
MASK = 4
STARTS_WORD = np.arange(VOCABULARY) % 2 == 0


def rules_of(**settings) -> MaskingRules:
    return MaskingRules(STARTS_WORD, SPECIAL, MASK, **settings)


def rows_of(rng: np.random.Generator, rows: int, most: int = 60, pieces: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Rows [CLS] A [SEP] B [SEP] as one flat array, and their lengths."""
    made = []
    for _ in range(rows):
        segments = [2 * rng.integers(3, 499, rng.integers(1, most)) for _ in range(2)]
        segments = [segment + (rng.random(len(segment)) < pieces) for segment in segments]
        made.append(np.concatenate([[2], segments[0], [3], segments[1], [3]]))
    return np.concatenate(made), np.array([len(row) for row in made])


def words_of(row: np.ndarray) -> list[list[int]]:
    """Places of each word of a row, by reading it from left to right."""
    words: list[list[int]] = []
    for place, token in enumerate(row):
        if token in SPECIAL:
            continue
        if words and not STARTS_WORD[token] and words[-1][-1] == place - 1:
            words[-1].append(place)
        else:
            words.append([place])
    return words


def split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return np.split(flat, np.cumsum(lengths)[:-1])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.15, 0.2, 0.5]), st.booleans())
def test_promises_of_every_row(seed, probability, whole_words):
    tokens, lengths = rows_of(np.random.default_rng(seed), 8)
    masked, labels = mask_rows(
        tokens, lengths, np.arange(8), 0, rules_of(mlm_probability=probability, whole_word_mask=whole_words, seed=seed)
    )
    assert (labels[labels != IGNORED] == tokens[labels != IGNORED]).all()
    assert (masked[labels == IGNORED] == tokens[labels == IGNORED]).all(), "a token changed that is not predicted"
    assert (labels[np.isin(tokens, SPECIAL)] == IGNORED).all(), "a special token is predicted"
    for row, row_labels in zip(split(tokens, lengths), split(labels, lengths), strict=True):
        words = words_of(row) if whole_words else [[place] for word in words_of(row) for place in word]
        chosen = [word for word in words if row_labels[word[0]] != IGNORED]
        assert chosen, "nothing is predicted in a row"
        for word in words:
            assert len(set(row_labels[word] != IGNORED)) == 1, "part of a word is predicted"
        budget = probability * sum(map(len, words))
        number = sum(map(len, chosen))
        longest = max(map(len, words))
        assert len(chosen) == 1 or abs(number - budget) <= longest / 2 + 1e-9


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.booleans())
def test_no_row_has_more_predictions_than_allowed_unless_every_word_is_longer(seed, limit, whole_words):
    tokens, lengths = rows_of(np.random.default_rng(seed), 8, pieces=0.7)
    rules = rules_of(mlm_probability=0.5, whole_word_mask=whole_words, max_predictions_per_seq=limit)
    labels = mask_rows(tokens, lengths, np.arange(8), 0, rules)[1]
    for row, row_labels in zip(split(tokens, lengths), split(labels, lengths), strict=True):
        words = words_of(row) if whole_words else [[place] for word in words_of(row) for place in word]
        chosen = [word for word in words if row_labels[word[0]] != IGNORED]
        assert chosen
        if min(map(len, words)) <= limit:
            assert sum(map(len, chosen)) <= limit
        else:
            assert len(chosen) == 1


def test_a_row_without_words_is_left_alone_and_disturbs_no_other():
    tokens, lengths = np.array([2, 3, 3, 2, 10, 11, 3, 12, 3, 2, 3, 3]), np.array([3, 6, 3])
    labels = mask_rows(tokens, lengths, np.arange(3), 0, rules_of())[1]
    alone = mask_rows(tokens[3:9], lengths[1:2], np.array([1]), 0, rules_of())[1]
    assert (labels[:3] == IGNORED).all()
    assert (labels[9:] == IGNORED).all()
    assert (labels[3:9] == alone).all()
    assert (alone != IGNORED).any()


def test_a_mask_depends_on_seed_epoch_and_row_id_only():
    tokens, lengths = rows_of(np.random.default_rng(1), 32)
    ids = np.arange(100, 132)
    whole = mask_rows(tokens, lengths, ids, 3, rules_of())
    order = np.random.default_rng(2).permutation(32)
    rows = split(tokens, lengths)
    shuffled = mask_rows(
        np.concatenate([rows[i] for i in order]), lengths[order], ids[order], np.full(32, 3), rules_of()
    )
    for one, other in zip(whole, shuffled, strict=True):
        for place, i in enumerate(order):
            assert (split(other, lengths[order])[place] == split(one, lengths)[i]).all()
    for epoch, seed in ((4, 1), (3, 2)):
        assert (mask_rows(tokens, lengths, ids, epoch, rules_of(seed=seed))[1] != whole[1]).any()


def test_masks_of_two_epochs_agree_by_chance_only():
    # 100 one-piece words a row, 15 of them chosen: a word chosen in epoch 0 is chosen in epoch 1 with probability
    # 0.15.
    rows = 20_000
    tokens = np.tile(np.concatenate([[2], np.arange(6, 206, 2), [3]]), rows)
    lengths = np.full(rows, 102)
    chosen = [mask_rows(tokens, lengths, np.arange(rows), epoch, rules_of())[1] != IGNORED for epoch in (0, 1)]
    assert chosen[0].sum() == chosen[1].sum() == 15 * rows
    assert_share((chosen[0] & chosen[1]).sum(), chosen[0].sum(), 0.15)


def test_every_word_of_a_row_is_chosen_alike():
    rows = 40_000
    tokens = np.tile(np.concatenate([[2], np.arange(6, 46, 2), [3]]), rows)
    labels = mask_rows(tokens, np.full(rows, 22), np.arange(rows), 0, rules_of())[1].reshape(rows, 22)
    for place in range(1, 21):
        assert_share((labels[:, place] != IGNORED).sum(), rows, 3 / 20)


@pytest.mark.parametrize("whole_words", [True, False])
def test_masking_follows_80_10_10(whole_words):
    trials = trials_to_detect(0.80, wrong=0.79)
    rows = trials // 15 + 1
    tokens = np.tile(np.concatenate([[2], np.arange(6, 206, 2), [3]]), rows)
    masked, labels = mask_rows(tokens, np.full(rows, 102), np.arange(rows), 0, rules_of(whole_word_mask=whole_words))
    chosen = np.flatnonzero(labels != IGNORED)[:trials]
    is_mask, is_kept = masked[chosen] == MASK, masked[chosen] == tokens[chosen]
    drawn_alike = 0.1 / (VOCABULARY - len(SPECIAL))  # a random piece is the token itself once in so many draws
    assert_share(is_mask.sum(), trials, 0.8)
    assert_share(is_kept.sum(), trials, 0.1 + drawn_alike)
    random = masked[chosen][~is_mask & ~is_kept]
    assert not np.isin(random, SPECIAL).any()
    assert len(np.unique(random)) == VOCABULARY - len(SPECIAL)


def test_pieces_of_a_word_share_its_replacement():
    tokens = np.tile(np.array([2, 10, 11, 13, 3]), 5000)
    masked, labels = mask_rows(tokens, np.full(5000, 5), np.arange(5000), 0, rules_of())
    assert (labels != IGNORED).reshape(-1, 5)[:, 1:4].all()
    is_mask = (masked == MASK).reshape(-1, 5)[:, 1:4]
    assert (is_mask.all(1) | ~is_mask.any(1)).all()
    assert_share(is_mask.all(1).sum(), 5000, 0.8)


@pytest.fixture(scope="module")
def tokenizer(prepared):
    return AutoTokenizer.from_pretrained(prepared.folder / "tokenizer")


@pytest.fixture(scope="module")
def rows(prepared):
    from recipe.pairs.dataset import load_pairs

    return load_pairs(prepared)["train"].select(range(12)).to_list()


def test_collator_is_a_language_modelling_collator_that_pads(tokenizer, rows):
    collator = DataCollatorForPreTraining(tokenizer, mlm_probability=0.3, pad_to_multiple_of=64, seed=5)
    assert isinstance(collator, DataCollatorForLanguageModeling)
    assert (
        collator.mlm_probability,
        collator.mask_replace_prob,
        collator.random_replace_prob,
        collator.whole_word_mask,
    ) == (0.3, 0.8, 0.1, True)
    batch = collator(rows)
    assert {name: (tuple(values.shape), values.dtype) for name, values in batch.items()} == {
        **dict.fromkeys(("input_ids", "token_type_ids", "attention_mask", "labels"), ((12, 64), torch.int64)),
        "next_sentence_label": ((12,), torch.int64),
    }
    for place, row in enumerate(rows):
        length = len(row["input_ids"])
        assert batch["attention_mask"][place].tolist() == [1] * length + [0] * (64 - length)
        assert batch["token_type_ids"][place, :length].tolist() == row["token_type_ids"]
        restored = torch.where(batch["labels"][place] == IGNORED, batch["input_ids"][place], batch["labels"][place])
        assert restored[:length].tolist() == row["input_ids"]
        assert (restored[length:] == tokenizer.pad_token_id).all()
    assert batch["next_sentence_label"].tolist() == [row["next_sentence_label"] for row in rows]


def test_rows_without_padding_are_those_of_the_padded_batch(tokenizer, rows):
    padded, flat = (DataCollatorForPreTraining(tokenizer, seed=5, padding_free=free)(rows) for free in (False, True))
    is_masked = torch.zeros(len(flat["input_ids"]), dtype=torch.bool)
    is_masked[flat["read_positions"][flat["masked_reads"]]] = True
    labels = torch.full_like(flat["input_ids"], IGNORED).masked_scatter(is_masked, flat["targets"])
    assert flat["first_reads"].tolist() == flat["read_cu_seq_lens"][:-1].tolist()
    assert flat["read_positions"][flat["first_reads"]].tolist() == flat["cu_seq_lens"][:-1].tolist()
    bounds = flat["cu_seq_lens"].tolist()
    found = [
        (*(tuple(each[start:end].tolist()) for each in (flat["input_ids"], flat["token_type_ids"], labels)), label)
        for start, end, label in zip(bounds, bounds[1:], flat["next_sentence_label"].tolist(), strict=False)
    ]
    expected = [
        (
            *(tuple(padded[name][place][:length].tolist()) for name in ("input_ids", "token_type_ids", "labels")),
            padded["next_sentence_label"][place].item(),
        )
        for place, length in enumerate(padded["attention_mask"].sum(1).tolist())
    ]
    assert flat["position_ids"].tolist() == [place for row in found for place in range(len(row[0]))]
    assert sorted(found) == sorted(expected)
    sizes = [(1 + sum(label != IGNORED for label in row[2]), len(row[0])) for row in found]
    assert sizes == sorted(sizes, key=lambda size: size[::-1]), "neighbours of equal sizes are taken in one go"
    assert [run[1:] for run in flat["runs"] for _ in range(run[0])] == sizes


def test_collator_follows_seed_and_epoch(tokenizer, rows):
    def masks(seed, epoch):
        return DataCollatorForPreTraining(tokenizer, seed=seed)([{**row, "epoch": epoch} for row in rows])["labels"]

    assert torch.equal(masks(1, 2), masks(1, 2))
    assert not torch.equal(masks(1, 2), masks(1, 3))
    assert not torch.equal(masks(1, 2), masks(2, 2))


def test_whole_words_end_at_pieces_not_at_white_space(tokenizer):
    collator = DataCollatorForPreTraining(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert collator.rules.starts_word.tolist() == [not piece.startswith("##") for piece in pieces]


def test_collator_without_masking_is_refused(tokenizer):
    with pytest.raises(ValueError, match="mlm=False"):
        DataCollatorForPreTraining(tokenizer, mlm=False)
