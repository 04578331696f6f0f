import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers, pre_tokenizers

from recipe.tokenizer.words import LONGEST_WORD, without_long_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Aspirin (5-ASA), a_b!", ["Aspirin", "5", "ASA", "a", "b"]),
        ("मैं हूँ।", ["मैं", "हूँ"]),
        ("مَرْحَبًا يا", ["مَرْحَبًا", "يا"]),
        ("ภาษาไทย ดี", ["ภาษาไทย", "ดี"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("中文 and 日本", ["中", "文", "and", "日", "本"]),
        ("37°C … — «»", ["37°C"]),
    ],
)
def test_words_are_those_of_the_encoder(text, words):
    assert words_of(text) == words


def known_to_both(character: str) -> bool:
    """Unicode's lists of punctuation differ between Python and the library; controls are deleted by the normaliser."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Po", "Pd", "Pe", "Ps", "Pi", "Pf")


@given(
    st.text(
        st.characters(max_codepoint=0x1FFFF, codec="utf-8").filter(known_to_both) | st.sampled_from("-.,;: _中한"),
        max_size=20,
    )
)
def test_words_equal_those_of_the_library(text):
    normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    found = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))
    assert words_of(text) == [word for word, _ in found if any(map(str.isalnum, word))]


def test_words_that_the_encoder_calls_unknown_are_cut_out():
    long = "ACGT" * (1 << 18)
    assert without_long_words(f"The genome {long}, is long.").split() == ["The", "genome", ",", "is", "long."]
    kept = "x" * LONGEST_WORD
    assert without_long_words(f"{kept} y") == f"{kept} y"
    # Punctuation and ideographs cut: this is one run without a space, but many words.
    assert without_long_words("中" * 300) == "中" * 300
    assert without_long_words("ab," * 300) == "ab," * 300
    assert sys.getsizeof(without_long_words("क" * 5000)) < 200
