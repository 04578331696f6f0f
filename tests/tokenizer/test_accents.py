import unicodedata

import pytest
from conftest import small_recipe

from recipe.config import CorpusConfig, TokenizerConfig
from recipe.corpus import Document
from recipe.corpus.prepare import prepare_corpus
from recipe.corpus.prepared import write_prepared
from recipe.files import read_json
from recipe.tokenizer.accents import mark_share, strip_accents
from recipe.tokenizer.build import make_tokenizer
from recipe.tokenizer.folder import load_tokenizer

ENGLISH = "The naive patient met the doctor in the cafe for a short consultation about asthma." * 5


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("plain", 0, 0),
        ("", 0, 0),
        (ENGLISH + " résumé", 0.001, 0.01),
        ("für Männer über fünf", 0.15, 0.3),
        ("मैं हूँ", 0.5, 1),
        ("한국어 문장", 1, 1),
        ("がぎ か", 0.5, 0.7),
        ("中文没有", 0, 0),
        ("αβγ без ударений", 0, 0.1),
    ],
)
def test_share_of_letters_that_lose_something(text, low, high):
    assert low <= mark_share(text) <= high
    assert low <= mark_share(unicodedata.normalize("NFD", text)) <= high


@pytest.mark.parametrize(
    ("text", "corpus", "tokenizer", "strips", "why"),
    [
        (ENGLISH, {}, {}, True, "English"),
        (ENGLISH, {"language": "de"}, {}, False, "corpus.language is de"),
        ("한국어 문장이다.", {}, {}, False, "100% of the letters"),
        ("Très élégant, à côté.", {}, {}, False, "of the letters have accents"),
        ("한국어 문장이다.", {}, {"strip_accents": True}, True, "tokenizer.strip_accents"),
        (ENGLISH, {}, {"strip_accents": False}, False, "tokenizer.strip_accents"),
        (ENGLISH, {}, {"lowercase": False}, False, "not lower-cased"),
    ],
)
def test_accents_stay_where_they_tell_words_apart(tmp_path, text, corpus, tokenizer, strips, why):
    write_prepared(tmp_path, [Document([text], "a")] * 3)
    found, because = strip_accents(CorpusConfig(**corpus), TokenizerConfig(**tokenizer), tmp_path)
    assert found is strips
    assert why in because


def test_the_whole_corpus_is_looked_at_not_its_begin(tmp_path, monkeypatch):
    monkeypatch.setattr("recipe.corpus.prepared.CHARACTERS_PER_GROUP", 100)
    write_prepared(tmp_path, [*[Document([ENGLISH], "a")] * 3, *[Document(["한국어 문장이다." * 40], "b")] * 9])
    assert strip_accents(CorpusConfig(), TokenizerConfig(), tmp_path)[0] is False


def test_korean_syllables_stay_whole_in_the_tokenizer_of_a_run(tmp_path):
    text = "\n\n".join(f"한국어 문장 {number}번이다.\n그러나 비가 왔다." for number in range(30))
    (tmp_path / "ko.txt").write_text(text, encoding="utf-8")
    recipe = small_recipe(tmp_path / "ko.txt", tmp_path / "run", **{"corpus.language": "ko"})
    prepare_corpus(recipe)
    make_tokenizer(recipe)
    tokens = load_tokenizer(recipe.folder / "tokenizer").encode("한국어 문장", add_special_tokens=False).tokens
    assert "".join(token.removeprefix("##") for token in tokens) == "한국어문장"
    assert read_json(recipe.folder / "tokenizer" / "tokenizer_config.json")["strip_accents"] is False
    assert read_json(recipe.folder / "tokenizer" / "statistics.json")["strip_accents"] is False
