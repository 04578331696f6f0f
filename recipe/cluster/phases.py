"""The phases of the stages corpus and pairs on many machines: parallel ones, in many tasks, and single ones."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recipe.cluster.file_shards import counts_of_shard, read_file_shard, shard_key, shard_settings, write_file_shard
from recipe.cluster.token_shards import join_token_shards, write_token_shards
from recipe.config import Recipe
from recipe.corpus import Document, Source
from recipe.corpus import prepare as corpus
from recipe.corpus.cleaning import CleaningReport, cleaning_filters
from recipe.corpus.prepare import RemovedList, write_clean
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.readers.pubmed import RecordNumbers, record_numbers, superseded_positions
from recipe.corpus.reading import corpus_sources, pubmed_sources
from recipe.errors import InputError
from recipe.files import atomic_write, sha256_of_json
from recipe.pipeline import check_inputs, is_done, remember_inputs, run_stage
from recipe.processes import this_process


@dataclass(frozen=True)
class Phase:
    """One step of the way; a phase that is not parallel has one task.

    stage: the stage that it belongs to. call: takes the recipe, which task it is, and of how many.
    """

    name: str
    stage: str
    call: Callable[[Recipe, int, int], None]
    is_parallel: bool


def number_records(recipe: Recipe, rank: int, tasks: int) -> None:
    """PubMed files -> the PMIDs and versions of their records."""
    for source in pubmed_sources(recipe.corpus)[rank::tasks]:
        path = _numbers_path(recipe, source)
        if not path.is_file():
            _write_arrays(path, vars(record_numbers(source)))


def find_superseded(recipe: Recipe, rank: int, tasks: int) -> None:
    """The numbers of all PubMed files -> the positions of the records in each that do not count."""
    sources = pubmed_sources(recipe.corpus)
    path = _superseded_path(recipe, sources)
    if not path.is_file():
        numbers = [RecordNumbers(**_arrays(_numbers_path(recipe, source))) for source in sources]
        _write_arrays(path, {str(index): places for index, places in enumerate(superseded_positions(numbers))})


def write_file_shards(recipe: Recipe, rank: int, tasks: int) -> None:
    """Files and data sets of the corpus -> their shards."""
    filters = cleaning_filters(recipe.corpus)
    for source, superseded, path in _file_shards(recipe, rank, tasks):
        if not path.is_dir():
            write_file_shard(path, source, superseded, recipe.corpus, filters)


def merge_file_shards(recipe: Recipe, rank: int, tasks: int) -> None:
    """File shards -> RUN/corpus, as the stage corpus makes it; shards that this corpus does not have are removed.

    Raises:
        InputError: if a shard is missing, or fewer than two documents are left.
    """
    paths = []
    for source, _, path in _file_shards(recipe, 0, 1):
        if not path.is_dir():
            raise InputError(
                f"{path}: the shard of {source} is missing, or the file has changed since; run"
                " `domain-bert cluster` again"
            )
        paths.append(path)
    shards = [counts_of_shard(path) for path in paths]
    # The tasks hashed the files when they read them, so the stage's record needs no second read of them all.
    remember_inputs(recipe, {shard["source"]: shard["input"] for shard in shards})

    def cleaned(report: CleaningReport, removed: RemovedList, counts: Counter[str]) -> Iterator[Document]:
        shown = tqdm(paths, desc="corpus: shards merged", unit=" shards", disable=None)
        for path, shard in zip(shown, shards, strict=True):
            counts.update(shard["reading"])
            report.add_counts(shard["cleaning"])
            yield from report.clean_by_signatures(read_file_shard(path, removed.add))

    run_stage(recipe, "corpus", lambda recipe: write_clean(recipe, cleaned))
    for path in set(_folder(recipe, "files").iterdir()) - set(paths):
        shutil.rmtree(path)


def make_tokenizer(recipe: Recipe, rank: int, tasks: int) -> None:
    """The stage tokenizer."""
    run_stage(recipe, "tokenizer")


def encode_token_shards(recipe: Recipe, rank: int, tasks: int) -> None:
    """Groups of rows of RUN/corpus -> blocks of token ids."""
    if not is_done(recipe, "tokens"):
        write_token_shards(_folder(recipe, "tokens"), recipe, rank, tasks)


def join_pairs(recipe: Recipe, rank: int, tasks: int) -> None:
    """Blocks of token ids -> RUN/store as the stage tokens makes it, then the stage pairs; the blocks are removed."""
    folder = _folder(recipe, "tokens")
    run_stage(recipe, "tokens", lambda recipe: join_token_shards(folder, recipe))
    run_stage(recipe, "pairs")
    shutil.rmtree(folder, ignore_errors=True)


PHASES = (
    Phase("numbers", "corpus", number_records, is_parallel=True),
    Phase("superseded", "corpus", find_superseded, is_parallel=False),
    Phase("files", "corpus", write_file_shards, is_parallel=True),
    Phase("merge", "corpus", merge_file_shards, is_parallel=False),
    Phase("tokenizer", "tokenizer", make_tokenizer, is_parallel=False),
    Phase("tokens", "tokens", encode_token_shards, is_parallel=True),
    Phase("pairs", "pairs", join_pairs, is_parallel=False),
)


def pending_phases(recipe: Recipe) -> list[Phase]:
    """The phases from the first stage on that is not done and unchanged.

    Raises:
        InputError: if files cannot serve, settings need what is not there, or a package is not installed.
    """
    check_inputs(recipe, "corpus")
    has_records = bool(pubmed_sources(recipe.corpus))
    # Made only for its errors, which a user wants before the jobs wait in a queue.
    cleaning_filters(recipe.corpus)
    stages = ["corpus", "tokenizer", "tokens", "pairs"]
    while stages and is_done(recipe, stages[0]):
        del stages[0]
    needless = () if has_records else ("numbers", "superseded")
    return [phase for phase in PHASES if phase.stage in stages and phase.name not in needless]


def _file_shards(recipe: Recipe, rank: int, tasks: int) -> Iterator[tuple[Source | HubSource, list[int], Path]]:
    """Every file and data set of a task, its superseded records, and the folder of its shard."""
    settings = shard_settings(recipe)
    pubmed = pubmed_sources(recipe.corpus)
    superseded = _arrays(_superseded_path(recipe, pubmed)) if pubmed else {}
    index: dict[Source | HubSource, str] = {source: str(number) for number, source in enumerate(pubmed)}
    for source in corpus_sources(recipe.corpus)[rank::tasks]:
        places = superseded[index[source]].tolist() if source in index else []
        yield source, places, _folder(recipe, "files") / shard_key(source, places, settings)


def _numbers_path(recipe: Recipe, source: Source) -> Path:
    return _folder(recipe, "numbers") / (sha256_of_json([str(source), source.state(), corpus.VERSION]) + ".npz")


def _superseded_path(recipe: Recipe, sources: list[Source]) -> Path:
    numbers = [_numbers_path(recipe, source).name for source in sources]
    return _folder(recipe, "superseded") / (sha256_of_json(numbers) + ".npz")


# All that is made before the run's own folders is in RUN/cluster, each piece named by a hash of all that shapes it. So
# a task knows by the name alone what is done, and a change of settings redoes only what depends on it.
def _folder(recipe: Recipe, name: str) -> Path:
    return recipe.folder / "cluster" / name


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with atomic_write(path, this_process()) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, each read when it is asked for; raises InputError if the file is missing."""
    try:
        return np.load(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: is missing, or a file of corpus.path has changed since; run `domain-bert cluster` again"
        ) from None
