"""Rates of the phases of scripts/prepare_cluster.py on one core, and what the single ones keep in memory: the figures
of docs/cluster.md.

python benchmarks/cluster.py ../shared/data

DATA contains biomedical/ei_abstracts.txt.gz, biomedical/ei_fulltext.txt.gz and pubmed_xml/*.gz. Abstracts and PubMed
XML are copied until there is enough of them, each copy with words or PMIDs of its own. Writes cluster.{md,json}.
"""

import gzip
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reporting import machine, markdown_table, program_parser, save

from recipe.cluster.phases import PHASES
from recipe.config import CorpusConfig, PairsConfig, Recipe, TokenizerConfig
from recipe.corpus.cleaning.duplicates import ExactDuplicates, NearDuplicates
from recipe.corpus.cleaning.filter import Candidate
from recipe.corpus.readers.pubmed import RecordNumbers, superseded_positions
from recipe.files import read_json

FOLDERS = ("cluster/files", "corpus", "store", "pairs")
RATES = {"input": "input", "megabytes": "MB", "documents": "documents"} | {
    f"rate of {phase.name}": f"{phase.name}, MB/s" for phase in PHASES
}
SIZES = {"input": "input", "text": "M characters left", "tokens": "M tokens"} | {
    name: f"{name}, MB" for name in FOLDERS
}


def main() -> None:
    """Measure and write."""
    parser = program_parser(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--megabytes", type=float, default=60, help="of abstracts, and of XML")
    parser.add_argument("--records", type=int, default=30_000_000, help="for superseded records and exact copies")
    parser.add_argument("--indexed", type=int, default=100_000, help="documents whose near copies are looked up")
    parser.add_argument("--signed", type=int, default=2000, help="abstracts of which signatures are made")
    arguments = parser.parse_args()
    data, abstracts_file = arguments.data, arguments.data / "biomedical" / "ei_abstracts.txt.gz"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        abstracts = copies(
            abstracts_file, arguments.megabytes, folder / "abstracts", rb"(?m)(?<=\n\n)(?=.)", b"Copy %d: "
        )
        records = copies(
            next((data / "pubmed_xml").glob("*.gz")),
            arguments.megabytes,
            folder / "records",
            rb'(?<=<PMID Version="1">)(?=\d)|(?<=<ArticleTitle>)',
            b"%d",
        )
        rows = [
            measured("abstracts", abstracts, folder),
            measured("full texts", [data / "biomedical" / "ei_fulltext.txt.gz"], folder),
        ]
        rows.append(measured("PubMed XML", records, folder))
    single = [
        of_numbers(arguments.records),
        of_copies(arguments.records),
        of_near_copies(arguments.indexed),
        of_signatures(abstracts_file, arguments.signed),
    ]
    title = (
        f"# Phases of a cluster, one core of {machine()['cpu']}\n\n"
        "MB of unpacked input a second, and what takes room on the disk.\n\n"
    )
    text = f"{title}{markdown_table(RATES, rows)}\n\n{markdown_table(SIZES, rows)}\n\n"
    text += markdown_table(
        {"what": "single phases, and near copies", "seconds": "seconds", "memory": "memory, MB"}, single
    )
    save(arguments.results, "cluster", {"machine": machine(), "rows": rows, "single": single}, text)
    print(text)


def copies(path: Path, megabytes: float, folder: Path, pattern: bytes, mark: bytes) -> list[Path]:
    """Copies of a file that differ from each other by a mark at every match, so many megabytes together."""
    folder.mkdir()
    content = gzip.decompress(path.read_bytes())
    paths = [
        folder / f"{number:03d}{''.join(path.suffixes[-2:])}"
        for number in range(1, 1 + max(1, round(megabytes * 1e6 / len(content))))
    ]
    for number, copy in enumerate(paths, start=1):
        copy.write_bytes(gzip.compress(re.sub(pattern, mark % number, content), 1))
    return paths


def measured(name: str, paths: list[Path], folder: Path) -> dict[str, Any]:
    """MB of unpacked input a second of each phase."""
    recipe = Recipe(
        run_dir=str(folder / f"run of {name}"),
        corpus=CorpusConfig(path=[str(path) for path in paths]),
        tokenizer=TokenizerConfig(vocab_size=30522, max_train_characters=1e7),
        pairs=PairsConfig(),
    )
    megabytes = sum(len(gzip.decompress(path.read_bytes())) for path in paths) / 1e6
    phases = [phase for phase in PHASES if name == "PubMed XML" or phase.name not in ("numbers", "superseded")]
    rates = {
        f"rate of {phase.name}": megabytes / seconds_of(lambda phase=phase: phase.call(recipe, 0, 1))
        for phase in phases
    }
    filters = read_json(recipe.folder / "corpus" / "statistics.json")["filters"]
    tokens = sum(read_json(path)["counts"]["tokens"] for path in recipe.folder.glob("store/*/store.json"))
    sizes = {
        name: sum(path.stat().st_size for path in (recipe.folder / name).rglob("*") if path.is_file()) / 1e6
        for name in FOLDERS
    }
    counts = {
        "megabytes": round(megabytes),
        "documents": filters[0]["documents"],
        "text": filters[-1]["characters"] / 1e6,
        "tokens": tokens / 1e6,
    }
    return {"input": name, **counts, **rates, **sizes}


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def of_numbers(records: int) -> dict[str, Any]:
    """The phase superseded at so many records in 1,219 files."""
    pmids = np.array_split(np.random.default_rng(1).permutation(records), 1219)
    files = [RecordNumbers(part, np.ones(len(part), np.int32), np.zeros((0, 2), np.int64)) for part in pmids]
    return row(f"superseded, {records:,} records", lambda: superseded_positions(files))


def of_copies(documents: int) -> dict[str, Any]:
    """Decisions on exact copies of so many documents."""
    filter_, candidate = ExactDuplicates(), Candidate("text")
    hashes = np.random.default_rng(2).bytes(8 * documents)

    def decide_all() -> None:
        for start in range(0, len(hashes), 8):
            filter_.decide(candidate, hashes[start : start + 8])

    return row(f"exact copies, {documents:,} documents", decide_all)


def of_near_copies(documents: int) -> dict[str, Any]:
    """Decisions on near copies of so many documents that are all different."""
    filter_, candidate = NearDuplicates(0.8), Candidate("text")
    signatures = [part.tobytes() for part in np.random.default_rng(3).integers(0, 2**32, (documents, 128), np.uint32)]
    return row(
        f"near copies, {documents:,} documents",
        lambda: [filter_.decide(candidate, signature) for signature in signatures],
    )


def of_signatures(path: Path, documents: int) -> dict[str, Any]:
    """Signatures for near copies of the documents of a text."""
    filter_ = NearDuplicates(0.8)
    texts = gzip.decompress(path.read_bytes()).decode().split("\n\n")[:documents]
    return row(
        f"near copies, signatures of {len(texts):,} abstracts",
        lambda: [filter_.signature(Candidate(text)) for text in texts],
    )


def row(what: str, call: Callable[[], object]) -> dict[str, Any]:
    """Seconds of a call, and its peak of memory above what there was before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    seconds = seconds_of(call)
    return {"what": what, "seconds": round(seconds, 1), "memory": (memory("VmHWM") - before) // 1024}


def memory(name: str) -> int:
    """A figure of this process, in KB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
