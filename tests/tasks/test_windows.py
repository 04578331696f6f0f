"""Windows: every word is predicted exactly once, where it has the most context, however long its sentence is."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from recipe.tasks.types.windows import choose_spans, cut_spans, join_windows, make_windows, pieces_of_words

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "b", "##b", "-"]
UNK, CLS, SEP = 1, 2, 3


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One piece per letter: the word "abba" has four pieces."""
    rust = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer()
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )


TOKENIZER = build_tokenizer()
# Words of 1 to 40 pieces, of none (a control character, a zero-width space), unknown ones, and ones that the tokenizer
# splits further.
WORDS = st.one_of(
    st.text("ab", min_size=1, max_size=9),
    st.sampled_from(["a" * 40, "\x00", "\u200b", "é", "a-b", "a\u00a0b", "\u2028"]),
)


@st.composite
def counts_and_budget(draw) -> tuple[list[int], int]:
    budget = draw(st.integers(1, 12))
    return draw(st.lists(st.integers(1, budget), min_size=1, max_size=60)), budget


@settings(max_examples=300, deadline=None)
@given(counts_and_budget())
def test_spans_hold_all_words_and_are_as_full_as_they_can_be(case):
    counts, budget = case
    spans = cut_spans(counts, budget)
    assert {word for first, last in spans for word in range(first, last)} == set(range(len(counts)))
    for first, last in spans:
        assert sum(counts[first:last]) <= budget
        assert last == len(counts) or sum(counts[first : last + 1]) > budget
    assert all(before[1] < behind[1] for before, behind in pairwise(spans))


def test_spans_overlap_by_half_and_the_last_starts_early():
    assert cut_spans([1] * 10, 10) == [(0, 10)]
    assert cut_spans([1] * 11, 10) == [(0, 10), (1, 11)]
    assert cut_spans([1] * 24, 10) == [(0, 10), (5, 15), (10, 20), (14, 24)]
    # The next new word has nine pieces: only one piece of the overlap has room beside it.
    assert cut_spans([5, 4, 1, 9], 10) == [(0, 3), (2, 4)]


@settings(max_examples=300, deadline=None)
@given(counts_and_budget())
def test_each_word_goes_to_the_span_with_most_context(case):
    counts, budget = case
    spans = cut_spans(counts, budget)
    for word, chosen in enumerate(choose_spans(counts, spans)):
        contexts = [slow_context(counts, span, word) for span in spans]
        assert contexts[chosen] == max(contexts)
        assert contexts.index(max(contexts)) == chosen


def slow_context(counts: list[int], span: tuple[int, int], word: int) -> float:
    first, last = span
    if not first <= word < last:
        return -1
    before = float("inf") if first == 0 else sum(counts[first:word])
    behind = float("inf") if last == len(counts) else sum(counts[word + 1 : last])
    return min(before, behind)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=40), max_size=4), st.integers(3, 20))
def test_every_word_is_predicted_exactly_once(sentences, max_seq_length):
    windows = make_windows(sentences, TOKENIZER, max_seq_length)
    predicted = sorted((window.sentence, word) for window in windows for word in window.words)
    assert predicted == [(sentence, word) for sentence, words in enumerate(sentences) for word in range(len(words))]
    for window in windows:
        assert window.words
        assert len(window.input_ids) <= max_seq_length
        assert (window.input_ids[0], window.input_ids[-1]) == (CLS, SEP)
        for word, position in zip(window.words, window.positions, strict=True):
            assert window.input_ids[position] == first_piece(sentences[window.sentence][word])


def first_piece(word: str) -> int:
    ids = TOKENIZER(word, add_special_tokens=False)["input_ids"]
    return ids[0] if ids else UNK


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=40), max_size=4),
    st.integers(3, 20),
    st.randoms(use_true_random=False),
)
def test_labels_that_are_joined_come_back(sentences, max_seq_length, rng):
    labels = [[rng.randrange(5) for _ in words] for words in sentences]
    windows = make_windows(sentences, TOKENIZER, max_seq_length)
    read = [[labels[window.sentence][word] for word in window.words] for window in windows]
    assert join_windows(windows, read, [len(words) for words in sentences]) == labels


def test_words_without_pieces_are_unknown_and_long_ones_are_cut():
    (pieces,) = pieces_of_words([["ab", "\x00", "\u200b", "é", "a" * 40, "a-b"]], TOKENIZER, 4)
    a, rest_a, rest_b = PIECES.index("a"), PIECES.index("##a"), PIECES.index("##b")
    assert pieces == [
        [a, rest_b],
        [UNK],
        [UNK],
        [UNK],
        [a, rest_a, rest_a, rest_a],
        [a, PIECES.index("-"), PIECES.index("b")],
    ]
    assert TOKENIZER("\x00\u200b")["input_ids"] == [], "the tokenizer keeps these words: the test shows nothing"


def test_a_sentence_that_fits_is_one_window():
    (window,) = make_windows([["ab", "b"]], TOKENIZER, 8)
    assert window.input_ids == [CLS, PIECES.index("a"), PIECES.index("##b"), PIECES.index("b"), SEP]
    assert (window.sentence, window.words, window.positions) == (0, [0, 1], [1, 3])


def test_words_predicted_twice_or_never_are_errors():
    windows = make_windows([["a"] * 9, ["b"]], TOKENIZER, 8)
    predictions = [[0] * len(window.words) for window in windows]
    with pytest.raises(RuntimeError, match="word 0 of sentence 0 was predicted twice"):
        join_windows([*windows, windows[0]], [*predictions, predictions[0]], [9, 1])
    with pytest.raises(RuntimeError, match="word 0 of sentence 1 was never predicted"):
        join_windows(windows[:-1], predictions[:-1], [9, 1])


def test_a_span_that_has_no_word_to_itself_is_left_out():
    counts = [6, 1, 1, 1, 1, 1, 2, 1, 1, 4]
    assert len(cut_spans(counts, 8)) == 4
    windows = make_windows([["a" * count for count in counts]], TOKENIZER, 10)
    assert [window.words for window in windows] == [[0, 1], [2, 3, 4, 5, 6], [7, 8, 9]]
