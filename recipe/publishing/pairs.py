"""RUN/pairs -> the files of a data set of the Hub, which `load_dataset` reads."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import compact, count, percent
from recipe.privacy.traces import public_settings
from recipe.publishing.contents import MODEL_FILES, Files, Sent, chosen_files, file_of, recipe_file
from recipe.publishing.results import provenance
from recipe.records import read_records
from recipe.report.model_card import citation, slug
from recipe.report.templates import render
from recipe.run_folder.integrity import MANIFEST, require_intact

_ROWS = re.compile(r"next_sentence_pairs-(?P<split>[a-z]+)(?P<shard>-\d+-of-\d+)?\.arrow")
_TOKENIZER_FILES = tuple(name for name in MODEL_FILES if not name.startswith(("model", "config")))


def pair_files(run: Path, recipe: Recipe) -> Files:
    """Rows, statistics, tokenizer, card, recipe and provenance.

    The rows are the Arrow files of the run: their bytes are those that training read and that RUN/stages.json has the
    sha256 of, and nothing is written a second time.

    Raises:
        InputError: if there are no pairs, or not all that was trained on, or a file is damaged.
    """
    if recipe.pairs.refresh_every_epoch:
        raise InputError(
            f"{run / 'pairs'}: pairs.refresh_every_epoch made the training pairs while the model trained, so only"
            " those of validation are stored; set it to false and run `domain-bert pairs` in another run folder"
        )
    if "pairs" not in read_records(run) or not (run / "pairs" / MANIFEST).is_file():
        raise InputError(f"{run / 'pairs'}: contains no pairs; run `domain-bert pairs` first")
    require_intact(run, "tokenizer", "pairs")
    files: Files = {}
    for name in read_json(run / "pairs" / MANIFEST):
        if found := _ROWS.fullmatch(Path(name).name):
            place = f"data/{found['split']}{found['shard'] or '-00000-of-00001'}.arrow"
            files[place] = file_of(run / "pairs" / name, run, recipe)
    files["statistics.json"] = file_of(run / "pairs" / "statistics.json", run, recipe)
    files |= chosen_files(run / "tokenizer", _TOKENIZER_FILES, run, recipe, below="tokenizer/")
    files["README.md"] = Sent("README.md of the pairs", _card(run, public_settings(recipe), sorted(files)).encode())
    files |= recipe_file(recipe)
    return files | provenance(run, files)


def _card(run: Path, recipe: Recipe, places: list[str]) -> str:
    statistics: dict[str, Any] = read_json(run / "pairs" / "statistics.json")
    title = f"Next-sentence pairs of {recipe.hub.domain}"
    splits = [name for name in ("train", "validation") if any(place.startswith(f"data/{name}-") for place in places)]
    rows = max((statistics[split]["pairs"] for split in splits), default=0)
    metadata = DatasetCardData(
        pretty_name=title,
        language=recipe.hub.language or recipe.corpus.language,
        license=recipe.hub.license,
        tags=["bert", "next-sentence-prediction", "pretraining", slug(recipe.hub.domain)],
        size_categories=_size_category(rows),
        # Named, since statistics and tokenizer are JSON files next to the rows, which would be taken for data.
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.arrow"} for split in splits],
            }
        ],
    )
    shares = (("pairs with a random second segment", "label_1_share"), ("tokens that are [UNK]", "unknown_share"))
    names = (("documents", "documents"), ("sentences", "sentences"), ("tokens", "tokens"), ("pairs", "pairs"))
    table = [[title, *(count(statistics[split].get(key)) for split in splits)] for title, key in names]
    table += [[title, *(percent(statistics[split].get(key)) for split in splits)] for title, key in shares]
    return render(
        "pairs_card.md.j2",
        metadata=metadata.to_yaml(),
        repo=recipe.hub.repo,
        domain=recipe.hub.domain,
        license=recipe.hub.license,
        pairs=recipe.pairs,
        splits=splits,
        table=table,
        tokens=compact(sum(statistics[split]["tokens"] for split in splits)),
        citation=citation(title, f"datasets/{recipe.hub.repo}", read_records(run)["pairs"]),
    )


def _size_category(rows: int) -> str:
    """The Hub's name of a size."""
    bounds: tuple[tuple[int, str], ...]
    bounds = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
    bounds += ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"))
    return next((name for bound, name in bounds if rows < bound), "n>1B")
