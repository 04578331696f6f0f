"""The size of a corpus from parts of its files, against the truth."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import small_recipe, write_corpus

from recipe.errors import InputError
from recipe.pipeline import run_stage
from recipe.planning import sample
from recipe.planning.plan import plan_of, text_of
from recipe.tokens.store import open_token_store


def texts(number: int, seed: int = 1) -> list[str]:
    """Documents of made-up words, of one to twenty sentences a line."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 9))) for _ in range(400)]
    return [
        "\n".join(" ".join(draw.choices(words, k=draw.randint(3, 20))) + "." for _ in range(draw.randint(1, 20)))
        for _ in range(number)
    ]


def write(folder, form: str, documents: list[str], files: int) -> None:
    folder.mkdir()
    for number in range(files):
        part = documents[number::files]
        path = folder / f"{number:02d}.{form}"
        if form == "parquet":
            table = pa.table({"text": [text.split("\n") for text in part], "other": ["x" * 500] * len(part)})
            pq.write_table(table, path, row_group_size=300)
        elif form == "jsonl":
            path.write_text("".join(json.dumps({"text": text.split("\n")}) + "\n" for text in part))
        elif form == "txt.gz":
            path.write_bytes(gzip.compress("\n\n".join(part).encode()))
        elif form == "txt.zst":
            with pa.CompressedOutputStream(str(path), "zstd") as file:
                file.write("\n\n".join(part).encode())
        else:
            path.write_text("\n\n".join(part))


@pytest.mark.parametrize("form", ["txt", "txt.gz", "txt.zst", "jsonl", "parquet"])
def test_a_sample_of_any_format_finds_the_size_of_the_corpus(form, tmp_path, monkeypatch):
    # A sixth of 3.2 M characters is read: half of the files, and a third of each.
    monkeypatch.setattr(sample, "SAMPLE_CHARACTERS", 400_000)
    monkeypatch.setattr(sample, "SAMPLE_FILES", 2)
    monkeypatch.setattr("recipe.corpus.readers.text_blocks.BYTES_PER_READ", 1 << 18)
    write(tmp_path / "corpus", form, texts(4000), 4)
    recipe = small_recipe(tmp_path / "corpus", tmp_path / "run", **{"corpus.validation_share": "0.01"})
    found = text_of(recipe)
    for stage in ("corpus", "tokenizer", "tokens"):
        run_stage(recipe, stage)
    truth = open_token_store(recipe.folder / "store" / "train").counts
    assert "beginnings of 2 of 4 files" in found.source
    assert found.low < 1 < found.high
    assert found.tokens * found.low < truth["tokens"] < found.tokens * found.high
    assert found.documents == pytest.approx(truth["documents"], rel=0.15)
    assert found.sentences == pytest.approx(truth["sentences"], rel=0.15)
    assert found.rare_share is None, "the pieces of a part of the text say nothing about rare ones"
    assert found.vocab_size == recipe.tokenizer.vocab_size


def test_a_corpus_that_is_read_as_a_whole_is_counted(tmp_path, prepared):
    recipe = small_recipe(prepared.corpus.path[0], tmp_path / "run")
    found, truth = text_of(recipe), text_of(prepared)
    counted = ("tokens", "documents", "sentences", "low", "high", "pairs", "vocab_size", "rare_share")
    assert [getattr(found, name) for name in counted] == [getattr(truth, name) for name in counted]
    assert (found.lengths == truth.lengths).all()
    assert found.source == "counted in all 1 files"
    assert not recipe.folder.exists()


def test_cleaning_counts(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt", documents=80)
    all_of_it = text_of(small_recipe(corpus, tmp_path / "run"))
    some = text_of(small_recipe(corpus, tmp_path / "run", **{"corpus.min_document_words": "60"}))
    assert 0.3 * all_of_it.documents < some.documents < 0.8 * all_of_it.documents


def test_a_given_tokenizer_leaves_no_doubt_about_it(tmp_path, prepared):
    folder = prepared.folder / "tokenizer"
    recipe = small_recipe(prepared.corpus.path[0], tmp_path / "run", **{"tokenizer.path": str(folder)})
    assert (text_of(recipe).low, text_of(recipe).high) == (1, 1)
    assert text_of(recipe).vocab_size == text_of(prepared).vocab_size


def test_a_data_set_of_the_hub_has_no_known_size(tmp_path):
    with pytest.raises(
        InputError, match=r"how large hub:some/texts is cannot be known .* run `domain-bert run CONFIG"
    ):
        text_of(small_recipe("hub:some/texts", tmp_path / "run"))


def test_too_few_documents_are_refused(tmp_path):
    (tmp_path / "corpus.txt").write_text("One.\n\nTwo.\n")
    with pytest.raises(InputError, match=r"the sample of 1 file\(s\) has 2 clean document\(s\), too few to plan with"):
        text_of(small_recipe(tmp_path / "corpus.txt", tmp_path / "run"))


def test_a_corpus_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="leads to no file"):
        plan_of(small_recipe(tmp_path / "absent.txt", tmp_path / "run"), None, {})
