import os
import subprocess
import sys

import pytest
from conftest import ROOT, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.tokenizer.alphabet import Alphabet
from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokenizer.wordpiece import train_wordpiece

TEXT = [
    "Aspirin inhibits platelet aggregation.",
    "The naïve platelets aggregate, as aspirin fails.",
    "Étude of aspirin: K⁺, µ-opioid, ﬁbrosis, 中文.",
] * 5
TRAIN = """
import hashlib, sys
from recipe.config import CorpusConfig
from recipe.config import TokenizerConfig
from recipe.corpus import read_documents
from recipe.tokenizer.wordpiece import train_wordpiece
documents = list(read_documents(CorpusConfig(path=[sys.argv[1]])))
tokenizer = train_wordpiece(documents, TokenizerConfig(vocab_size=600, max_train_characters=20_000))
print(hashlib.sha256(tokenizer.to_str().encode()).hexdigest())
"""


def trained(sentences=TEXT, **config):
    return train_wordpiece(
        [Document(list(sentences), "test")], TokenizerConfig(**{"vocab_size": 200, "min_frequency": 1, **config})
    )


def test_special_tokens_come_first_then_characters_then_pieces():
    vocabulary = trained().get_vocab()
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    assert tokens[:5] == list(SPECIAL_TOKENS)
    characters = [token for token in tokens[5:] if len(token.removeprefix("##")) == 1]
    assert characters == tokens[5 : 5 + len(characters)]
    assert {f"##{character}" for character in characters if not character.startswith("##")} == {
        token for token in characters if token.startswith("##")
    }


def test_the_same_text_gives_the_same_tokenizer_with_any_number_of_threads(tmp_path):
    corpus = write_corpus(tmp_path / "text.txt", documents=200)
    environments = [
        {"RAYON_NUM_THREADS": "1"},
        {"RAYON_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "true"},
        {"TOKENIZERS_PARALLELISM": "false"},
    ] * 2
    command = [sys.executable, "-c", TRAIN, str(corpus)]
    runs = [
        subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, **more}
        ).stdout
        for more in environments
    ]
    assert len(runs[0]) == 65
    assert set(runs) == {runs[0]}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=5), st.booleans(), st.booleans()
)
def test_no_character_of_the_text_becomes_unk(sentences, lowercase, nfkc):
    tokenizer = trained([*sentences, "some words"], vocab_size=4096, lowercase=lowercase, nfkc=nfkc)
    vocabulary = tokenizer.get_vocab()
    for sentence in sentences:
        assert "[UNK]" not in tokenizer.encode(sentence, add_special_tokens=False).tokens
        characters = "".join(tokenizer.normalizer.normalize_str(sentence).split())
        assert all(character in vocabulary and f"##{character}" in vocabulary for character in characters)


def test_of_too_many_characters_the_most_frequent_stay(caplog):
    rare = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 300))
    tokenizer = trained(["plain words here"] * 400 + [rare], vocab_size=128)
    assert "[UNK]" not in tokenizer.encode("plain words here").tokens
    assert "[UNK]" in tokenizer.encode(rare).tokens
    assert "become [UNK]" in caplog.text
    assert f"{300 + len(set('plainwordshere'))} characters" in caplog.text


@pytest.mark.parametrize(("unused", "expected"), [(0, 0), (1, 1), (30, 30)])
def test_size_is_a_multiple_of_8_with_unused_slots(unused, expected):
    vocabulary = trained(vocab_size=203, unused_tokens=unused).get_vocab()
    slots = [token for token in vocabulary if token.startswith("[unused")]
    assert len(vocabulary) % 8 == 0
    assert expected <= len(slots) < expected + 8
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert {f"[unused{number}]" for number in range(len(slots))} == set(slots)
    assert vocabulary["[PAD]"] == 0
    assert len(trained(unused_tokens=8).encode("[unused0]", add_special_tokens=False).tokens) > 1


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        ({}, "Étude", "etude"),
        ({"lowercase": False}, "Étude", "Étude"),
        ({"strip_accents": False}, "Étude", "étude"),
        ({"lowercase": False, "strip_accents": True}, "Étude", "Etude"),
        ({"nfkc": True}, "K⁺ ﬁbrosis", "k+ fibrosis"),
        ({}, "K⁺ ﬁbrosis", "k⁺ ﬁbrosis"),
    ],
)
def test_letters_are_normalised_as_asked(config, text, expected):
    assert trained(**config).normalizer.normalize_str(text) == expected


def test_pieces_are_learned_from_a_part_and_characters_from_all():
    documents = [Document(["common words"] * 50, "test") for _ in range(40)] + [Document(["ω"], "test")]
    config = TokenizerConfig(vocab_size=96, max_train_characters=1000)
    tokenizers = [train_wordpiece(documents, config, seed) for seed in (1, 1, 2)]
    assert tokenizers[0].to_str() == tokenizers[1].to_str()
    assert all("[UNK]" not in tokenizer.encode("ω xω").tokens[:2] for tokenizer in tokenizers)


def test_alphabet_counts_what_the_normaliser_leaves():
    alphabet = Alphabet(normalizers.BertNormalizer(lowercase=True))
    alphabet.add("Éa e\u0301 aA\u3000b")
    alphabet.add("中a")
    counts = dict(alphabet.characters())
    assert counts.pop("a") == 4
    assert counts == {"e": 2, "b": 1, "中": 1}
