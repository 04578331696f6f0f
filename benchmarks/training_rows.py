"""The rows that training is measured on, in the forms that our Trainer and the stock one take; and the two collators
alone.
"""

import statistics
import tempfile
import time
import tracemalloc
from functools import cache
from pathlib import Path

import datasets
import numpy as np
import transformers
from transformers import BertTokenizerFast

from recipe.config import CorpusConfig, TokenizerConfig
from recipe.corpus import read_documents
from recipe.pairs.dataset import build_pair_dataset
from recipe.pretraining.masking import DataCollatorForPreTraining
from recipe.pretraining.rows import PairRows
from recipe.tokenizer.wordpiece import train_wordpiece

VOCABULARY = 30_522
COLLATED = ((32, 128), (64, 128), (32, 512), (256, 512))


def rows(length: int, number: int, corpus: Path | None) -> list[dict]:
    """Rows as `NextSentencePairs` makes them: of a text, or of made-up tokens with the lengths of abstracts."""
    return made_up_rows(length, number, 1) if corpus is None else rows_of_text(corpus, length, number)


def made_up_rows(length: int, number: int, seed: int) -> list[dict]:
    """128 tokens are filled to 96 % (a tenth of the rows is short), 512 tokens to 55 %."""
    rng = np.random.default_rng(seed)
    short = rng.random(number) < 0.1
    lengths = (
        np.where(short, rng.integers(5, length + 1, number), length)
        if length <= 128
        else rng.integers(50, length + 1, number)
    )
    made = []
    for number_of_row, tokens in enumerate(lengths.tolist()):
        ids = rng.integers(5, VOCABULARY, tokens)
        ids[[0, tokens // 2, -1]] = 2, 3, 3
        segments = (np.arange(tokens) > tokens // 2).astype(np.uint8)
        made.append(
            {
                "input_ids": ids.astype(np.uint16),
                "token_type_ids": segments,
                "next_sentence_label": number_of_row % 2,
                "row_id": number_of_row,
            }
        )
    return made


def rows_of_text(corpus: Path, length: int, number: int) -> list[dict]:
    """Pairs of a text in a random order, with a vocabulary trained on it."""
    documents = list(read_documents(CorpusConfig(path=[str(corpus)])))
    trained = train_wordpiece(documents, TokenizerConfig(vocab_size=VOCABULARY))
    with tempfile.TemporaryDirectory() as folder:
        BertTokenizerFast(vocab=trained.get_vocab()).save_pretrained(f"{folder}/tokenizer")
        pairs = build_pair_dataset(str(corpus), f"{folder}/tokenizer", Path(folder) / "pairs", max_seq_length=length)[
            "train"
        ]
        return rows_of(pairs.select(np.random.default_rng(1).permutation(len(pairs))[:number]))


def rows_of(pairs: datasets.Dataset) -> list[dict]:
    """All rows of a data set of pairs as our collator takes them."""
    return PairRows(pairs).__getitems__([(0, index) for index in range(len(pairs))])


def table(of_rows: list[dict]) -> datasets.Dataset:
    """The rows as our Trainer takes them."""
    features = {
        "input_ids": datasets.List(datasets.Value("uint16")),
        "token_type_ids": datasets.List(datasets.Value("uint8")),
        "next_sentence_label": datasets.Value("int64"),
        "row_id": datasets.Value("int64"),
    }
    return datasets.Dataset.from_list(
        [{name: row[name] for name in features} for row in of_rows], features=datasets.Features(features)
    )


def padded(of_rows: list[dict], length: int) -> list[dict]:
    """The rows as a user of transformers has them: lists, padded to the maximum."""
    found = []
    for row in of_rows:
        rest = length - len(row["input_ids"])
        found.append(
            {
                "input_ids": [*row["input_ids"].tolist(), *[0] * rest],
                "token_type_ids": [*row["token_type_ids"].tolist(), *[0] * rest],
                "attention_mask": [1] * (length - rest) + [0] * rest,
                "special_tokens_mask": [int(token in (2, 3)) for token in row["input_ids"]] + [1] * rest,
                "next_sentence_label": row["next_sentence_label"],
            }
        )
    return found


@cache
def tokenizer() -> BertTokenizerFast:
    """A tokenizer of VOCABULARY entries, a third of them ## pieces."""
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *(f"{'##' if number % 3 == 0 else ''}w{number}" for number in range(VOCABULARY - 5)),
    ]
    return BertTokenizerFast(vocab={piece: index for index, piece in enumerate(pieces)})


def collators(rounds: int) -> list[dict]:
    """Milliseconds (medians of the rounds), peak memory (of numpy) and bytes per token of both collators, whole words,
    for batches of some sizes.
    """
    found = []
    for number, length in COLLATED:
        of_rows = made_up_rows(length, number, 1)
        ours = DataCollatorForPreTraining(tokenizer(), padding_free=True)
        # The stock one takes words from the positions of their letters, and rows of one length only.
        stock = transformers.DataCollatorForLanguageModeling(tokenizer(), whole_word_mask=True)
        with_positions = [{**row, "offset_mapping": _positions(row["input_ids"])} for row in padded(of_rows, length)]
        for name, call, batch in (("stock", stock, with_positions), ("ours", ours, of_rows)):
            seconds, peak = _cost(lambda call=call, batch=batch: call([dict(row) for row in batch]), rounds)
            found.append(
                {
                    "rows": f"{number} x {length}",
                    "system": name,
                    "milliseconds": 1e3 * seconds,
                    "megabytes": peak / 1e6,
                    "bytes_per_token": peak / number / length,
                }
            )
    return found


def _positions(ids: list[int]) -> list[tuple[int, int]]:
    """Where each piece stands in a text of words with a space between; a ## piece begins where the last one ended."""
    pieces = tokenizer().convert_ids_to_tokens(ids)
    positions, end = [], 0
    for piece in pieces:
        if piece.startswith("["):
            positions.append((0, 0))
            continue
        start = end if piece.startswith("##") else end + 1
        end = start + 3
        positions.append((start, end))
    return positions


def _cost(call, rounds: int) -> tuple[float, int]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return statistics.median(times), peak
