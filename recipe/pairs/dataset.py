"""Token store -> `datasets` builder `NextSentencePairs` -> Arrow rows; `build_pair_dataset` does it all from text, as
one call.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer
from tqdm import tqdm

from recipe.config import CorpusConfig, PairsConfig, Recipe, check_ranges
from recipe.corpus import SPLITS, Document, read_documents, split_of
from recipe.corpus.prepared import read_prepared
from recipe.errors import InputError
from recipe.files import explain_disk_full, file_lock, read_json, sha256_of_json, write_json
from recipe.pairs.passes import PairPasses
from recipe.pairs.sampling import PairRules, Pairs, balanced_probability, make_pairs
from recipe.pairs.statistics import SPECIALS_PER_PAIR, describe, pair_statistics, ranges
from recipe.provenance import code_hash
from recipe.rng import derive_key
from recipe.tokenizer.folder import load_tokenizer, special_token_ids
from recipe.tokens.store import TokenStore, open_token_store, store_hash, write_token_stores

RULES = ("max_seq_length", "short_seq_probability", "short_seq_unit", "nsp_probability", "truncation", "dupe_factor")
# Below this the start of another process costs more time than it saves.
TOKENS_PER_PROCESS = 1 << 25
PAIRS_PER_TABLE = 1 << 14


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
    short_seq_unit: str = "document"
    nsp_probability: float = 0.5
    truncation: str = "random_tail"
    dupe_factor: int = 1
    num_shards: int = 1

    def rules(self) -> PairRules:
        """The rules without the special tokens."""
        names = ("short_seq_probability", "short_seq_unit", "nsp_probability", "truncation")
        return PairRules(self.max_seq_length - SPECIALS_PER_PAIR, **{name: getattr(self, name) for name in names})

    def passes(self, split: str) -> int:
        """Passes over a split: dupe_factor for training, one for what is only scored."""
        return self.dupe_factor if split == "train" else 1

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Name the cache by what the rows depend on: all effective settings, the stores' content and the code.

        The inherited id hashes only the arguments that were passed, and paths instead of content, so it serves stale
        rows.
        """
        content = {split: store_hash(Path(folder)) for split, folder in (self.stores or {}).items()}
        effective = {name: getattr(self, name) for name in ("cls_token_id", "sep_token_id", "seed", *RULES)}
        return "pairs-" + sha256_of_json([effective, content, code_hash("recipe.pairs.dataset")])[:24]


class NextSentencePairs(datasets.ArrowBasedBuilder):
    """Rows: input_ids ([CLS] A [SEP] B [SEP]), token_type_ids (0 up to the first [SEP], then 1), next_sentence_label
    (1: B is random), row_id.
    """

    BUILDER_CONFIG_CLASS = NextSentencePairConfig

    def _info(self) -> datasets.DatasetInfo:
        dtypes = {open_token_store(Path(folder)).tokens.dtype.name for folder in (self.config.stores or {}).values()}
        features = {
            "input_ids": datasets.List(
                datasets.Value(max(dtypes, default="uint16", key=lambda name: np.dtype(name).itemsize))
            ),
            "token_type_ids": datasets.List(datasets.Value("uint8")),
            "next_sentence_label": datasets.Value("uint8"),
            "row_id": datasets.Value("int64"),
        }
        return datasets.DatasetInfo(
            description="Next-sentence pairs for BERT pretraining", features=datasets.Features(features)
        )

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        generators = []
        for split, folder in (self.config.stores or {}).items():
            documents = open_token_store(Path(folder)).documents
            shards = [
                (pass_index, *span)
                for pass_index in range(self.config.passes(split))
                for span in _spans(documents, self.config.num_shards)
            ]
            generators.append(datasets.SplitGenerator(name=split, gen_kwargs={"shards": shards, "folder": folder}))
        return generators

    def _generate_tables(
        self, shards: list[tuple[int, int, int]], folder: str
    ) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        store = open_token_store(Path(folder))
        schema = self.info.features.arrow_schema
        for number, (pass_index, first, last) in enumerate(shards):
            made = make_pairs(
                store.sentence_offsets,
                store.document_offsets,
                self.config.rules(),
                self.config.seed,
                pass_index,
                first,
                last,
            )
            for part, pairs in enumerate(_parts(made)):
                yield (
                    (number, part),
                    rows_of(pairs, store.tokens, self.config.cls_token_id, self.config.sep_token_id).cast(schema),
                )


def rows_of(pairs: Pairs | np.recarray, tokens: np.ndarray, cls_token_id: int, sep_token_id: int) -> pa.Table:
    """Training rows of the pairs (or records with the same names), as an Arrow table with the columns of
    `NextSentencePairs`.
    """
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


def build_pairs(recipe: Recipe) -> None:
    """Tokenise both splits into RUN/store and write their pairs to RUN/pairs, with statistics.json; no training pairs
    if every epoch makes its own.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    folders = {split: recipe.folder / "store" / split for split in SPLITS}
    tokenizer = load_tokenizer(recipe.folder / "tokenizer")
    write_split_stores(
        folders, read_prepared(recipe.folder / "corpus"), recipe.corpus, tokenizer, recipe.seed, recipe.pairs.num_proc
    )
    build_rows(recipe)


def build_rows(recipe: Recipe) -> None:
    """Write the pairs of RUN/store to RUN/pairs, as `build_pairs` does.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    stores = {split: open_token_store(recipe.folder / "store" / split) for split in SPLITS}
    for split, store in stores.items():
        _require_two(store, split)
    builder = recipe_builder(recipe)
    made = write_rows(builder, recipe.pairs)
    statistics = {
        split: made.get(split) or _statistics_of(store, split, builder.config) for split, store in stores.items()
    }
    write_json(recipe.folder / "pairs" / "statistics.json", statistics)
    for split, found in statistics.items():
        print(f"pairs: {describe(split, found)}")
        for warning in found["warnings"]:
            print(f"pairs: warning: {split}: {warning}")


def build_pair_dataset(
    text: str | Path | list[str] | Iterable[Document],
    tokenizer_folder: str | Path,
    folder: str | Path,
    *,
    seed: int = 1,
    validation_share: float = 0.02,
    **rules: Any,
) -> datasets.DatasetDict:
    """The next-sentence pairs of a text, as a memory-mapped `DatasetDict` of train and validation: all of it that
    people need who want only the pairs.

    A second call with the same text and settings tokenises, finds the rows in their place and opens them; one that was
    killed goes on.

    Args:
        text: files, globs or folders as for `corpus.path`, or `recipe.corpus.Document`s.
        tokenizer_folder: of a fast tokenizer with [CLS] and [SEP], as `save_pretrained` writes it.
        folder: where token stores and rows are kept.
        rules: fields of `recipe.config.PairsConfig`, such as max_seq_length=512, dupe_factor=10, num_proc=8,
            max_shard_size="1GB".

    Raises:
        InputError: if the text cannot be read, or a split has fewer than two documents.
    """
    settings, corpus = PairsConfig(**rules), CorpusConfig(validation_share=validation_share)
    check_ranges(settings, "pairs")
    folders = {split: Path(folder) / "store" / split for split in SPLITS}
    write_split_stores(
        folders, _documents_of(text, corpus), corpus, load_tokenizer(Path(tokenizer_folder)), seed, settings.num_proc
    )
    config = pair_config({split: str(path) for split, path in folders.items()}, Path(tokenizer_folder), settings, seed)
    builder = pair_builder(config, Path(folder) / "pairs")
    write_rows(builder, settings)
    return builder.as_dataset()


def write_split_stores(
    folders: dict[str, Path],
    documents: Iterable[Document],
    corpus: CorpusConfig,
    tokenizer: Tokenizer,
    seed: int,
    num_proc: int,
) -> dict[str, TokenStore]:
    """Token stores of the splits, in one pass over the documents.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    shown = tqdm(documents, desc="pairs: documents tokenised", unit=" documents")
    stores = write_token_stores(
        folders, ((split_of(document, corpus, seed), document) for document in shown), tokenizer, num_proc
    )
    for split, store in stores.items():
        _require_two(store, split)
    return stores


def pair_builder(config: NextSentencePairConfig, cache_dir: str | Path | None = None) -> NextSentencePairs:
    """A builder over token stores; `write_rows` makes its Arrow files, `as_streaming_dataset(split)` gives the same
    rows without any.

    Args:
        cache_dir: where the Arrow files are kept; None: the cache of `datasets`.
    """
    names = set(NextSentencePairConfig.__dataclass_fields__) - set(datasets.BuilderConfig.__dataclass_fields__)
    arguments = {name: getattr(config, name) for name in sorted(names)}
    return NextSentencePairs(
        cache_dir=str(cache_dir) if cache_dir else None, dataset_name="next_sentence_pairs", **arguments
    )


def write_rows(builder: NextSentencePairs, rules: PairsConfig) -> dict[str, dict]:
    """Write the builder's Arrow files unless they are there, by as many processes as pay; returns their statistics,
    which dataset_info tells too.
    """
    kept = Path(builder.cache_dir) / "statistics.json"
    with file_lock(Path(builder.cache_dir)):
        # Left by a build that was killed: `datasets` would move its shards into the new result.
        shutil.rmtree(builder.cache_dir + ".incomplete", ignore_errors=True)
        processes = builder.config.num_shards
        with explain_disk_full(Path(builder.cache_dir)), _cause_of_failure():
            builder.download_and_prepare(
                num_proc=processes if processes > 1 else None, max_shard_size=rules.max_shard_size
            )
        if not kept.is_file():
            stores = {split: open_token_store(Path(folder)) for split, folder in (builder.config.stores or {}).items()}
            statistics = {split: _statistics_of(store, split, builder.config) for split, store in stores.items()}
            builder.info.description = "\n".join(
                ["Next-sentence pairs for BERT pretraining", *(describe(*entry) for entry in statistics.items())]
            )
            builder.info.write_to_directory(builder.cache_dir)
            write_json(kept, statistics)
    return read_json(kept)


def pair_config(
    stores: dict[str, str], tokenizer_folder: Path, rules: PairsConfig, seed: int
) -> NextSentencePairConfig:
    """The builder's settings for a recipe's `pairs` section.

    Args:
        stores: folders of token stores by split, as `recipe.tokens.store.write_token_store` makes them; labels are
            balanced on "train".
        tokenizer_folder: where [CLS] and [SEP] are looked up.
    """
    ids = special_token_ids(tokenizer_folder)
    opened = {split: open_token_store(Path(folder)) for split, folder in stores.items()}
    tokens = sum(len(store.tokens) for store in opened.values())
    config = NextSentencePairConfig(
        stores=stores,
        cls_token_id=ids["[CLS]"],
        sep_token_id=ids["[SEP]"],
        seed=derive_key(seed, "pair dataset") >> 1,
        num_shards=max(1, min(rules.num_proc, tokens // TOKENS_PER_PROCESS)),
        **{name: getattr(rules, name) for name in RULES},
    )
    if rules.balance_labels:
        store = opened.get("train") or next(iter(opened.values()))
        config.nsp_probability = balanced_probability(
            store.sentence_offsets, store.document_offsets, config.rules(), config.seed
        )
    return config


def recipe_builder(recipe: Recipe) -> NextSentencePairs:
    """The builder of a recipe whose token stores are made; without the training split if every epoch makes its own
    pairs.
    """
    config = _recipe_config(recipe)
    if recipe.pairs.refresh_every_epoch:
        config = replace(config, stores={"validation": (config.stores or {})["validation"]})
    return pair_builder(config, recipe.folder / "pairs")


def load_pairs(recipe: Recipe) -> datasets.DatasetDict:
    """The pairs that `build_pairs` made."""
    if not (recipe.folder / "pairs" / "statistics.json").is_file():
        raise InputError(f"{recipe.folder / 'pairs'}: no pairs here; run scripts/build_pairs.py first")
    datasets.disable_progress_bars()
    builder = recipe_builder(recipe)
    write_rows(builder, recipe.pairs)
    return builder.as_dataset()


def training_passes(recipe: Recipe) -> PairPasses:
    """The passes over the training documents that a recipe with pairs.refresh_every_epoch trains on, one per epoch."""
    config = _recipe_config(recipe)
    folder = (config.stores or {})["train"]
    name = replace(config, stores={"train": folder}).create_config_id({})
    return PairPasses(recipe.folder / "passes" / name, open_token_store(Path(folder)), config.rules(), config.seed)


def _recipe_config(recipe: Recipe) -> NextSentencePairConfig:
    stores = {split: str(recipe.folder / "store" / split) for split in SPLITS}
    return pair_config(stores, recipe.folder / "tokenizer", recipe.pairs, recipe.seed)


def _documents_of(text: str | Path | list[str] | Iterable[Document], corpus: CorpusConfig) -> Iterable[Document]:
    # Not Path: `datasets` puts a class of its own in its place in the module of a builder.
    if isinstance(text, (str, os.PathLike)):
        return read_documents(replace(corpus, path=[str(text)]))
    if isinstance(text, list) and all(isinstance(entry, str) for entry in text):
        return read_documents(replace(corpus, path=text))
    return text  # type: ignore[return-value]


@contextmanager
def _cause_of_failure() -> Iterator[None]:
    """`datasets` wraps whatever went wrong while rows are made."""
    try:
        yield
    except datasets.exceptions.DatasetGenerationError as error:
        raise error.__cause__ or error from None


def _parts(blocks: Iterable[Pairs]) -> Iterator[Pairs]:
    """The pairs in runs of few enough to become rows at once."""
    for block in blocks:
        for start in range(0, len(block), PAIRS_PER_TABLE):
            yield Pairs(
                **{name: getattr(block, name)[start : start + PAIRS_PER_TABLE] for name in Pairs.__dataclass_fields__}
            )


def _statistics_of(store: TokenStore, split: str, config: NextSentencePairConfig) -> dict:
    return pair_statistics(store, config.rules(), config.seed, config.passes(split))


def _spans(documents: int, shards: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, documents, min(shards, documents) + 1).round().astype(int).tolist()
    return list(pairwise(bounds))


def _require_two(store: TokenStore, split: str) -> None:
    if store.documents >= 2:
        return
    remedy = (
        "raise corpus.validation_share or add documents"
        if split == "validation"
        else "put a blank line between documents or add some"
    )
    raise InputError(
        f"corpus.path: the {split} split has {store.documents} document(s), but a random segment B must come from"
        f" another one; {remedy}"
    )
