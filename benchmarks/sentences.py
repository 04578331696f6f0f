"""The sentence splitter on a task's sentences joined back to running text: precision, recall and F1 of boundaries, and
sentences per second on one core.

python benchmarks/sentences.py ../shared/data/tasks/BC5CDR-chem-IOB

The words of a task file stand apart, so they are joined by rules (no space before a full stop, in a number, around a
hyphen, ...); ten sentences make a text. Other languages: benchmarks/texts/LANGUAGE.txt, written for this purpose, one
sentence per line. pysbd and blingfire are measured next to ours where they are installed; a dash: pysbd does not know
the language. Writes sentences.{md,json}.
"""

import importlib.util
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reporting import machine, markdown_table, program_parser, save

from recipe.config import SPLITTERS
from recipe.corpus.sentences import splitter
from recipe.errors import InputError
from recipe.tasks.data.columns import read_task

PER_TEXT = 10
TEXTS = Path(__file__).parent / "texts"
COLUMNS = {
    "splitter": "splitter",
    "f1": "boundary F1",
    "precision": "precision",
    "recall": "recall",
    "sentences_per_second": "sentences/s",
}


def main() -> None:
    """Measure and write."""
    parser = program_parser(__doc__)
    parser.add_argument("task", type=Path)
    arguments = parser.parse_args()
    task = read_task(arguments.task)
    gold = with_item_numbers([joined(sentence.words) for sentence in [*task.train, *task.devel, *task.test]])
    texts = [gold[start : start + PER_TEXT] for start in range(0, len(gold), PER_TEXT)]
    rows = [{"splitter": name, **measured(split, texts)} for name, split in splitters("en").items()]
    shown = [{**row, **{name: f"{row[name]:.4f}" for name in ("f1", "precision", "recall")}} for row in rows]
    languages = [{"language": path.stem, **boundary_f1(path)} for path in sorted(TEXTS.glob("*.txt"))]
    columns = {"language": "boundary F1 in"} | {name: name for name in SPLITTERS if name in languages[0]}
    table = markdown_table(
        columns,
        [
            {name: f"{each:.3f}" if isinstance(each, float) else each for name, each in row.items()}
            for row in languages
        ],
    )
    title = (
        f"# Sentence boundaries\n\n{task.name}: {len(gold):,} sentences joined to texts of {PER_TEXT}, one core of"
        f" {machine()['cpu']}.\n\n"
    )
    body = f"{markdown_table(COLUMNS, shown)}\n{table}"
    save(arguments.results, "sentences", {"machine": machine(), "rows": rows, "languages": languages}, title + body)
    print(body)


def boundary_f1(path: Path) -> dict[str, float | str]:
    """F1 of each splitter on the sentences of a file LANGUAGE.txt, joined by spaces."""
    sentences = path.read_text(encoding="utf-8").splitlines()
    found = {name: measured(split, [sentences])["f1"] for name, split in splitters(path.stem).items()}
    return found | ({"pysbd": "–"} if "pysbd" not in found and importlib.util.find_spec("pysbd") else {})


def joined(words: list[str]) -> str:
    """The words as running text."""
    text = " ".join(words)
    text = re.sub(r" ([.,;:!?%)\]}])", r"\1", text)
    text = re.sub(r"([(\[{]) ", r"\1", text)
    text = re.sub(r"(?<=\d)([.,]) (?=\d)", r"\1", text)
    text = re.sub(r"\b([A-Za-z]\.) (?=[A-Za-z]\.)", r"\1", text)
    return re.sub(r"(?<=\w) ?([-/+]) ?(?=\w)", r"\1", text)


def with_item_numbers(sentences: list[str]) -> list[str]:
    """Task files made by a splitter have "1." as a sentence of its own; here it belongs to the sentence after it."""
    merged: list[str] = []
    for sentence in sentences:
        if merged and re.fullmatch(r"(\d{1,2}|[IVX]+)\.", merged[-1]):
            merged[-1] += f" {sentence}"
        else:
            merged.append(sentence)
    return merged


def measured(split: Callable[[str], list[str]], texts: list[list[str]]) -> dict[str, float]:
    """Boundaries are counted in characters without white space; the end of a text is not a boundary."""
    right = found = expected = 0
    started = time.perf_counter()
    results = [split(" ".join(sentences)) for sentences in texts]
    seconds = time.perf_counter() - started
    for sentences, result in zip(texts, results, strict=True):
        gold, ours = boundaries(sentences), boundaries(result)
        right, found, expected = right + len(gold & ours), found + len(ours), expected + len(gold)
    precision, recall = right / found, right / expected
    return {
        "f1": 2 * precision * recall / (precision + recall),
        "precision": precision,
        "recall": recall,
        "sentences_per_second": sum(map(len, texts)) / seconds,
    }


def boundaries(sentences: list[str]) -> set[int]:
    """Letters before each end but the last."""
    ends, total = set(), 0
    for sentence in sentences:
        total += len("".join(sentence.split()))
        ends.add(total)
    return ends - {total}


def splitters(language: str) -> dict[str, Callable[[str], list[str]]]:
    """Ours, and those that are installed and know the language."""
    found = {}
    for name in SPLITTERS:
        with suppress(InputError):
            found[name] = splitter(name, language)
    return found


if __name__ == "__main__":
    main()
