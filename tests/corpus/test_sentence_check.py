import re

import pytest
from conftest import small_recipe

from recipe.corpus import Document
from recipe.corpus.prepare import prepare_corpus
from recipe.corpus.sentence_check import SentenceCheck
from recipe.files import read_json

SENTENCE = "The patient received aspirin and went home on the same day."
WRAPPED = "this paragraph goes on over many lines that end somewhere in the middle of a sentence, as if by a ruler. "


def warning_of(documents: list[list[str]], is_by_line: bool = False) -> str | None:
    check = SentenceCheck(is_by_line)
    for sentences in documents:
        check.add(Document(sentences, "a"))
    return check.warning()


def wrapped(width: int = 40, copies: int = 20) -> list[str]:
    words, lines = (WRAPPED * copies).split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


@pytest.mark.parametrize(
    ("documents", "is_by_line", "cause"),
    [
        ([[SENTENCE] * 5] * 10, True, None),
        ([[SENTENCE] * 5] * 10, False, None),
        ([["中文句子很短。"] * 5] * 10, False, None),
        # Titles and lists have no marks either, but begin with capitals.
        ([["Aspirin", "Contraindications", "Dosage and use", SENTENCE]] * 10, True, None),
        ([[" ".join([SENTENCE] * 8)] * 3] * 10, False, "words on average.*corpus.language"),
        ([[" ".join([SENTENCE] * 8)] * 3] * 10, True, "words on average.*several sentences on one line"),
        ([["很长的中文段落" * 12] * 3] * 10, False, "84 words on average"),
        ([[SENTENCE]] * 30, True, "1.00 sentences a document.*blank line after every sentence"),
        ([[SENTENCE]] * 30, False, "1.00 sentences a document.*sentence_splitter"),
        ([wrapped()] * 3, True, "hard-wrapped.*set corpus.format to paragraphs"),
        # Too few to say anything.
        ([[SENTENCE]] * 5, True, None),
    ],
)
def test_what_shows_that_text_is_not_split(documents, is_by_line, cause):
    found = warning_of(documents, is_by_line)
    if cause is None:
        assert found is None
    else:
        assert re.search(cause, found)


def test_the_stage_prints_and_keeps_the_warning(tmp_path, capsys):
    (tmp_path / "wrapped.txt").write_text("\n\n".join("\n".join(wrapped(width)) for width in (38, 40, 43, 47)))
    recipe = small_recipe(tmp_path / "wrapped.txt", tmp_path / "run")
    prepare_corpus(recipe)
    (found,) = read_json(recipe.folder / "corpus" / "statistics.json")["warnings"]
    assert "hard-wrapped" in found
    assert f"corpus: warning: {found}" in capsys.readouterr().out
