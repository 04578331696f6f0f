"""Token stores -> Arrow rows of next-sentence pairs: a `datasets` builder, and its run with statistics."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from recipe.config import PairsConfig
from recipe.errors import InputError
from recipe.files import (
    explain_disk_full,
    file_lock,
    is_as_written,
    read_json,
    sha256_of_json,
    sha256_once,
    write_json,
)
from recipe.pairs.sampling import VERSION, PairRules, Pairs, balanced_probability, make_pairs, pair_seed
from recipe.pairs.statistics import SPECIALS_PER_PAIR, PairCounter, count_pairs, describe, ranges
from recipe.tokenizer.folder import special_token_ids
from recipe.tokens.store import open_token_store, store_hash

NAME = "next_sentence_pairs"
DESCRIPTION = "Next-sentence pairs for BERT pretraining"
RULES = ("max_seq_length", "short_seq_probability", "short_seq_unit", "nsp_probability", "truncation", "dupe_factor")
# Below this the start of another process costs more time than it saves.
TOKENS_PER_PROCESS = 1 << 25
PAIRS_PER_TABLE = 1 << 14
# The sha256 of every file of the rows, written last.
MANIFEST = "sha256.json"


@dataclass
class NextSentencePairConfig(datasets.BuilderConfig):
    """Settings of `NextSentencePairs`; those that are not named here are those of `recipe.config.PairsConfig`.

    stores: folders of the token stores of the splits, such as {"train": ..., "validation": ...}.
    cls_token_id, sep_token_id: ids of [CLS] and [SEP].
    num_shards: into how many shards a pass is cut for several processes; the rows are the same for any number.
    """

    stores: dict[str, str] | None = None
    cls_token_id: int = 2
    sep_token_id: int = 3
    seed: int = 1
    max_seq_length: int = 128
    short_seq_probability: float = 0.1
    short_seq_unit: str = "document"
    nsp_probability: float = 0.5
    truncation: str = "random_tail"
    dupe_factor: int = 1
    num_shards: int = 1

    def rules(self) -> PairRules:
        """The rules without the special tokens."""
        return PairRules.of(self, SPECIALS_PER_PAIR)

    def passes(self, split: str) -> int:
        """Passes over a split: dupe_factor for training, one for what is only scored."""
        return self.dupe_factor if split == "train" else 1

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Name the folder of the rows by what they depend on: effective settings, content of the stores, VERSION."""
        # The inherited id hashes the arguments that were passed, and paths instead of content: it serves stale rows.
        content = {split: store_hash(Path(folder)) for split, folder in (self.stores or {}).items()}
        effective = {name: getattr(self, name) for name in ("cls_token_id", "sep_token_id", "seed", *RULES)}
        return "pairs-" + sha256_of_json([effective, content, VERSION])[:24]


class NextSentencePairs(datasets.ArrowBasedBuilder):
    """Rows of next-sentence pairs.

    input_ids: [CLS] A [SEP] B [SEP]. token_type_ids: 0 up to the first [SEP], then 1. next_sentence_label: 1 where B
    is random. row_id: int64, unique in a split.
    """

    BUILDER_CONFIG_CLASS = NextSentencePairConfig
    # Where each process leaves its counts while rows are written; None: nothing is counted.
    counts_folder: Path | None = None

    def _info(self) -> datasets.DatasetInfo:
        stores = (self.config.stores or {}).values()
        dtypes = {open_token_store(Path(folder)).tokens.dtype.name for folder in stores}
        widest = max(dtypes, default="uint16", key=lambda name: np.dtype(name).itemsize)
        features = {
            "input_ids": datasets.List(datasets.Value(widest)),
            "token_type_ids": datasets.List(datasets.Value("uint8")),
            "next_sentence_label": datasets.Value("uint8"),
            "row_id": datasets.Value("int64"),
        }
        return datasets.DatasetInfo(description=DESCRIPTION, features=datasets.Features(features))

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        generators = []
        for split, folder in (self.config.stores or {}).items():
            documents = open_token_store(Path(folder)).documents
            cuts = min(self.config.num_shards, documents) + 1
            bounds = np.linspace(0, documents, cuts).round().astype(int).tolist()
            # `datasets` shares the one list among the processes; everything else in gen_kwargs must not be a list.
            shards = [(number, *span) for number in range(self.config.passes(split)) for span in pairwise(bounds)]
            arguments = {"shards": shards, "folder": folder, "split": split}
            generators.append(datasets.SplitGenerator(name=split, gen_kwargs=arguments))
        return generators

    def _generate_tables(
        self, shards: list[tuple[int, int, int]], folder: str, split: str
    ) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        store, rules, ids = open_token_store(Path(folder)), self.config.rules(), self.config
        schema, counter = self.info.features.arrow_schema, PairCounter.of(store, rules)
        for number, (pass_index, first, last) in enumerate(shards):
            offsets = store.sentence_offsets, store.document_offsets
            part = 0
            for block in make_pairs(*offsets, rules, ids.seed, pass_index, first, last):
                counter.add(block)
                # A block is some hundred thousand pairs: as rows, all of them at once would take a gigabyte.
                for start in range(0, len(block), PAIRS_PER_TABLE):
                    pairs = block[start : start + PAIRS_PER_TABLE]
                    yield (number, part), rows_of(pairs, store.tokens, ids.cls_token_id, ids.sep_token_id).cast(schema)
                    part += 1
        if self.counts_folder is not None:
            counter.save(self.counts_folder / f"{split}-{shards[0]}.npz")


def rows_of(pairs: Pairs | np.recarray, tokens: np.ndarray, cls_token_id: int, sep_token_id: int) -> pa.Table:
    """Training rows of pairs (or of records with the same names), with the columns of `NextSentencePairs`."""
    # All rows lie one after another in one array, so that each kind of token is written by one numpy statement.
    lengths = pairs.a_length + pairs.b_length + SPECIALS_PER_PAIR
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    first_sep = offsets[:-1] + 1 + pairs.a_length
    input_ids = np.empty(offsets[-1], tokens.dtype)
    input_ids[offsets[:-1]] = cls_token_id
    input_ids[first_sep] = sep_token_id
    input_ids[offsets[1:] - 1] = sep_token_id
    input_ids[ranges(offsets[:-1] + 1, pairs.a_length)] = tokens[ranges(pairs.a_start, pairs.a_length)]
    input_ids[ranges(first_sep + 1, pairs.b_length)] = tokens[ranges(pairs.b_start, pairs.b_length)]
    token_type_ids = np.zeros(offsets[-1], np.uint8)
    token_type_ids[ranges(first_sep + 1, pairs.b_length + 1)] = 1
    arrow_offsets = pa.array(offsets, pa.int32())
    columns = {
        "input_ids": pa.ListArray.from_arrays(arrow_offsets, pa.array(input_ids)),
        "token_type_ids": pa.ListArray.from_arrays(arrow_offsets, pa.array(token_type_ids)),
        "next_sentence_label": pa.array(pairs.next_sentence_label.astype(np.uint8)),
        "row_id": pa.array(pairs.row_id),
    }
    return pa.table(columns)


def pair_config(
    stores: dict[str, str], tokenizer_folder: Path, rules: PairsConfig, seed: int, nsp_probability: float | None = None
) -> NextSentencePairConfig:
    """The builder's settings for a recipe's `pairs` section.

    Args:
        stores: folders of token stores by split; labels are balanced on "train".
        tokenizer_folder: where [CLS] and [SEP] are looked up.
        nsp_probability: the chance of a random B that an earlier build found; None: as the rules say.
    """
    ids = special_token_ids(tokenizer_folder)
    opened = {split: open_token_store(Path(folder)) for split, folder in stores.items()}
    tokens = sum(len(store.tokens) for store in opened.values())
    config = NextSentencePairConfig(
        stores=stores,
        cls_token_id=ids["[CLS]"],
        sep_token_id=ids["[SEP]"],
        seed=pair_seed(seed),
        num_shards=max(1, min(rules.num_proc, tokens // TOKENS_PER_PROCESS)),
        **{name: getattr(rules, name) for name in RULES},
    )
    if nsp_probability is not None:
        config.nsp_probability = nsp_probability
    elif rules.balance_labels:
        store = opened.get("train") or next(iter(opened.values()))
        offsets = store.sentence_offsets, store.document_offsets
        config.nsp_probability = balanced_probability(*offsets, config.rules(), config.seed, rules.dupe_factor)
    return config


def pair_builder(config: NextSentencePairConfig, cache_dir: str | Path | None = None) -> NextSentencePairs:
    """A builder over token stores; `write_rows` makes its files, `as_streaming_dataset(split)` the same rows without.

    Args:
        cache_dir: where the Arrow files are kept; None: the cache of `datasets`.
    """
    names = set(NextSentencePairConfig.__dataclass_fields__) - set(datasets.BuilderConfig.__dataclass_fields__)
    arguments = {name: getattr(config, name) for name in sorted(names)}
    folder = str(cache_dir) if cache_dir else None
    try:
        return NextSentencePairs(cache_dir=folder, dataset_name=NAME, **arguments)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        # `datasets` reads dataset_info.json of rows that are there.
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        raise InputError(
            f"{cache_dir}: the rows there cannot be read ({cause}); remove it and run `domain-bert pairs` again"
        ) from None


def discard_damaged_rows(config: NextSentencePairConfig, cache_dir: Path) -> None:
    """Remove rows of these settings that are not as they were written, so that `write_rows` makes them again."""
    for manifest in (cache_dir / NAME / config.create_config_id({})).glob(f"*/{MANIFEST}"):
        try:
            recorded = read_json(manifest)
        except InputError:
            recorded = {"": ""}
        paths = {manifest.parent / name: sha256 for name, sha256 in recorded.items()}
        if not all(is_as_written(path, sha256) for path, sha256 in paths.items()):
            print(f"pairs: rows in {manifest.parent} are not as they were written and are made again", flush=True)
            shutil.rmtree(manifest.parent)


def write_rows(builder: NextSentencePairs, max_shard_size: str) -> dict[str, dict]:
    """Write the builder's Arrow files unless they are there; returns the statistics of each split."""
    kept = Path(builder.cache_dir) / "statistics.json"
    with file_lock(Path(builder.cache_dir)):
        # Left by a build that was killed: `datasets` would move its shards into the new result.
        shutil.rmtree(builder.cache_dir + ".incomplete", ignore_errors=True)
        counts = Path(builder.cache_dir + ".counts")
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir(parents=True)
        builder.counts_folder = counts
        processes = builder.config.num_shards if builder.config.num_shards > 1 else None
        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        with explain_disk_full(Path(builder.cache_dir)):
            try:
                builder.download_and_prepare(num_proc=processes, max_shard_size=max_shard_size)
            except datasets.exceptions.DatasetGenerationError as error:
                # `datasets` wraps whatever went wrong while rows are made.
                raise error.__cause__ or error from None
        if not kept.is_file():
            statistics = {split: _statistics_of(builder, split, counts) for split in builder.config.stores or {}}
            lines = (describe(split, found) for split, found in statistics.items())
            builder.info.description = "\n".join([DESCRIPTION, *lines])
            builder.info.write_to_directory(builder.cache_dir)
            write_json(kept, statistics)
        shutil.rmtree(counts)
        if not (kept.parent / MANIFEST).is_file():
            paths = sorted(path for path in kept.parent.rglob("*") if path.is_file() and path.suffix != ".lock")
            write_json(
                kept.parent / MANIFEST, {path.relative_to(kept.parent).as_posix(): sha256_once(path) for path in paths}
            )
    return read_json(kept)


def _statistics_of(builder: NextSentencePairs, split: str, counts: Path) -> dict:
    config, store = builder.config, open_token_store(Path((builder.config.stores or {})[split]))
    found = sorted(counts.glob(f"{split}-*.npz"))
    # A build that was killed between its rows and its statistics has the rows, and nothing was counted this time.
    counter = (
        PairCounter.added_up(found) if found else count_pairs(store, config.rules(), config.seed, config.passes(split))
    )
    return counter.statistics(store, config.nsp_probability)
