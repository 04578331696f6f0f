"""How tokenizers cut the words of texts and tasks, side by side; for a run and as a command of its own."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tqdm import tqdm

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import Document, read_documents
from recipe.corpus.prepared import read_prepared_split
from recipe.errors import InputError
from recipe.files import atomic_write, write_json
from recipe.formatting import count, percent
from recipe.tasks.catalog import read_named_task
from recipe.tasks.data.columns import NerTask
from recipe.tokenizer.fertility import fertility, word_counts
from recipe.tokenizer.folder import load_tokenizer

HEADINGS = ("text", "words", "tokenizer", "entries", "pieces a word", "whole words", "of distinct words", "[UNK]")
SHOWN_SPLITS = 5


def inspect_run(recipe: Recipe) -> None:
    """Write RUN/fertility.json: RUN/tokenizer and others on the validation text and on the words of the task."""
    tokenizers = {"this": load_tokenizer(recipe.folder / "tokenizer"), **_named(recipe.tokenizer.compare_with)}
    documents = read_prepared_split(recipe.folder / "corpus", recipe.corpus, "validation", recipe.seed)
    texts = {"validation text": word_counts(_sentences(documents))}
    if recipe.task.name is not None:
        texts |= task_texts(recipe.task.name, recipe.task.data)
    write_json(recipe.folder / "fertility.json", {"rows": inspect(tokenizers, texts)})


def inspect(tokenizers: dict[str, Tokenizer], texts: dict[str, Counter[str]]) -> list[dict[str, Any]]:
    """One row for each text and tokenizer: a `Fertility` with their names and the tokenizer's number of entries."""
    return [
        {
            "text": text,
            "tokenizer": name,
            "vocab_size": tokenizer.get_vocab_size(),
            **asdict(fertility(tokenizer, words)),
        }
        for text, words in texts.items()
        if words
        for name, tokenizer in tokenizers.items()
    ]


def task_texts(name: str, data: str | None = None) -> dict[str, Counter[str]]:
    """The words of a task's three splits: all, and, where words have tags, those of its entities."""
    task: Any = read_named_task(name, Path(data) if data else None).task
    examples = [*task.train, *task.devel, *task.test]
    if not isinstance(task, NerTask):
        return {f"{task.name}: all words": word_counts(f"{each.text} {each.other}" for each in examples)}
    inside = (word for each in examples for word, tag in zip(each.words, each.tags, strict=True) if tag != "O")
    return {
        f"{task.name}: all words": word_counts(" ".join(each.words) for each in examples),
        f"{task.name}: entities": word_counts(inside),
    }


def table_of(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The rows in words, in the order of HEADINGS."""
    return [
        [
            row["text"],
            count(row["words"]),
            row["tokenizer"],
            count(row["vocab_size"]),
            f"{row['pieces_per_word']:.2f}",
            percent(row["whole_share"]),
            percent(row["whole_share_of_distinct"]),
            percent(row["unknown_share"], 3),
        ]
        for row in rows
    ]


def longest_splits(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(text, tokenizer, its longest splits) of each row that has any."""
    shown = [(row, row["longest"][:SHOWN_SPLITS]) for row in rows if row["longest"]]
    return [
        (row["text"], row["tokenizer"], ", ".join(" ".join(pieces) for _, pieces in splits)) for row, splits in shown
    ]


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table and the longest splits."""
    table = [HEADINGS, ["--"] * len(HEADINGS), *table_of(rows)]
    splits = [f"- {text}, {name}: {found}" for text, name, found in longest_splits(rows)]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in table] + ["", "Longest splits:", "", *splits, ""])


def inspect_from_command_line(
    tokenizer: str, text: list[str], task: list[str], beside: list[str], output: Path | None
) -> None:
    """Print the table of some tokenizers on texts and tasks; with an output folder also write it and its plot.

    Raises:
        InputError: if there is nothing to read, or it cannot be read.
    """
    if not text and not task:
        raise InputError("nothing to inspect the tokenizer on; name --text FILES or --task FOLDER")
    tokenizers = _named([tokenizer, *beside])
    texts = {Path(entry).name: word_counts(_sentences(read_documents(CorpusConfig(path=[entry])))) for entry in text}
    for entry in task:
        texts |= task_texts(entry)
    rows = inspect(tokenizers, texts)
    print(markdown(rows))
    if output is not None:
        # Here, since matplotlib takes half a second, and most callers want the table.
        from recipe.report.plots import fertility_figure, png_of

        with atomic_write(output) as folder:
            folder.mkdir()
            (folder / "fertility.md").write_text(markdown(rows), encoding="utf-8")
            (folder / "fertility.png").write_bytes(png_of(fertility_figure(rows)))
            write_json(folder / "fertility.json", {"rows": rows})


def _named(folders: list[str]) -> dict[str, Tokenizer]:
    """Tokenizers by the shortest end of their paths that tells them apart."""
    # Most folders are called "tokenizer", so the last part alone would not do.
    parts = {folder: Path(folder).resolve().parts for folder in folders}
    for length in range(1, max(map(len, parts.values()), default=1) + 1):
        names = {folder: "/".join(found[-length:]) for folder, found in parts.items()}
        if len(set(names.values())) == len(names):
            break
    return {names[folder]: load_tokenizer(Path(folder)) for folder in folders}


def _sentences(documents: Iterable[Document]) -> Iterable[str]:
    sentences = (sentence for document in documents for sentence in document.sentences)
    return tqdm(sentences, desc="inspect: sentences read", unit=" sentences", delay=1, disable=None)
