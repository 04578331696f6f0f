"""Pairs on toy corpora in which every token has its own id, so that each token of a row says where it came from."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import assert_share, trials_to_detect
from reference_pairs import reference_pairs

from recipe.pairs.sampling import PairRules, Pairs, balanced_probability, make_pairs

documents_of_lengths = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=12), min_size=2, max_size=8)
rules_of_pairs = st.builds(
    PairRules,
    max_num_tokens=st.integers(2, 60),
    short_seq_probability=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    short_seq_unit=st.sampled_from(["document", "pair"]),
    nsp_probability=st.sampled_from([0.0, 0.5, 1.0]),
    truncation=st.sampled_from(["random_tail", "longest_first"]),
)


def toy_corpus(lengths: list[list[int]]) -> tuple[np.ndarray, np.ndarray, list[list[list[int]]]]:
    """Offsets, and the documents as lists of sentences of token ids; token i of the corpus has the id i."""
    flat = [length for document in lengths for length in document]
    sentence_offsets = np.concatenate([[0], np.cumsum(flat)])
    document_offsets = np.concatenate([[0], np.cumsum([len(document) for document in lengths])])
    sentences = [list(range(start, end)) for start, end in pairwise(sentence_offsets)]
    return sentence_offsets, document_offsets, [sentences[start:end] for start, end in pairwise(document_offsets)]


def all_pairs(lengths: list[list[int]], rules: PairRules, seed: int = 1, pass_index: int = 0) -> Pairs:
    sentence_offsets, document_offsets, _ = toy_corpus(lengths)
    blocks = list(make_pairs(sentence_offsets, document_offsets, rules, seed, pass_index, 0, len(lengths)))
    return Pairs(
        **{name: np.concatenate([getattr(block, name) for block in blocks]) for name in Pairs.__dataclass_fields__}
    )


def random_lengths(
    rng: np.random.Generator, documents: int, most_sentences: int = 12, most_tokens: int = 40
) -> list[list[int]]:
    return [rng.integers(1, most_tokens + 1, rng.integers(1, most_sentences + 1)).tolist() for _ in range(documents)]


@settings(max_examples=150, deadline=None)
@given(documents_of_lengths, rules_of_pairs, st.integers(0, 5), st.integers(0, 3))
def test_vectorised_pairs_equal_the_reference_row_for_row(lengths, rules, seed, pass_index):
    pairs = all_pairs(lengths, rules, seed, pass_index)
    expected = reference_pairs(toy_corpus(lengths)[2], rules, seed, pass_index)
    found = [
        {
            "segment_a": list(range(pairs.a_start[i], pairs.a_start[i] + pairs.a_length[i])),
            "segment_b": list(range(pairs.b_start[i], pairs.b_start[i] + pairs.b_length[i])),
            "next_sentence_label": pairs.next_sentence_label[i],
            "row_id": pairs.row_id[i],
        }
        for i in range(len(pairs))
    ]
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(documents_of_lengths, rules_of_pairs, st.integers(0, 5))
def test_promises_of_every_pair(lengths, rules, seed):
    document_of_token = np.repeat(np.arange(len(lengths)), [sum(document) for document in lengths])
    pairs = all_pairs(lengths, rules, seed)
    a_document, b_document = document_of_token[pairs.a_start], document_of_token[pairs.b_start]
    assert (pairs.a_length >= 1).all()
    assert (pairs.b_length >= 1).all()
    assert (pairs.a_length + pairs.b_length <= rules.max_num_tokens).all()
    assert (document_of_token[pairs.a_start + pairs.a_length - 1] == a_document).all(), "A leaves its document"
    assert (document_of_token[pairs.b_start + pairs.b_length - 1] == b_document).all(), "B leaves its document"
    is_random = pairs.next_sentence_label == 1
    assert (a_document[is_random] != b_document[is_random]).all(), "a random B from A's own document"
    assert (a_document[~is_random] == b_document[~is_random]).all()
    assert (pairs.b_start[~is_random] >= (pairs.a_start + pairs.a_length)[~is_random]).all()
    assert len(np.unique(pairs.row_id)) == len(pairs)


@settings(max_examples=100, deadline=None)
@given(documents_of_lengths, st.integers(0, 5))
def test_without_truncation_b_follows_a_and_every_sentence_is_used(lengths, seed):
    # Targets of at least the whole corpus: nothing is cut, so the rows must tile the documents.
    rules = PairRules(max_num_tokens=12 * 30 * 8 * 2, short_seq_probability=0.0)
    pairs = all_pairs(lengths, rules, seed)
    assert (pairs.cut == 0).all()
    follows = pairs.next_sentence_label == 0
    assert (pairs.b_start[follows] == (pairs.a_start + pairs.a_length)[follows]).all()
    used = np.zeros(sum(map(sum, lengths)), bool)
    for i in range(len(pairs)):
        used[pairs.a_start[i] : pairs.a_start[i] + pairs.a_length[i]] = True
        if follows[i]:
            used[pairs.b_start[i] : pairs.b_start[i] + pairs.b_length[i]] = True
    assert used.all(), "a sentence was never used"


def test_a_document_gives_the_same_pairs_in_any_block():
    lengths = random_lengths(np.random.default_rng(1), 50)
    sentence_offsets, document_offsets, _ = toy_corpus(lengths)
    rules = PairRules(61)
    whole = all_pairs(lengths, rules)
    pieces = [
        pairs
        for first in range(50)
        for pairs in make_pairs(sentence_offsets, document_offsets, rules, 1, 0, first, first + 1)
    ]
    for name in Pairs.__dataclass_fields__:
        assert (np.concatenate([getattr(piece, name) for piece in pieces]) == getattr(whole, name)).all()


@pytest.mark.parametrize(("documents_at_once", "sentences_at_once"), [(3, 1 << 18), (1 << 14, 7), (1, 1)])
def test_blocks_of_any_size_give_the_same_pairs(monkeypatch, documents_at_once, sentences_at_once):
    lengths = random_lengths(np.random.default_rng(1), 50)
    whole = all_pairs(lengths, PairRules(45))
    monkeypatch.setattr("recipe.pairs.sampling.DOCUMENTS_PER_BLOCK", documents_at_once)
    monkeypatch.setattr("recipe.pairs.sampling.SENTENCES_PER_BLOCK", sentences_at_once)
    cut = all_pairs(lengths, PairRules(45))
    assert all((getattr(cut, name) == getattr(whole, name)).all() for name in Pairs.__dataclass_fields__)


def test_passes_and_seeds_give_other_pairs():
    lengths = random_lengths(np.random.default_rng(2), 200)
    first, second, other_seed = (
        all_pairs(lengths, PairRules(61)),
        all_pairs(lengths, PairRules(61), pass_index=1),
        all_pairs(lengths, PairRules(61), seed=2),
    )
    for other in (second, other_seed):
        assert len(
            set(zip(first.a_start, first.b_start, strict=True)) & set(zip(other.a_start, other.b_start, strict=True))
        ) < 0.2 * len(first)


def test_label_1_has_probability_one_half_where_it_is_not_forced():
    trials = trials_to_detect(0.5, wrong=0.51)
    lengths = random_lengths(np.random.default_rng(3), trials // 3, most_sentences=30, most_tokens=20)
    pairs = all_pairs(lengths, PairRules(61))
    free = pairs.next_sentence_label[~pairs.forced_random][:trials]
    assert len(free) == trials
    assert_share(free.sum(), trials, 0.5)


def test_split_point_is_uniform():
    # Documents of exactly four one-token sentences and a target of four: A ends after sentence 1, 2 or 3.
    trials = trials_to_detect(1 / 3, wrong=1 / 3 + 0.01)
    pairs = all_pairs([[1] * 4] * trials, PairRules(4, short_seq_probability=0.0))
    first_chunks = pairs.row_id % (1 << 20) == 0
    for length in (1, 2, 3):
        assert_share((pairs.a_length[first_chunks] == length).sum(), trials, 1 / 3)


def test_random_document_is_uniform_over_the_others():
    documents = 7
    trials = trials_to_detect(1 / 6, wrong=1 / 6 + 0.01)
    b_documents = [all_pairs([[5]] * documents, PairRules(8), seed).b_start[3] // 5 for seed in range(trials // 8)]
    for other in (0, 1, 2, 4, 5, 6):
        assert_share(b_documents.count(other), len(b_documents), 1 / 6)
    assert 3 not in b_documents


def test_random_tail_cuts_both_segments_alike():
    # One long A, one long B: each dropped token is A's by a fair coin.
    pairs = all_pairs([[400]] * 2000, PairRules(500))
    a_cut = 400 - pairs.a_length
    assert_share(a_cut.sum(), pairs.cut.sum(), 0.5)


def test_short_targets_are_uniform():
    pairs = all_pairs([[1] * 400] * 4000, PairRules(9, short_seq_probability=1.0, nsp_probability=0.0))
    first_chunks = pairs.row_id % (1 << 20) == 0
    lengths = (pairs.a_length + pairs.b_length)[first_chunks]
    for length in range(2, 10):
        assert_share((lengths == length).sum(), 4000, 1 / 8)


@pytest.mark.parametrize("unit", ["document", "pair"])
def test_a_short_length_is_drawn_once_per_document_or_for_every_pair(unit):
    """Two chunks per document that no cut shortens: with "document" both short or both long, else independent."""
    rules = PairRules(4, short_seq_probability=0.5, short_seq_unit=unit, nsp_probability=0.0)
    pairs = all_pairs([[1] * 8] * 4000, rules)
    document, chunk = pairs.row_id >> 20, pairs.row_id % (1 << 20)
    is_long = np.zeros((4000, 2), bool)
    is_long[document[chunk < 2], chunk[chunk < 2]] = (pairs.a_length + pairs.b_length == 4)[chunk < 2]
    long_share = 0.5 + 0.5 / 3
    assert_share(is_long[:, 0].sum(), 4000, long_share)
    both = is_long.all(1).sum()
    assert both == is_long[:, 0].sum() if unit == "document" else both < is_long[:, 0].sum()
    assert_share(both, 4000, long_share if unit == "document" else long_share**2)


def test_balanced_labels_are_even_though_some_pairs_are_forced():
    rng = np.random.default_rng(5)
    lengths = random_lengths(rng, 20_000, most_sentences=9)
    sentence_offsets, document_offsets, _ = toy_corpus(lengths)
    plain = all_pairs(lengths, PairRules(61))
    chance = balanced_probability(sentence_offsets, document_offsets, PairRules(61), 1)
    even = all_pairs(lengths, PairRules(61, nsp_probability=chance))
    assert plain.next_sentence_label.mean() > 0.58
    assert even.next_sentence_label.mean() == pytest.approx(0.5, abs=0.01)
    assert even.forced_random.any()


def test_labels_that_cannot_be_balanced_are_as_even_as_can_be():
    one_sentence, mostly_forced = [[5]] * 50, [[5]] * 50 + [[5, 5]] * 5
    assert balanced_probability(*toy_corpus(one_sentence)[:2], PairRules(20), 1) == 0.5
    assert balanced_probability(*toy_corpus(mostly_forced)[:2], PairRules(20), 1) == 0.0


def test_one_document_is_refused():
    with pytest.raises(ValueError, match="another"):
        all_pairs([[3, 4]], PairRules(10))


def test_a_budget_of_one_token_is_refused():
    with pytest.raises(ValueError, match="max_num_tokens"):
        all_pairs([[3], [4]], PairRules(1))


@pytest.mark.parametrize("pass_index", [2047, 2048, 10_000])
def test_row_ids_stay_positive_in_late_passes(pass_index):
    sentences, documents = np.arange(0, 101, 5), np.arange(0, 21, 4)
    (pairs,) = make_pairs(sentences, documents, PairRules(20), 1, pass_index, 0, 5)
    assert (pairs.row_id >= 0).all()
    assert len(set(pairs.row_id.tolist())) == len(pairs)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("wanted", "passes"), [(0.5, 1), (0.3, 2)])
def test_the_labels_of_the_real_passes_are_balanced_also_of_90_documents(seed, wanted, passes):
    draw = np.random.default_rng(seed)
    sentences = draw.integers(3, 30, 90)
    document_offsets = np.concatenate([[0], np.cumsum(sentences)])
    sentence_offsets = np.concatenate([[0], np.cumsum(draw.integers(3, 60, sentences.sum()))])
    rules = PairRules(61, nsp_probability=wanted)
    chance = balanced_probability(sentence_offsets, document_offsets, rules, seed, passes)
    rules = dataclasses.replace(rules, nsp_probability=chance)
    labels = [
        pairs.next_sentence_label
        for number in range(passes)
        for pairs in make_pairs(sentence_offsets, document_offsets, rules, seed, number, 0, 90)
    ]
    assert np.concatenate(labels).mean() == pytest.approx(wanted, abs=0.01)
