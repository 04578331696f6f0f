from collections import Counter

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from recipe.tokenizer.fertility import fertility, most_frequent_whole_words, word_counts


@pytest.fixture
def tokenizer() -> Tokenizer:
    tokens = ["[UNK]", "aspirin", "ace", "##tyl", "##s", "the", "a"]
    made = Tokenizer(models.WordPiece({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    return made


def test_words_are_runs_of_letters_and_digits():
    assert word_counts(["Aspirin (5-ASA), α2; a_b", "aspirin"]) == Counter(
        ["Aspirin", "5", "ASA", "α2", "a", "b", "aspirin"]
    )


def test_shares_go_by_occurrence(tokenizer):
    found = fertility(tokenizer, Counter({"Aspirin": 5, "acetyls": 3, "xyz": 2}))
    assert (found.words, found.distinct_words) == (10, 3)
    assert found.pieces_per_word == pytest.approx((5 * 1 + 3 * 3 + 2 * 1) / 10)
    assert (found.whole_share, found.unknown_share) == (0.5, 0.2)
    assert found.whole_share_of_distinct == pytest.approx(1 / 3)
    assert found.longest[0] == ("acetyls", ["ace", "##tyl", "##s"])


def test_no_words_give_zeros(tokenizer):
    found = fertility(tokenizer, Counter())
    assert (found.words, found.pieces_per_word, found.whole_share, found.longest) == (0, 0, 0, [])


def test_frequent_whole_words_are_whole(tokenizer):
    words = Counter({"Aspirin": 5, "ASPIRIN": 1, "the": 9, "acetyls": 30, "a": 50, "xyz": 40})
    assert most_frequent_whole_words(tokenizer, words, 5) == [("the", 9), ("aspirin", 6)]
