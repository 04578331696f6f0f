"""How tokenizers cut the words of texts and tasks, and how much of a task a text knows; for a run and as a command."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
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
from recipe.report import coverage as covered
from recipe.tasks.catalog import read_named_task
from recipe.tasks.data.columns import NerTask
from recipe.tokenizer.fertility import fertility, word_counts
from recipe.tokenizer.folder import load_tokenizer

# Raise it when RUN/fertility.json changes: the stage is done again, about a minute a gigabyte.
VERSION = 2
HEADINGS = ("text", "words", "tokenizer", "entries", "pieces a word", "whole words", "of distinct words", "[UNK]")
SHOWN_SPLITS = 5


def inspect_run(recipe: Recipe) -> None:
    """Write RUN/fertility.json: RUN/tokenizer and others on the validation text and on the words of the task.

    With a task also how much of its training split the training documents know, which is printed in one line.
    """
    tokenizers = {"this": load_tokenizer(recipe.folder / "tokenizer"), **_named(recipe.tokenizer.compare_with)}
    documents = read_prepared_split(recipe.folder / "corpus", recipe.corpus, "validation", recipe.seed)
    texts = {"validation text": word_counts(_sentences(documents))}
    found: dict[str, Any] = {"coverage": [], "warnings": []}
    if recipe.task.name is not None:
        texts |= task_texts(recipe.task.name, recipe.task.data)
        documents = read_prepared_split(recipe.folder / "corpus", recipe.corpus, "train", recipe.seed)
        rows = task_coverage(tokenizers["this"], recipe.task.name, recipe.task.data, documents)
        print(f"inspect: {covered.line_of(rows)}")
        if warning := covered.warning_of(rows):
            print(f"inspect: warning: {warning}")
            found["warnings"].append(warning)
        found["coverage"] = [asdict(row) for row in rows]
    write_json(recipe.folder / "fertility.json", {"rows": inspect(tokenizers, texts), **found})


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
    task = _task(name, data)
    examples = [*task.train, *task.devel, *task.test]
    if not isinstance(task, NerTask):
        return {f"{task.name}: all words": word_counts(f"{each.text} {each.other}" for each in examples)}
    inside = (word for each in examples for word, tag in zip(each.words, each.tags, strict=True) if tag != "O")
    return {
        f"{task.name}: all words": word_counts(" ".join(each.words) for each in examples),
        f"{task.name}: entities": word_counts(inside),
    }


def task_coverage(
    tokenizer: Tokenizer, name: str, data: str | None, documents: Iterable[Document]
) -> list[covered.Coverage]:
    """How much of a task's training split some documents know; their files by the shortest ends of their paths."""
    shown = tqdm(documents, desc="inspect: documents read", unit=" documents", delay=1, disable=None)
    rows = covered.coverage(tokenizer, _task(name, data).train, shown)
    names = _short_names([row.source for row in rows[:-1]])
    return [replace(row, source=names.get(row.source, row.source)) for row in rows]


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
    splits = [f"- {text}, {name}: {found}" for text, name, found in longest_splits(rows)]
    return "\n".join([_markdown_table(HEADINGS, table_of(rows)), "", "Longest splits:", "", *splits, ""])


def inspect_from_command_line(
    tokenizer: str, text: list[str], task: list[str], beside: list[str], output: Path | None
) -> None:
    """Print the table of some tokenizers on texts and tasks; with an output folder also write it and its plot.

    With both a text and a task, a second table says how much of the task all texts together, and each file, know.

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
    page, coverages = markdown(rows), dict[str, list[dict[str, Any]]]()
    for entry in task if text else ():
        found = task_coverage(load_tokenizer(Path(tokenizer)), entry, None, read_documents(CorpusConfig(path=text)))
        coverages[entry] = [asdict(row) for row in found]
        table = _markdown_table(covered.HEADINGS, covered.table_of(found))
        page += f"\nHow much of {_task(entry).name}, its training split, the texts know:\n\n{table}\n"
    print(page)
    if output is not None:
        # Here, since matplotlib takes half a second, and most callers want the table.
        from recipe.report.plots import fertility_figure, png_of

        with atomic_write(output) as folder:
            folder.mkdir()
            (folder / "fertility.md").write_text(page, encoding="utf-8")
            (folder / "fertility.png").write_bytes(png_of(fertility_figure(rows)))
            write_json(folder / "fertility.json", {"rows": rows, "coverage": coverages})


def _task(name: str, data: str | None = None) -> Any:
    return read_named_task(name, Path(data) if data else None).task


def _markdown_table(headings: Iterable[str], rows: list[list[str]]) -> str:
    table = [[*headings], ["--" for _ in headings], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in table)


def _named(folders: list[str]) -> dict[str, Tokenizer]:
    """Tokenizers by their short names."""
    return {name: load_tokenizer(Path(folder)) for folder, name in _short_names(folders).items()}


def _short_names(paths: list[str]) -> dict[str, str]:
    """The shortest ends of paths that tell them apart, all of one length."""
    # Most folders of tokenizers are called "tokenizer", so the last part alone would not do.
    parts = {path: Path(path).resolve().parts for path in paths}
    names: dict[str, str] = {}
    for length in range(1, max(map(len, parts.values()), default=0) + 1):
        names = {path: "/".join(found[-length:]) for path, found in parts.items()}
        if len(set(names.values())) == len(names):
            break
    return names


def _sentences(documents: Iterable[Document]) -> Iterable[str]:
    sentences = (sentence for document in documents for sentence in document.sentences)
    return tqdm(sentences, desc="inspect: sentences read", unit=" sentences", delay=1, disable=None)
