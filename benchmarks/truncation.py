"""What truncation does to the pairs: random_tail next to longest_first, at 128 and 512 tokens.

python benchmarks/truncation.py ../shared/data/biomedical/ei_abstracts.txt.gz
../shared/data/biomedical/ei_fulltext.txt.gz

A tokenizer is trained on each text (or --tokenizer FOLDER is used) and the pairs of one pass are made for each rule,
with the same draws but for truncation. Writes truncation.{md,json}.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pair_corpus import plain_text
from pair_inputs import make_tokenizer
from reporting import machine, markdown_table, program_parser, save

from recipe.config import CorpusConfig
from recipe.corpus import read_documents
from recipe.pairs.sampling import PairRules, Pairs, make_pairs
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.store import TokenStore, write_token_store

LENGTHS = (128, 512)
TRUNCATIONS = ("random_tail", "longest_first")
SHORT = 5
COLUMNS = {
    "text": "text",
    "length": "max_seq_length",
    "truncation": "truncation",
    "cut_pairs": "pairs cut",
    "cut_tokens": "tokens cut",
    "short_a": f"A under {SHORT}",
    "short_b": f"B under {SHORT}",
    "made_short": "made so by truncation, pairs in 10,000",
    "mean_a": "mean A",
    "mean_b": "mean B",
    "a_front": "A front",
    "a_back": "A back",
    "b_front": "B front",
    "b_back": "B back",
}


@dataclass(frozen=True)
class Losses:
    """Tokens that truncation took from each end of each pair, and the lengths of both segments before."""

    a_front: np.ndarray
    a_back: np.ndarray
    b_front: np.ndarray
    b_back: np.ndarray
    a_before: np.ndarray
    b_before: np.ndarray


def main() -> None:
    """Print the table for the texts of the command line."""
    arguments = _arguments()
    rows = []
    for path in arguments.texts:
        with tempfile.TemporaryDirectory() as folder:
            store = tokenised(path, arguments.megabytes, arguments.tokenizer, Path(folder))
            rows += [row for length in LENGTHS for row in compare(path.name.split(".")[0], store, length)]
    report = (
        f"# Truncation of pairs\n\n{markdown_table(COLUMNS, rows)}\n\n"
        "Tokens cut: share of the tokens that the pairs had before truncation; the last four columns say from which"
        " end, in % of all cut tokens."
    )
    save(arguments.results, "truncation", {"machine": machine(), "rows": rows}, report)
    print(report)


def tokenised(path: Path, megabytes: float, tokenizer: Path | None, work: Path) -> TokenStore:
    """A token store of the whole text, up to so many megabytes of it."""
    text = plain_text([path], work / "text.txt", megabytes)
    documents = read_documents(CorpusConfig(path=[str(text)], format="blank_line_text"))
    return write_token_store(work / "store", documents, load_tokenizer(tokenizer or make_tokenizer(text, work)))


def compare(text: str, store: TokenStore, length: int) -> list[dict]:
    """One row of the table for each rule."""
    found = {truncation: pairs_of(store, length, truncation) for truncation in TRUNCATIONS}
    a_before, b_before = lengths_before(found["random_tail"], store)
    return [
        row_of(text, length, truncation, pairs, losses(pairs, found["random_tail"], a_before, b_before))
        for truncation, pairs in found.items()
    ]


def pairs_of(store: TokenStore, length: int, truncation: str) -> Pairs:
    """All pairs of one pass."""
    rules = PairRules(length - 3, truncation=truncation)
    blocks = list(make_pairs(store.sentence_offsets, store.document_offsets, rules, 1, 0, 0, store.documents))
    return Pairs(
        **{name: np.concatenate([getattr(block, name) for block in blocks]) for name in Pairs.__dataclass_fields__}
    )


def lengths_before(tails: Pairs, store: TokenStore) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of A and B before truncation, told from where the next pair of the document starts.

    random_tail keeps the starts. A B that follows starts where A ended; after a random B the next pair starts there.
    """
    ends = np.asarray(store.sentence_offsets)[np.asarray(store.document_offsets[1:])]
    document = np.searchsorted(ends, tails.a_start, "right")
    is_last = np.append(document[1:] != document[:-1], True)
    next_start = np.where(is_last, ends[document], np.append(tails.a_start[1:], 0))
    a_before = np.where(tails.next_sentence_label == 0, tails.b_start, next_start) - tails.a_start
    return a_before, tails.a_length + tails.b_length + tails.cut - a_before


def losses(pairs: Pairs, tails: Pairs, a_before: np.ndarray, b_before: np.ndarray) -> Losses:
    """What truncation took: the starts of `tails` are those of the whole segments."""
    a_front, b_front = pairs.a_start - tails.a_start, pairs.b_start - tails.b_start
    return Losses(
        a_front, a_before - a_front - pairs.a_length, b_front, b_before - b_front - pairs.b_length, a_before, b_before
    )


def row_of(text: str, length: int, truncation: str, pairs: Pairs, lost: Losses) -> dict:
    """Shares in per cent, mean lengths in tokens."""
    ends = {name: getattr(lost, name) for name in ("a_front", "a_back", "b_front", "b_back")}
    assert sum(int(end.sum()) for end in ends.values()) == int(pairs.cut.sum())
    assert all((end >= 0).all() for end in ends.values())
    made_short = ((pairs.a_length < SHORT) & (lost.a_before >= SHORT)) | (
        (pairs.b_length < SHORT) & (lost.b_before >= SHORT)
    )
    return {
        "text": text,
        "length": length,
        "truncation": truncation,
        "cut_pairs": f"{(pairs.cut > 0).mean():.1%}",
        "cut_tokens": f"{pairs.cut.sum() / (lost.a_before + lost.b_before).sum():.2%}",
        "short_a": f"{(pairs.a_length < SHORT).mean():.2%}",
        "short_b": f"{(pairs.b_length < SHORT).mean():.2%}",
        "made_short": float(made_short.mean() * 10_000),
        "mean_a": float(pairs.a_length.mean()),
        "mean_b": float(pairs.b_length.mean()),
        **{name: f"{end.sum() / max(int(pairs.cut.sum()), 1):.1%}" for name, end in ends.items()},
    }


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument("texts", type=Path, nargs="+", help="files of text (.txt, .txt.gz)")
    parser.add_argument("--megabytes", type=float, default=30, help="how much of each is used")
    parser.add_argument("--tokenizer", type=Path, help="folder of a BERT tokenizer; none: one is trained on each text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
