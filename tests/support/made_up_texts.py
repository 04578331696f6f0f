"""Made-up tasks of every kind that reads whole texts or types of words, in the forms of BLURB, each with a rule that a
right program must learn.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.rng import derive_key, random_below
from recipe.tasks.catalog import task_table

SIZES = {"train": 240, "dev": 16, "test": 24}
# What decides, by answer: a word that stands somewhere in the text.
CLUES = {"harms": 0, "helps": 1, "maybe": 2}
FILLERS = ["the", "cell", "of", "rats", "with", "was", "given", "and", "in", "fever"]
WORDS = [*CLUES, "@", "$", "gene", "disease", "drug", "chemical", "does", "it", "?"]
HALLMARKS = task_table()["hoc"].options["labels"]


def write_texts(task: str, folder: Path) -> Path:
    """The files of a made-up stand-in for a task of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SIZES:
        WRITERS[task](folder, split)
    return folder


def _drawn(split: str, answers: int) -> Iterator[tuple[int, int, list[str]]]:
    """Number, answer and filling words of each example."""
    for number in range(SIZES[split]):
        draws = random_below(1000, derive_key(3, split, number), range(12)).tolist()
        yield number, draws[0] % answers, [FILLERS[draw % len(FILLERS)] for draw in draws[1 : 4 + draws[1] % 5]]


def _clue(answer: int) -> str:
    """The word, often enough that [CLS] of a model of one layer takes note of it soon."""
    return " ".join([list(CLUES)[answer]] * 4)


def _relations(first: str, second: str, labels: list[str], heading: bool) -> Callable[[Path, str], None]:
    def write(folder: Path, split: str) -> None:
        rows = [
            f"{n}\t{first} {_clue(answer)} {second} {' '.join(words)} .\t{labels[answer]}\n"
            for n, answer, words in _drawn(split, len(labels))
        ]
        (folder / f"{split}.tsv").write_text(("index\tsentence\tlabel\n" if heading else "") + "".join(rows))

    return write


def _gad(folder: Path, split: str) -> None:
    rows = [
        {
            "id": str(n),
            "document_id": str(n),
            "text": f"@GENE$ {_clue(answer)} @DISEASE$ {' '.join(words)} .",
            "labels": [str(answer)],
        }
        for n, answer, words in _drawn(split, 2)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


def _biosses(folder: Path, split: str) -> None:
    rows = [
        f"{n}\t{' '.join(words)}\t{_clue(answer)} {words[0]}\t{2.0 * answer}\n"
        for n, answer, words in _drawn(split, 3)
    ]
    (folder / f"{split}.tsv").write_text("index\tsentence1\tsentence2\tscore\n" + "".join(rows))


def _hoc(folder: Path, split: str) -> None:
    """Documents of two sentences; the clue of either one gives a label."""
    lines = ["labels\tsentence\tindex\n"]
    for number, answer, words in _drawn(split, 3):
        for place, holding in enumerate(({answer}, set())):
            flags = ",".join(f"{label}_{int(label in holding)}" for label in range(len(HALLMARKS)))
            lines.append(
                f"{flags}\t{_clue(answer) if place == 0 else words[0]} {' '.join(words)} .\t{number}_s{place}\n"
            )
    (folder / f"{split}.tsv").write_text("".join(lines))


def _pubmedqa(folder: Path, split: str) -> None:
    answers = ["no", "yes", "maybe"]
    found = {
        str(1000 + n): {
            "QUESTION": "does it ?",
            "CONTEXTS": [" ".join(words), f"{_clue(answer)} ."],
            "LABELS": ["A", "B"],
            "final_decision": answers[answer],
        }
        for n, answer, words in _drawn(split, 3)
    }
    (folder / f"{split}_set.json").write_text(json.dumps(found, indent=4))


def _bioasq(folder: Path, split: str) -> None:
    rows = [
        f"{n:x}\tdoes it ?\t{_clue(answer)} {' '.join(words)}\t{['no', 'yes'][answer]}\n"
        for n, answer, words in _drawn(split, 2)
    ]
    (folder / f"{split}.tsv").write_text("".join(rows))


def _pico(folder: Path, split: str) -> None:
    types = {"rats": "I-PAR", "given": "I-INT", "fever": "I-OUT"}
    blocks = ["-DOCSTART-\tO\n"]
    for _, _, words in _drawn(split, 3):
        blocks.append("".join(f"{word}\t{types.get(word, 'O')}\n" for word in words))
    (folder / f"{split}.tsv").write_text("\n".join(blocks))


WRITERS: dict[str, Callable[[Path, str], None]] = {
    "chemprot": _relations("@CHEMICAL$", "@GENE$", ["false", "CPR:4", "CPR:9"], heading=False),
    "ddi": _relations("@DRUG$", "@DRUG$", ["DDI-false", "DDI-effect", "DDI-int"], heading=True),
    "gad": _gad,
    "biosses": _biosses,
    "hoc": _hoc,
    "pubmedqa": _pubmedqa,
    "bioasq": _bioasq,
    "ebm-nlp": _pico,
}
