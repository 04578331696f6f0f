"""What all systems get: the text, and one tokenizer with its vocabulary."""

import re
import shutil
from pathlib import Path

import yaml
from pair_corpus import made_up_text, plain_text
from pair_systems import TIMED, script
from process_tree import measure

from recipe.files import read_json


def make_text(corpus: list[Path], megabytes: float, work: Path) -> Path:
    """The first megabytes of the corpus's files, or made-up text."""
    print(f"making {megabytes:g} MB of text", flush=True)
    return plain_text(corpus, work / "text.txt", megabytes) if corpus else made_up_text(work / "text.txt", megabytes)


def make_tokenizer(text: Path, work: Path) -> Path:
    """A folder with tokenizer.json and vocab.txt: 30,522 pieces trained on the text."""
    print("training the tokenizer", flush=True)
    folder = empty(work / "tokenizer")
    config = work / "tokenizer.yaml"
    recipe = {"run_dir": str(folder), "corpus": {"path": [str(text)], "format": "blank_line_text"}}
    config.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    usage = measure(script("run_recipe", config, "--until", "tokenizer"), work / "tokenizer.txt", TIMED)
    if usage.status:
        raise SystemExit(usage.output)
    entries = read_json(folder / "tokenizer" / "tokenizer.json")["model"]["vocab"]
    # In order of the ids, as the peers read it.
    (folder / "tokenizer" / "vocab.txt").write_text(
        "".join(f"{token}\n" for token in sorted(entries, key=entries.get)), encoding="utf-8"
    )
    return folder / "tokenizer"


def two_whole_words(tokenizer: Path) -> tuple[str, str]:
    """Two words that are one token each."""
    words = (line.strip() for line in (tokenizer / "vocab.txt").open(encoding="utf-8"))
    first, second = [word for word in words if word.isascii() and word.isalpha() and len(word) > 2][:2]
    return first, second


def empty(folder: Path) -> Path:
    """The folder, emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def slug(name: str) -> str:
    """A folder's name for a system's: TensorFlow takes a comma in a path for the end of it."""
    return "-".join(re.findall(r"[\w.]+", name))
