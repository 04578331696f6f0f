"""The sentence splitter on a task's sentences joined back to running text: precision, recall and F1 of boundaries, and
sentences per second on one core.

python benchmarks/sentences.py ../shared/data/tasks/BC5CDR-chem-IOB

The words of a task file stand apart, so they are joined by rules (no space before a full stop, in a number, around a
hyphen, ...); ten sentences make a text. pysbd and blingfire are measured next to ours where they are installed. Writes
sentences.{md,json}.
"""

import importlib.util
import re
import time
from collections.abc import Callable
from pathlib import Path

from reporting import machine, markdown_table, program_parser, save

from recipe.config import SPLITTERS
from recipe.corpus.sentences import splitter
from recipe.tasks.data.columns import read_task

PER_TEXT = 10
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
    gold = [joined(sentence.words) for sentence in [*task.train, *task.devel, *task.test]]
    texts = [gold[start : start + PER_TEXT] for start in range(0, len(gold), PER_TEXT)]
    rows = [{"splitter": name, **measured(split, texts)} for name, split in splitters().items()]
    shown = [{**row, **{name: f"{row[name]:.4f}" for name in ("f1", "precision", "recall")}} for row in rows]
    title = (
        f"# Sentence boundaries\n\n{task.name}: {len(gold):,} sentences joined to texts of {PER_TEXT}, one core of"
        f" {machine()['cpu']}.\n\n"
    )
    save(arguments.results, "sentences", {"machine": machine(), "rows": rows}, title + markdown_table(COLUMNS, shown))
    print(markdown_table(COLUMNS, shown))


def joined(words: list[str]) -> str:
    """The words as running text."""
    text = " ".join(words)
    text = re.sub(r" ([.,;:!?%)\]}])", r"\1", text)
    text = re.sub(r"([(\[{]) ", r"\1", text)
    text = re.sub(r"(?<=\d)([.,]) (?=\d)", r"\1", text)
    text = re.sub(r"\b([A-Za-z]\.) (?=[A-Za-z]\.)", r"\1", text)
    return re.sub(r"(?<=\w) ?([-/+]) ?(?=\w)", r"\1", text)


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


def splitters() -> dict[str, Callable[[str], list[str]]]:
    """Ours, and what is installed."""
    return {name: splitter(name) for name in SPLITTERS if name == "rules" or importlib.util.find_spec(name)}


if __name__ == "__main__":
    main()
