"""Token store -> `datasets` builder `NextSentencePairs` -> Arrow rows; and the statistics of what was made."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
from tqdm import tqdm

from recipe.config import PairsConfig, Recipe
from recipe.corpus import read_documents, split_of
from recipe.errors import InputError
from recipe.pairs import PairRules, Pairs, make_pairs
from recipe.provenance import code_hash, exclusive, sha256_of_json, write_json
from recipe.randomness import derive_key
from recipe.token_store import TokenStore, open_token_store, store_hash, write_token_stores
from recipe.tokenizer import load_tokenizer, special_token_ids

SPLITS = ("train", "validation")
SPECIALS_PER_PAIR = 3


@dataclass
class NextSentencePairConfig(datasets.BuilderConfig):
    """Settings of `NextSentencePairs`.

    stores: folders of the token stores of the splits, such as {"train": ..., "validation": ...}.
    cls_token_id, sep_token_id: ids of [CLS] and [SEP]. seed: where the draws start.
    num_shards: into how many pieces a pass is cut for several processes; the rows are the same for any number.
    The rest as in `recipe.config.PairsConfig`.
    """

    stores: dict[str, str] | None = None
    cls_token_id: int = 2
    sep_token_id: int = 3
    seed: int = 1
    max_seq_length: int = 128
    short_seq_probability: float = 0.1
    nsp_probability: float = 0.5
    truncation: str = "random_tail"
    dupe_factor: int = 1
    num_shards: int = 1

    def rules(self) -> PairRules:
        """The rules without the special tokens."""
        return PairRules(self.max_seq_length - SPECIALS_PER_PAIR, self.short_seq_probability, self.nsp_probability, self.truncation)

    def passes(self, split: str) -> int:
        """Passes over a split: dupe_factor for training, one for what is only scored."""
        return self.dupe_factor if split == "train" else 1

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Name the cache by what the rows depend on: all effective settings, the stores' content and the code.

        The inherited id hashes only the arguments that were passed, and paths instead of content, so it serves stale rows.
        """
        content = {split: store_hash(Path(folder)) for split, folder in (self.stores or {}).items()}
        names = ("cls_token_id", "sep_token_id", "seed", "max_seq_length", "short_seq_probability", "nsp_probability", "truncation", "dupe_factor")
        effective = {name: getattr(self, name) for name in names}
        return "pairs-" + sha256_of_json([effective, content, code_hash("recipe.pair_dataset")])[:24]


class NextSentencePairs(datasets.ArrowBasedBuilder):
    """Rows: input_ids ([CLS] A [SEP] B [SEP]), token_type_ids (0 up to the first [SEP], then 1), next_sentence_label (1: B is random), row_id."""

    BUILDER_CONFIG_CLASS = NextSentencePairConfig

    def _info(self) -> datasets.DatasetInfo:
        dtypes = {open_token_store(Path(folder)).tokens.dtype.name for folder in (self.config.stores or {}).values()}
        features = {
            "input_ids": datasets.List(datasets.Value(max(dtypes, default="uint16", key=lambda name: np.dtype(name).itemsize))),
            "token_type_ids": datasets.List(datasets.Value("uint8")),
            "next_sentence_label": datasets.Value("uint8"),
            "row_id": datasets.Value("int64"),
        }
        return datasets.DatasetInfo(description="Next-sentence pairs for BERT pretraining", features=datasets.Features(features))

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        generators = []
        for split, folder in (self.config.stores or {}).items():
            documents = open_token_store(Path(folder)).documents
            shards = [(pass_index, *span) for pass_index in range(self.config.passes(split)) for span in _spans(documents, self.config.num_shards)]
            generators.append(datasets.SplitGenerator(name=split, gen_kwargs={"shards": shards, "folder": folder}))
        return generators

    def _generate_tables(self, shards: list[tuple[int, int, int]], folder: str) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        store = open_token_store(Path(folder))
        schema = self.info.features.arrow_schema
        for number, (pass_index, first, last) in enumerate(shards):
            made = make_pairs(store.sentence_offsets, store.document_offsets, self.config.rules(), self.config.seed, pass_index, first, last)
            for block, pairs in enumerate(made):
                yield (number, block), rows_of(pairs, store.tokens, self.config.cls_token_id, self.config.sep_token_id).cast(schema)


def rows_of(pairs: Pairs, tokens: np.ndarray, cls_token_id: int, sep_token_id: int) -> pa.Table:
    """Training rows of the pairs, as an Arrow table with the columns of `NextSentencePairs`."""
    lengths = pairs.a_length + pairs.b_length + SPECIALS_PER_PAIR
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    first_sep = offsets[:-1] + 1 + pairs.a_length
    input_ids = np.empty(offsets[-1], tokens.dtype)
    input_ids[offsets[:-1]] = cls_token_id
    input_ids[first_sep] = sep_token_id
    input_ids[offsets[1:] - 1] = sep_token_id
    input_ids[_ranges(offsets[:-1] + 1, pairs.a_length)] = tokens[_ranges(pairs.a_start, pairs.a_length)]
    input_ids[_ranges(first_sep + 1, pairs.b_length)] = tokens[_ranges(pairs.b_start, pairs.b_length)]
    token_type_ids = np.zeros(offsets[-1], np.uint8)
    token_type_ids[_ranges(first_sep + 1, pairs.b_length + 1)] = 1
    arrow_offsets = pa.array(offsets, pa.int32())
    columns = {
        "input_ids": pa.ListArray.from_arrays(arrow_offsets, pa.array(input_ids)),
        "token_type_ids": pa.ListArray.from_arrays(arrow_offsets, pa.array(token_type_ids)),
        "next_sentence_label": pa.array(pairs.next_sentence_label.astype(np.uint8)),
        "row_id": pa.array(pairs.row_id),
    }
    return pa.table(columns)


def build_pairs(recipe: Recipe) -> None:
    """Tokenise both splits into RUN/store and write their pairs to RUN/pairs, with statistics.json.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    tokenizer = load_tokenizer(recipe.folder / "tokenizer")
    folders = {split: recipe.folder / "store" / split for split in SPLITS}
    documents = tqdm(read_documents(recipe.corpus), desc="pairs: documents tokenised", unit=" documents")
    by_split = ((split_of(document, recipe.corpus, recipe.seed), document) for document in documents)
    for split, store in write_token_stores(folders, by_split, tokenizer, recipe.pairs.num_proc).items():
        _require_two(store, split)
    stores = {split: str(folder) for split, folder in folders.items()}
    folder = recipe.folder / "pairs"
    build_pair_dataset(stores, recipe.folder / "tokenizer", recipe.pairs, recipe.seed, folder)
    config = pair_config(stores, recipe.folder / "tokenizer", recipe.pairs, recipe.seed)
    statistics = {split: pair_statistics(open_token_store(Path(stores[split])), config, config.passes(split)) for split in SPLITS}
    write_json(folder / "statistics.json", statistics)
    for split in SPLITS:
        print(describe(split, statistics[split]))


def build_pair_dataset(
    stores: dict[str, str], tokenizer_folder: Path, rules: PairsConfig, seed: int = 1, cache_dir: str | Path | None = None
) -> datasets.DatasetDict:
    """The pairs of token stores as a `DatasetDict`, built on the first call and memory-mapped from `cache_dir` after that.

    Args:
        stores: folders of token stores by split, as `recipe.token_store.write_token_store` makes them.
        tokenizer_folder: where [CLS] and [SEP] are looked up.
        cache_dir: where the Arrow files are kept; None: the cache of `datasets`.
    """
    settings = pair_config(stores, tokenizer_folder, rules, seed)
    arguments = {
        name: getattr(settings, name) for name in NextSentencePairConfig.__dataclass_fields__ if name not in datasets.BuilderConfig.__dataclass_fields__
    }
    builder = NextSentencePairs(cache_dir=str(cache_dir) if cache_dir else None, dataset_name="next_sentence_pairs", **arguments)
    with exclusive(Path(builder.cache_dir)):
        # Left by a build that was killed: `datasets` would move its shards into the new result.
        shutil.rmtree(builder.cache_dir + ".incomplete", ignore_errors=True)
        builder.download_and_prepare(num_proc=rules.num_proc if rules.num_proc > 1 else None)
    return builder.as_dataset()


def pair_config(stores: dict[str, str], tokenizer_folder: Path, rules: PairsConfig, seed: int) -> NextSentencePairConfig:
    """The builder's settings for a recipe's `pairs` section."""
    ids = special_token_ids(tokenizer_folder)
    return NextSentencePairConfig(
        stores=stores,
        cls_token_id=ids["[CLS]"],
        sep_token_id=ids["[SEP]"],
        seed=derive_key(seed, "pair dataset") >> 1,
        max_seq_length=rules.max_seq_length,
        short_seq_probability=rules.short_seq_probability,
        nsp_probability=rules.nsp_probability,
        truncation=rules.truncation,
        dupe_factor=rules.dupe_factor,
        num_shards=rules.num_proc,
    )


def load_pairs(recipe: Recipe) -> datasets.DatasetDict:
    """The pairs that `build_pairs` made."""
    if not (recipe.folder / "pairs" / "statistics.json").is_file():
        raise InputError(f"{recipe.folder / 'pairs'}: no pairs here; run scripts/build_pairs.py first")
    datasets.disable_progress_bars()
    stores = {split: str(recipe.folder / "store" / split) for split in SPLITS}
    return build_pair_dataset(stores, recipe.folder / "tokenizer", recipe.pairs, recipe.seed, recipe.folder / "pairs")


def pair_statistics(store: TokenStore, config: NextSentencePairConfig, passes: int) -> dict:
    """Counts over all passes: documents, pairs, share of label 1 and how many of it were forced, lengths, tokens kept and cut."""
    edges = np.linspace(SPECIALS_PER_PAIR, config.max_seq_length, 33).round().astype(int)
    histogram = np.zeros(len(edges) - 1, np.int64)
    names = ("pairs", "label_1", "forced_random", "tokens_used", "tokens_cut", "a", "b")
    totals = dict.fromkeys(names, 0)
    for pass_index in range(passes):
        for pairs in make_pairs(store.sentence_offsets, store.document_offsets, config.rules(), config.seed, pass_index, 0, store.documents):
            lengths = pairs.a_length + pairs.b_length
            histogram += np.histogram(lengths + SPECIALS_PER_PAIR, edges)[0]
            values = (len(pairs), pairs.next_sentence_label, pairs.forced_random, lengths, pairs.cut, pairs.a_length, pairs.b_length)
            totals = {name: totals[name] + int(np.sum(value)) for name, value in zip(names, values, strict=True)}
    number = max(totals["pairs"], 1)
    return {
        **store.counts,
        **{name: totals[name] for name in ("pairs", "forced_random", "tokens_used", "tokens_cut")},
        "label_1_share": totals["label_1"] / number,
        "mean_length": totals["tokens_used"] / number + SPECIALS_PER_PAIR,
        "segment_a_mean_length": totals["a"] / number,
        "segment_b_mean_length": totals["b"] / number,
        "length_histogram": {"edges": edges.tolist(), "counts": histogram.tolist()},
    }


def describe(split: str, statistics: dict) -> str:
    """One line for the terminal."""
    return (
        f"pairs: {split}: {statistics['documents']:,} documents, {statistics['sentences']:,} sentences, {statistics['tokens']:,} tokens -> "
        f"{statistics['pairs']:,} pairs of {statistics['mean_length']:.0f} tokens on average; {statistics['label_1_share']:.1%} have a random B "
        f"({statistics['forced_random']:,} of them since the chunk was one sentence); truncation cut {statistics['tokens_cut']:,} tokens; "
        f"{statistics['empty_sentences']:,} empty sentences left out"
    )


def _spans(documents: int, shards: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, documents, min(shards, documents) + 1).round().astype(int).tolist()
    return list(pairwise(bounds))


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The indexes starts[i], ..., starts[i] + lengths[i] - 1 of all i, one after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _require_two(store: TokenStore, split: str) -> None:
    if store.documents >= 2:
        return
    remedy = "raise corpus.validation_share or add documents" if split == "validation" else "put a blank line between documents or add some"
    raise InputError(f"corpus.path: the {split} split has {store.documents} document(s), but a random segment B must come from another one; {remedy}")
