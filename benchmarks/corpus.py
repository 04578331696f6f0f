"""Raw text to training rows, stage by stage on one core: megabytes of text per second of CPU time, and memory that
must not grow with the corpus.

python benchmarks/corpus.py --corpus ../shared/data/biomedical/ei_fulltext.txt.gz \\
    --pubmed ../shared/data/pubmed_xml/pubmed_sample_metapub.xml.gz --task ../shared/data/tasks/BC5CDR-chem-IOB
python benchmarks/corpus.py ... --memory     # also scripts/prepare_corpus.py on 100 MB and 1 GB of text and of XML

The readers are compared with what else reads such files: Python's own lines, the text loader of `datasets`, lxml's
events alone, and pubmed_parser where it is installed. Writes corpus.{md,json}.
"""

import argparse
import gzip
import importlib.util
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from lxml import etree
from pair_corpus import plain_text, repeated_text
from pair_systems import TIMED, script
from process_tree import measure
from reporting import machine, markdown_table, program_parser, save

from recipe.config import CorpusConfig, PairsConfig, TokenizerConfig
from recipe.corpus import Document, RawDocument, read_raw_documents
from recipe.corpus.cleaning import CleaningReport, cleaning_filters
from recipe.corpus.document import split_document
from recipe.corpus.prepared import read_prepared, write_prepared
from recipe.files import read_json
from recipe.pairs.builder import pair_builder, pair_config, write_rows
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens.store import write_token_store

MEMORY_SIZES = (100.0, 1000.0)
COLUMNS = {
    "stage": "stage",
    "megabytes": "MB",
    "seconds": "CPU s",
    "rate": "MB/s",
    "wall": "wall s",
    "peers": "others: CPU s, times ours",
}
MEMORY_COLUMNS = {
    "input": "input",
    "megabytes": "MB",
    "peak_memory_mb": "peak memory MB",
    "cpu_seconds": "CPU s",
    "rate": "MB/s",
}


def main() -> None:
    """Measure what the command line asks for and write the results."""
    arguments = _arguments()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        work = Path(folder)
        text = plain_text(arguments.corpus, work / "text.txt", arguments.megabytes)
        rounds = arguments.rounds
        rows = [
            *readers(text, work, rounds),
            *xml_readers(arguments.pubmed, arguments.xml_megabytes, work, rounds),
            *path_to_rows(text, arguments.task, work, rounds),
        ]
        if arguments.memory is None:
            memory = _known_memory(arguments.results / "corpus.json")
        else:
            sizes = arguments.memory or MEMORY_SIZES
            memory = [used for size in sizes for used in memory_of(text, arguments.pubmed, size, work)]
    report = _markdown(rows, memory, rounds)
    save(arguments.results, "corpus", {"machine": machine(), "stages": rows, "memory": memory}, report)
    print(report)


def readers(text: Path, work: Path, rounds: int) -> list[dict]:
    """The same documents in five formats."""
    documents = list(read_raw_documents(CorpusConfig(path=[str(text)])))
    records = [{"text": "\n\n".join(document.parts)} for document in documents]
    (work / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), work / "a.parquet")
    lines = {"Python's lines": lambda: _each_line(text, str.strip), "datasets": lambda: _load_text(text, work)}
    decoded = {"json.loads alone": lambda: _each_line(work / "a.jsonl", json.loads)}
    return [
        _reader("read: blank_line_text", text, "blank_line_text", rounds, lines),
        _reader("read: paragraphs", text, "paragraphs", rounds),
        _reader("read: plain_text", text, "plain_text", rounds),
        _reader("read: jsonl", work / "a.jsonl", "jsonl", rounds, decoded),
        _reader("read: parquet", work / "a.parquet", "parquet", rounds, megabytes=text.stat().st_size / 1e6),
    ]


def xml_readers(pubmed: Path, megabytes: float, work: Path, rounds: int) -> list[dict]:
    """PubMed's records, and the articles that `make setup` installs."""
    baseline = repeated_records(pubmed, work / "baseline.xml", megabytes)
    peers = {
        "lxml's events alone": lambda: _exhaust(etree.iterparse(str(baseline), events=("end",), tag="PubmedArticle"))
    }
    if importlib.util.find_spec("pubmed_parser"):
        peers["pubmed_parser"] = lambda: _exhaust(_pubmed_parser(baseline))
    articles = list(read_raw_documents(CorpusConfig(path=["embedded:allofplos"])))
    size = sum(Path(article.source).stat().st_size for article in articles) / 1e6
    embedded = _row(
        "read: jats", size, lambda: _exhaust(read_raw_documents(CorpusConfig(path=["embedded:allofplos"]))), rounds
    )
    return [_reader("read: pubmed", baseline, "pubmed", rounds, peers), embedded]


def path_to_rows(text: Path, task: Path | None, work: Path, rounds: int) -> list[dict]:
    """What comes after the reader, each stage fed with what the one before it made."""
    size = text.stat().st_size / 1e6
    raw = [_unsplit(document) for document in read_raw_documents(CorpusConfig(path=[str(text)]))]
    documents = [split_document(document) for document in raw]
    every_filter = CorpusConfig(
        unicode="NFKC",
        script="latin",
        max_sentence_words=500,
        min_document_words=5,
        decontaminate=[str(task)] if task else [],
    )
    near = CorpusConfig(**{**vars(every_filter), "near_duplicates": 0.8})
    tokenizer = train_wordpiece(documents, TokenizerConfig())
    folders = (work / str(number) for number in count())
    store = write_token_store(work / "store", documents, tokenizer)
    (work / "tokenizer").mkdir()
    tokenizer.save(str(work / "tokenizer" / "tokenizer.json"))
    (work / "prepared").mkdir()
    write_prepared(work / "prepared", documents)
    return [
        _row("split into sentences", size, lambda: [split_document(document) for document in raw], rounds),
        _row(
            "clean, the filters that are on by default",
            size,
            lambda: _exhaust(CleaningReport(cleaning_filters(CorpusConfig())).clean(documents)),
            rounds,
        ),
        _row(
            "clean, all filters but near duplicates",
            size,
            lambda: _exhaust(CleaningReport(cleaning_filters(every_filter)).clean(documents)),
            rounds,
        ),
        _row(
            "clean, near duplicates too",
            size,
            lambda: _exhaust(CleaningReport(cleaning_filters(near)).clean(documents)),
            1,
        ),
        _row("write RUN/corpus", size, lambda: _written(next(folders), documents), rounds),
        _row("read RUN/corpus", size, lambda: _exhaust(read_prepared(work / "prepared")), rounds),
        _row(
            "train the tokenizer, 30,522 entries",
            size,
            lambda: train_wordpiece(documents, TokenizerConfig()),
            1,
            _library_trainer(documents),
        ),
        _row("tokenise into a store", size, lambda: write_token_store(next(folders), documents, tokenizer), rounds),
        _row("make and write pairs", size, lambda: _pairs(store.folder, work / "tokenizer", next(folders)), rounds),
    ]


def memory_of(text: Path, pubmed: Path, megabytes: float, work: Path) -> list[dict]:
    """Peak memory of the whole stage `corpus` on so much text and so much XML."""
    inputs = {
        "text": repeated_text(text, work / "large.txt", megabytes),
        "PubMed XML": repeated_records(pubmed, work / "large.xml", megabytes),
    }
    rows = []
    for name, path in inputs.items():
        config = work / "large.yaml"
        config.write_text(
            yaml.safe_dump({"run_dir": str(work / "run"), "corpus": {"path": [str(path)]}}), encoding="utf-8"
        )
        usage = measure(script("prepare_corpus", config), work / "large.log", TIMED)
        if usage.status:
            raise SystemExit(usage.output[-2000:])
        size = path.stat().st_size / 1e6
        found = {
            "peak_memory_mb": usage.peak_memory_mb,
            "cpu_seconds": usage.cpu_seconds,
            "rate": size / usage.cpu_seconds,
        }
        rows.append({"input": name, "megabytes": size, **found})
        path.unlink()
    return rows


def repeated_records(pubmed: Path, path: Path, megabytes: float) -> Path:
    """The records again and again to so many megabytes, each repetition with PMIDs of its own and a word more in every
    title.
    """
    records = re.findall(rb"<PubmedArticle\b.*?</PubmedArticle>", gzip.decompress(pubmed.read_bytes()), re.S)
    with open(path, "wb") as file:
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<PubmedArticleSet>\n')
        for repetition in count(1):
            if file.tell() >= megabytes * 1e6:
                break
            for number, record in enumerate(records):
                record = re.sub(rb"(<PMID[^>]*>)\d+", rb"\g<1>%d" % (1000 * repetition + number), record, count=1)
                file.write(record.replace(b"<ArticleTitle>", b"<ArticleTitle>%d " % repetition, 1) + b"\n")
        file.write(b"</PubmedArticleSet>\n")
    return path


def _reader(
    stage: str,
    path: Path,
    format_: str,
    rounds: int,
    peers: dict[str, Callable] | None = None,
    megabytes: float | None = None,
) -> dict:
    config = CorpusConfig(path=[str(path)], format=format_)
    return _row(
        stage, megabytes or path.stat().st_size / 1e6, lambda: _exhaust(read_raw_documents(config)), rounds, peers
    )


def _row(stage: str, megabytes: float, call: Callable, rounds: int, peers: dict[str, Callable] | None = None) -> dict:
    """Ours and the others take turns; of each the round of least CPU time counts."""
    calls = {"": call, **(peers or {})}
    best = dict.fromkeys(calls, (float("inf"), 0.0))
    for _ in range(rounds):
        for name, function in calls.items():
            started, begun = time.process_time(), time.perf_counter()
            function()
            best[name] = min(best[name], (time.process_time() - started, time.perf_counter() - begun))
    own, wall = best.pop("")
    print(f"{stage}: {megabytes / own:,.1f} MB/s", flush=True)
    texts = [f"{name}: {seconds:.2f} ({seconds / own:.2f} x)" for name, (seconds, _) in best.items()]
    found = {"stage": stage, "megabytes": megabytes, "seconds": own, "rate": megabytes / own, "wall": wall}
    return {**found, "peers": "; ".join(texts) or None, "peer_seconds": best}


def _exhaust(entries: Iterable) -> None:
    for _ in entries:
        pass


def _each_line(path: Path, call: Callable[[str], object]) -> None:
    with open(path, encoding="utf-8") as file:
        _exhaust(map(call, file))


def _unsplit(document: RawDocument) -> RawDocument:
    """A document whose sentences make one paragraph."""
    return RawDocument([" ".join(document.parts)], document.source, document.id, document.title)


def _load_text(text: Path, work: Path) -> None:
    with tempfile.TemporaryDirectory(dir=work) as cache:
        _exhaust(
            datasets.load_dataset("text", data_files=str(text), split="train", cache_dir=cache)
            .with_format("arrow")
            .iter(1000)
        )


def _pubmed_parser(baseline: Path) -> Iterable[dict]:
    import pubmed_parser

    packed = baseline.with_suffix(".xml.gz")
    if not packed.exists():
        packed.write_bytes(gzip.compress(baseline.read_bytes(), 1))
    return pubmed_parser.parse_medline_xml(
        str(packed), year_info_only=True, nlm_category=False, author_list=False, reference_list=False
    )


def _library_trainer(documents: list[Document]) -> dict[str, Callable]:
    """The trainer of `tokenizers` as it comes, whose vocabulary differs from run to run."""
    from tokenizers import BertWordPieceTokenizer

    def train() -> None:
        BertWordPieceTokenizer().train_from_iterator(
            (sentence for document in documents for sentence in document.sentences), 30_522, show_progress=False
        )

    return {"BertWordPieceTokenizer": train}


def _written(folder: Path, documents: list[Document]) -> None:
    folder.mkdir()
    write_prepared(folder, documents)


def _pairs(store: Path, tokenizer: Path, folder: Path) -> None:
    rules = PairsConfig()
    write_rows(pair_builder(pair_config({"train": str(store)}, tokenizer, rules, 1), folder), rules.max_shard_size)


def _known_memory(path: Path) -> list[dict]:
    """What an earlier run found."""
    return read_json(path)["memory"] if path.is_file() else []


def _markdown(rows: list[dict], memory: list[dict], rounds: int) -> str:
    where = machine()
    heading = (
        f"One core of {where['cpu']}, commit {where['commit']}; the fastest of {rounds} rounds, CPU time of all"
        " threads."
    )
    parts = ["# Raw text to training rows", heading, markdown_table(COLUMNS, rows)]
    if memory:
        parts += [
            "The whole stage `corpus` (read, split, clean, write) in a process of its own:",
            markdown_table(MEMORY_COLUMNS, memory),
        ]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return "\n\n".join(
        [*parts, f"MB: 10^6 bytes of the file unpacked; after the readers, of the plain text. Versions: {versions}."]
    )


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument(
        "--corpus", type=Path, nargs="+", required=True, help="files of text (.txt, .txt.gz), a sentence per line"
    )
    parser.add_argument("--pubmed", type=Path, required=True, help="a file of PubMed's baseline, .xml.gz")
    parser.add_argument("--task", type=Path, help="folder of a task, whose sentences are looked for")
    parser.add_argument("--megabytes", type=float, default=30, help="how much of --corpus is used")
    parser.add_argument("--xml-megabytes", type=float, default=30, help="XML made of the records of --pubmed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--memory",
        type=float,
        nargs="*",
        metavar="MB",
        help="also measure the peak memory at these sizes; no size: 100 MB and 1 GB",
    )
    parser.add_argument("--work", type=Path, help="folder for temporary files; none: the system's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
