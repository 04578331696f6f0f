"""A fine-tuned tagger: its F1 and the gold entities that it scores at several lengths of a row, and raw text to
entities in words per second.

python benchmarks/prediction.py --model RUN/model --task bc5-chem --data data/tasks/bc5-chem --text
../shared/data/biomedical/ei_abstracts.txt.gz

The lengths are compared with what is left of the gold entities where sentences are cut, as run_ner.py of transformers
does it; the speed with the pipeline "token-classification" of transformers (aggregation_strategy="first", batches of
32 sentences), in turns. Writes prediction.{md,json}.
"""

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from reporting import machine, markdown_table, program_parser, save
from transformers import pipeline

from recipe.config import CorpusConfig
from recipe.corpus import read_documents
from recipe.pretraining.throughput import matmul_peak
from recipe.tasks.catalog import NamedTask, read_named_task
from recipe.tasks.data.entities import strict_entities
from recipe.tasks.finetuning.training import Materials, prepare, score_split, trained_model
from recipe.tasks.prediction.tagger import Tagger

LENGTH_COLUMNS = {
    "length": "length",
    "rows": "rows",
    "scored": "gold entities scored",
    "f1": "F1",
    "cut": "left where sentences are cut",
}
SPEED_COLUMNS = {"way": "way", "words": "words", "seconds": "seconds", "rate": "words/s", "speed": "speed"}


def main() -> None:
    """Measure and write."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    named = read_named_task(arguments.task, arguments.data)
    lengths = [scores_at(named, arguments.model, length) for length in arguments.lengths]
    speed, peak = speeds(arguments.model, arguments.text, arguments.documents, arguments.rounds)
    where = machine()
    heading = (
        f"# A fine-tuned tagger\n\n{named.entry.name}, test; {arguments.threads} threads of {where['cpu']}, commit"
        f" {where['commit']}."
    )
    between = f"Raw text to entities; the best matrix product in the same run came to {peak / 1e9:.0f} GFLOP/s:"
    tables = [markdown_table(LENGTH_COLUMNS, lengths), between, markdown_table(SPEED_COLUMNS, speed)]
    report = "\n\n".join([heading, *tables])
    save(arguments.results, "prediction", {"machine": where, "lengths": lengths, "speed": speed, "peak": peak}, report)
    print(report)


def scores_at(named: NamedTask, model: Path, length: int) -> dict[str, Any]:
    """The same weights with rows of at most `length` tokens."""
    materials = prepare(named.task, named.task_type, model, length, use_cpu=True)
    scores, _ = score_split(materials, trained_model(materials, model), "test")
    left = entities_left(named, materials, length)
    return {
        "length": length,
        "rows": len(materials.splits["test"].rows),
        "scored": scores["support"],
        "f1": f"{100 * scores['f1']:.2f}",
        "cut": left,
    }


def entities_left(named: NamedTask, materials: Materials, length: int) -> int:
    """Gold entities of test of which all words begin within the first length - 2 pieces of their sentence."""
    left = 0
    for sentence in named.task.test:
        encoding = materials.tokenizer(
            sentence.words, is_split_into_words=True, add_special_tokens=False, verbose=False
        )
        words = len({word for word in encoding.word_ids()[: length - 2] if word is not None})
        left += len(strict_entities(sentence.tags[:words]))
    return left


def speeds(model: Path, text: Path, documents: int, rounds: int) -> tuple[list[dict[str, Any]], float]:
    """Ours and the pipeline on the same documents, and the best matrix product between them in FLOP/s; of each the
    fastest round counts.
    """
    texts = [
        " ".join(document.sentences) for document in islice(read_documents(CorpusConfig(path=[str(text)])), documents)
    ]
    words = sum(len(text.split()) for text in texts)
    ways: dict[str, Callable[[], object]] = {
        "pipeline of transformers": pipeline_over(model, text, documents),
        "ours": ours_over(model, texts),
    }
    best, peak = dict.fromkeys(ways, float("inf")), 0.0
    for _ in range(rounds):
        for way, call in ways.items():
            peak = max(peak, matmul_peak(torch.device("cpu"), torch.float32))
            started = time.perf_counter()
            call()
            best[way] = min(best[way], time.perf_counter() - started)
    slowest = best["pipeline of transformers"]
    rows = [
        {"way": way, "words": words, "seconds": seconds, "rate": words / seconds, "speed": f"{slowest / seconds:.2f}"}
        for way, seconds in best.items()
    ]
    return rows, peak


def ours_over(model: Path, texts: list[str]) -> Callable[[], object]:
    """Whole documents: sentences are found and sorted by length by the tagger."""
    tagger = Tagger(model, use_cpu=True)
    return lambda: [*tagger.tag(texts)]


def pipeline_over(model: Path, text: Path, documents: int) -> Callable[[], object]:
    """Sentence by sentence, already split, since a longer text than the model takes is an error there."""
    tag = pipeline("token-classification", model=str(model), aggregation_strategy="first", device="cpu")
    sentences = [
        s
        for document in islice(read_documents(CorpusConfig(path=[str(text)])), documents)
        for s in document.sentences
        if len(s.split()) < 200
    ]
    return lambda: tag(sentences, batch_size=32)


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument(
        "--model", type=Path, required=True, help="fine-tuned model, such as SYSTEM/model of scripts/finetune.py"
    )
    parser.add_argument("--task", default="bc5-chem")
    parser.add_argument("--data", type=Path, help="folder of the task's files")
    parser.add_argument("--text", type=Path, required=True, help="text to find entities in")
    parser.add_argument("--documents", type=int, default=200, help="documents of the text that are read")
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 64, 128, 256], help="tokens of a row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
