"""`embedded:nero`: chemical mentions of the PyPI wheel NERO-nlp 0.0.8 -> `NerTask`; noisy, so for the demo only.

Source: Wang, Stevens, Alachram, ..., Rzhetsky, "NERO: a biomedical named-entity (recognition) ontology with a large,
annotated corpus reveals meaningful associations through text embedding", npj Systems Biology and Applications 7, 38
(2021). The wheel declares the MIT licence.
"""

import hashlib
import importlib.util
import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from recipe.errors import InputError
from recipe.tasks.data.columns import NerTask, TaggedSentence, labels_of

ANNOTATION_SET = b"manualset3"  # the only set whose sentences are annotated in full, with about 50 classes
ENTITY_COLUMN, CLASS_COLUMN, SENTENCE_COLUMN, SET_COLUMN, COLUMNS = 8, 9, 29, 30, 31

# Substances. Left out: Molecule ("molecules", "antigen") and Thing, too general; AminoAcid ("residues", "sequence"),
# AminoAcidPeptide, Protein and NucleicAcid, which are parts of proteins and genes or these themselves. All other
# classes (diseases, processes, organs, ...) count as O.
CHEMICAL_CLASSES = {b"Chemical", b"Drug", b"SmallMolecule", b"NonProteinOrNucleicAcidChemical", b"Ion", b"Atom"}
_WORD = re.compile(r"\w+|[^\w\s]")


def read_nero() -> NerTask:
    """Read the task: train, devel and test are 80, 10 and 10 % of the sentences, by a hash of their words."""
    path = find_annotations()
    splits: dict[str, list[tuple[str, TaggedSentence]]] = {"train": [], "devel": [], "test": []}
    seen: set[str] = set()
    for sentence, mentions in _sentences_with_mentions(path):
        words = split_words(sentence)
        # Small letters, so that copies that differ in case do not come into two splits.
        digest = hashlib.sha256(" ".join(words).lower().encode()).hexdigest()
        tags = tag_mentions(words, [split_words(mention) for mention in mentions])
        # Only sentences with a chemical are kept (27 %): the demo learns four times as fast from them, and its F1 is
        # higher than on running text.
        if digest not in seen and set(tags) - {"O"}:
            seen.add(digest)
            percentile = int(digest, 16) % 100
            split = "train" if percentile < 80 else "devel" if percentile < 90 else "test"
            splits[split].append((digest, TaggedSentence(words, tags)))
    # The file goes by topic and annotator; in the order of the hashes, the first so many sentences are a fair draw.
    sentences: dict[str, Any] = {
        name: [each for _, each in sorted(split, key=itemgetter(0))] for name, split in splits.items()
    }
    return NerTask("NERO chemicals", labels_of(sentences["train"]), **sentences)


def find_annotations() -> Path:
    """Path of the wheel's annotation_results.txt."""
    # The package is not imported: its own dependencies may be absent, since it is installed with --no-deps.
    spec = importlib.util.find_spec("NERO")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (path := Path(folder) / "annotation_results.txt").is_file():
            return path
    remedy = "run `make setup` or `pip install --no-deps NERO-nlp==0.0.8`"
    raise InputError(f"the task is embedded:nero, but the package NERO-nlp is not installed; {remedy}")


def split_words(text: str) -> list[str]:
    """Runs of letters and digits, and single punctuation marks: "Ca2+-free" -> Ca2, +, -, free."""
    return _WORD.findall(text)


def tag_mentions(words: list[str], mentions: list[list[str]]) -> list[str]:
    """IOB2 tags (O, B-Chemical, I-Chemical): an entity wherever the words of a mention occur one after the other."""
    tags = ["O"] * len(words)
    # Of overlapping mentions the longer one counts, then the earlier.
    for mention in sorted(filter(None, mentions), key=len, reverse=True):
        for start in range(len(words) - len(mention) + 1):
            stop = start + len(mention)
            if words[start:stop] == mention and all(tag == "O" for tag in tags[start:stop]):
                tags[start:stop] = ["B-Chemical"] + ["I-Chemical"] * (len(mention) - 1)
    return tags


def _sentences_with_mentions(path: Path) -> Iterator[tuple[str, list[str]]]:
    mentions: dict[bytes, list[str]] = {}
    # Only \n ends a line: fields of this file contain bare \r.
    for line in path.read_bytes().split(b"\n"):
        columns = line.split(b"\t")
        if len(columns) == COLUMNS and columns[SET_COLUMN].strip() == ANNOTATION_SET:
            found = mentions.setdefault(columns[SENTENCE_COLUMN], [])
            if columns[CLASS_COLUMN].strip() in CHEMICAL_CLASSES:
                found.append(_decode(columns[ENTITY_COLUMN]))
    if not mentions:
        remedy = "run `pip install --no-deps --force-reinstall NERO-nlp==0.0.8`"
        raise InputError(f"{path}: contains no line of the set {ANNOTATION_SET.decode()}; {remedy}")
    for sentence, found in mentions.items():
        yield _decode(sentence), found


def _decode(field: bytes) -> str:
    try:
        # Field by field, since the file mixes encodings.
        return field.decode("utf-8")
    except UnicodeDecodeError:
        # A few lines were saved in the Windows code page.
        return field.decode("cp1252", errors="replace")
