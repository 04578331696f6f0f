"""Corpora in Chinese, Korean and German from text to report, as a user runs them."""

import random

import pytest
from conftest import small_recipe
from transformers import pipeline

from recipe.files import read_json
from recipe.pipeline import run_all

STEMS = ["Patient", "Wirkstoff", "Ärztin", "Übung", "Körper", "Größe", "Prüfung", "Dosis", "Gefäß", "Zelle"]


def chinese(draw: random.Random) -> str:
    letters = [chr(0x4E00 + number) for number in range(0, 4000, 9)]
    return "".join(draw.choices(letters, k=draw.randint(5, 16))) + draw.choice("。。。！？")


def korean(draw: random.Random) -> str:
    syllables = [chr(0xAC00 + number) for number in range(0, 11172, 60)]
    words = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(draw.randint(2, 5))]
    return " ".join(words) + draw.choice(["다.", "다.", "까?", "요!"])


def german(draw: random.Random) -> str:
    noun, other = draw.sample(STEMS, 2)
    return draw.choice(
        [
            f"Am {draw.randint(1, 28)}. Juni bekam die {noun} z. B. {draw.randint(1, 90)} mg.",
            f"Nach Abs. {draw.randint(1, 9)} gilt die {noun} als {other}.",
            f"Über {draw.randint(2, 99)} % der {noun} waren für die {other} geeignet.",
            f"Dr. {noun} sah die {other} im {draw.randint(2, 9)}. Jahrhundert.",
            f"War die {noun} schöner?",
        ]
    )


@pytest.mark.parametrize(
    ("code", "sentence", "joined", "vocabulary", "word"),
    [("zh", chinese, "", 480, "中"), ("ko", korean, " ", 800, "가"), ("de", german, " ", 240, "für")],
)
@pytest.mark.filterwarnings("error:Glyph")
def test_from_text_to_report(tmp_path, capsys, code, sentence, joined, vocabulary, word):
    draw = random.Random(code)
    documents = [[sentence(draw) for _ in range(draw.randint(20, 40))] for _ in range(40)]
    (tmp_path / "text").mkdir()
    for number, sentences in enumerate(documents):
        (tmp_path / "text" / f"{number:03d}.txt").write_text(joined.join(sentences), encoding="utf-8")
    settings = {"corpus.format": "plain_text", "corpus.language": code, "tokenizer.vocab_size": str(vocabulary)}
    recipe = small_recipe(tmp_path / "text", tmp_path / "run", **settings, **{"pairs.max_seq_length": "64"})
    run_all(recipe)
    run = recipe.folder
    (read,) = [row for row in read_json(run / "corpus" / "statistics.json")["filters"] if row["filter"] == "read"]
    assert read["sentences"] == sum(map(len, documents))
    for split in read_json(run / "pairs" / "statistics.json").values():
        assert split["unknown_tokens"] == 0
        assert split["label_1_share"] < 0.6
        assert not split["warnings"]
    assert read_json(run / "tokenizer" / "statistics.json")["strip_accents"] is False
    report = (run / "report.html").read_text(encoding="utf-8")
    assert f"corpus.language is {code}, where they tell words apart" in report
    words = read_json(run / "tokenizer" / "statistics.json")["top_whole_words"]
    # A Chinese word is one character here, and words of fewer than three tell nothing.
    assert bool(words) == (code != "zh")
    assert all(f"<tr><th>{frequent}</th>" in report for frequent, _ in words[:20])
    assert f"language: {code}" in (run / "model" / "README.md").read_text(encoding="utf-8")
    guesses = pipeline("fill-mask", model=str(run / "model"))(f"{word} [MASK]")
    assert len(guesses) == 5
    assert "[UNK]" not in guesses[0]["sequence"]
    assert "warning" not in capsys.readouterr().out
