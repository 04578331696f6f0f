"""Cleaning as `prepare_corpus` does it: what each filter takes, and that task sentences are found anywhere."""

import json
import random

import pytest
from conftest import small_recipe

from recipe.corpus.prepare import prepare_corpus
from recipe.errors import InputError

WORDS = ["".join(random.Random(seed).choices("abcdefghijklmnop", k=3 + seed % 8)) for seed in range(400)]


def sentence(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(14, 24))).capitalize() + "."


def prepared(tmp_path, text: str, **settings: str) -> tuple[list[dict], dict]:
    """removed.jsonl and statistics.json of a text that was prepared."""
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    recipe = small_recipe(
        tmp_path / "text.txt", tmp_path / "run", **{f"corpus.{name}": value for name, value in settings.items()}
    )
    prepare_corpus(recipe)
    folder = recipe.folder / "corpus"
    removed = [json.loads(line) for line in (folder / "removed.jsonl").read_text(encoding="utf-8").splitlines()]
    return removed, json.loads((folder / "statistics.json").read_text())


def test_planted_task_sentences_are_found_and_nothing_else(tmp_path):
    draw = random.Random(1)
    planted = [sentence(draw) for _ in range(50)]
    for split in ("devel", "test"):
        half = planted[:25] if split == "devel" else planted[25:]
        (tmp_path / f"{split}.tsv").write_text(
            "".join("".join(f"{word}\tO\n" for word in text.split()) + "\n" for text in half)
        )
    documents = [[sentence(draw) for _ in range(2)] for _ in range(10_000)]
    ways = (
        str,
        str.upper,
        lambda text: "   ".join(text.split()),
        lambda text: f"It was said that {text[:-1]}, which is long",
    )
    places = draw.sample(range(10_000), 50)
    for number, place in enumerate(places):
        documents[place].insert(1, ways[number % len(ways)](planted[number]))
    removed, statistics = prepared(
        tmp_path,
        "\n\n".join("\n".join(lines) for lines in documents),
        decontaminate=f"[{tmp_path}/devel.tsv, {tmp_path}/test.tsv]",
    )
    assert sum(statistics["removed_documents"].values()) == 50
    assert len(removed) == 50
    line_of = {}
    line = 1
    for number, lines in enumerate(documents):
        line_of[f":{line}"] = number
        line += len(lines) + 1
    assert {line_of[":" + entry["source"].rsplit(":", 1)[1]] for entry in removed} == set(places)


def test_copies_and_control_characters_go_and_the_report_tells(tmp_path):
    text = "One\u200b  sentence of text.\nAnother.\n\nOther words here.\nAnd more.\n\nOne sentence of text.\nAnother."
    removed, statistics = prepared(tmp_path, text)
    assert len(removed) == 1
    assert "duplicate" in removed[0]["filter"]
    assert (statistics["filters"][0]["documents"], statistics["filters"][-1]["documents"]) == (3, 2)
    left = ["One sentence of text.\nAnother.", "Other words here.\nAnd more."]
    assert statistics["filters"][-1]["characters"] == sum(map(len, left))


def test_near_copies_go_if_asked(tmp_path):
    pytest.importorskip("datasketch", reason="the extra [dedup] is not installed")
    draw = random.Random(2)
    one = [sentence(draw) for _ in range(10)]
    text = "\n\n".join(
        "\n".join(lines) for lines in (one, [sentence(draw) for _ in range(10)], [*one[:9], "A new end of the text."])
    )
    assert len(prepared(tmp_path, text)[0]) == 0
    removed, _ = prepared(tmp_path, text, near_duplicates="0.7")
    assert len(removed) == 1


def test_a_text_of_which_nothing_is_left_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match="cleaning left none of 2 documents"):
        prepared(tmp_path, "One.\n\nTwo.", min_document_words="50")
    assert not (tmp_path / "run" / "corpus").exists()


def test_other_scripts_go_if_asked(tmp_path):
    removed, _ = prepared(tmp_path, "Latin words.\n\nКириллица тут.\n\nMore latin words.", script="latin")
    assert [entry["excerpt"][:9] for entry in removed] == ["Кириллица"]
