"""The tokenizer of the same documents changes only together with the VERSION of its stage."""

import hashlib
import random
import shutil

from conftest import small_recipe

from recipe.corpus.prepare import prepare_corpus
from recipe.tokenizer import build
from recipe.tokenizer.folder import load_tokenizer

# VERSION of recipe/tokenizer/build.py -> hash of the folder of a trained tokenizer, and of a given one.
GOLDEN = {
    2: (
        "2b9f0c5847562527ab657731dce3bc0896a173c6dd43f392f54b453d1fd77213",
        "d572a508c12bbd916b2419c47968ceb3bc7c94af97a353b3f5a8da04c5be45b9",
    )
}
FILES = ("vocab.txt", "tokenizer_config.json", "statistics.json")
PROBES = ["An in vitro Étude of K\u207a, \ufb01brosis and [MASK].", "alphabetical 漢字", "zzz"]


def digest(folder) -> str:
    """Hash of the tokenizer's files, and of some ids instead of tokenizer.json, whose form is the library's."""
    ids = [load_tokenizer(folder).encode(text, text).ids for text in PROBES]
    content = "\n".join((folder / name).read_text(encoding="utf-8") for name in FILES)
    return hashlib.sha256(f"{content}{ids}".encode()).hexdigest()


def test_the_tokenizer_changes_with_the_version_only(tmp_path):
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijéü", k=2 + seed % 7)) for seed in range(80)]
    documents = ["\n".join(" ".join(draw.choices(words, k=9)).capitalize() + "." for _ in range(4)) for _ in range(60)]
    (tmp_path / "text.txt").write_text(
        "\n\n".join([*documents, "漢字 and K\u207a in \ufb01brosis."]), encoding="utf-8"
    )
    recipe = small_recipe(tmp_path / "text.txt", tmp_path / "run", **{"tokenizer.unused_tokens": "5"})
    prepare_corpus(recipe)
    build.make_tokenizer(recipe)
    shutil.copytree(recipe.folder / "tokenizer", tmp_path / "given")
    trained = digest(recipe.folder / "tokenizer")
    recipe.tokenizer.path = str(tmp_path / "given")
    build.make_tokenizer(recipe)
    assert (trained, digest(recipe.folder / "tokenizer")) == GOLDEN[build.VERSION], (
        "the stage tokenizer makes another folder: raise VERSION of recipe/tokenizer/build.py and write the new hash"
        " here"
    )
