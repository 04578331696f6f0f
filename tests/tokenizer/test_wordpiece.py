import os
import random
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
    starts = {character for character in characters if not character.startswith("##")}
    assert {",", "-", ".", ":", "中", "文"} < starts
    # The pre-tokenizer sets those apart, so they never stand within a word.
    inside = starts - {",", "-", ".", ":", "中", "文"}
    assert {f"##{character}" for character in inside} == {token for token in characters if token.startswith("##")}


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
        assert all(character in vocabulary for character in characters)


@pytest.mark.parametrize(
    ("characters", "size"),
    [
        # Ideographs are words of their own: one entry each.
        ([chr(0x4E00 + number) for number in range(3000)], 4000),
        ([chr(0x4E00 + number) for number in range(3980)], 4000),
        # Letters need two; they may take nine tenths.
        ([chr(0xAC00 + number) for number in range(1700)], 4000),
        ([chr(0x3041 + number) for number in range(80)], 256),
    ],
)
def test_all_characters_that_fit_are_in_the_vocabulary(characters, size):
    text = ["".join(characters[start : start + 50]) for start in range(0, len(characters), 50)]
    tokenizer = trained([*text, "a"], vocab_size=size, min_frequency=2, strip_accents=False)
    assert len(tokenizer.get_vocab()) <= size
    for sentence in text:
        for word in (sentence, " ".join(sentence)):
            assert "[UNK]" not in tokenizer.encode(word, add_special_tokens=False).tokens


def test_no_entry_is_a_form_that_cannot_occur():
    text = ["中文 word, 日本。ひらがな 한글 (x)! naïve ¿qué? 𠀀"] * 3
    vocabulary = trained(text, vocab_size=300).get_vocab()
    assert {token for token in vocabulary if token.startswith("##") and token[2:] in "中文日本。,()!¿?𠀀"} == set()
    assert {"##ひ", "##e", "中", ",", "。", "𠀀"} <= set(vocabulary)


def test_of_too_many_characters_the_most_frequent_stay():
    rare = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 300))
    said = []
    document = Document([*["plain words here"] * 400, rare], "test")
    tokenizer = train_wordpiece([document], TokenizerConfig(vocab_size=128, min_frequency=1), warn=said.append)
    assert "[UNK]" not in tokenizer.encode("plain words here").tokens
    assert "[UNK]" in tokenizer.encode(rare).tokens
    assert f"the text has {300 + len(set('plainwordshere'))} characters" in said[0]
    assert "become [UNK]" in said[0]
    # English keeps half of the room for its pieces, however many rare characters there are.
    assert {"plain", "words", "here"} <= set(tokenizer.get_vocab())


def test_a_vocabulary_far_below_the_wish_is_said():
    said = []
    train_wordpiece([Document(["few words here"] * 5, "a")], TokenizerConfig(vocab_size=1000), warn=said.append)
    assert len(said) == 1
    assert "entries instead of 1,000" in said[0]
    said = []
    train_wordpiece([Document(TEXT, "a")], TokenizerConfig(vocab_size=64, min_frequency=1), warn=said.append)
    assert not [warning for warning in said if "instead of" in warning]


def test_words_of_megabytes_are_cut_before_training():
    genome = "".join(random.Random(1).choices("acgt", k=1 << 21))
    tokenizer = trained(["some words here", f"the genome {genome} is long"] * 2, vocab_size=300)
    assert {"some", "words", "genome", "long"} <= set(tokenizer.get_vocab())
    assert not {token for token in tokenizer.get_vocab() if len(token) > 4 and set(token) <= set("acgt#")}


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
