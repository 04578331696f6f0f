"""Which reader a file needs: by corpus.format, by its name and, where that does not say it, by what stands in it."""

from collections import Counter
from collections.abc import Callable, Iterator

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.bioc import read_bioc_json
from recipe.corpus.readers.jats import ROOTS as JATS_ROOTS
from recipe.corpus.readers.jats import read_jats
from recipe.corpus.readers.jsonl_parquet import read_jsonl, read_parquet
from recipe.corpus.readers.plain_text import read_blank_line_text, read_paragraphs, read_plain_text
from recipe.corpus.readers.pubmed import ROOTS as PUBMED_ROOTS
from recipe.corpus.readers.pubmed import read_pubmed
from recipe.corpus.readers.xml import root_name
from recipe.corpus.sources import SUFFIXES, Source
from recipe.errors import InputError

Reader = Callable[[Source, CorpusConfig, Counter[str]], Iterator[RawDocument]]

READERS: dict[str, Reader] = {
    "blank_line_text": read_blank_line_text,
    "plain_text": read_plain_text,
    "paragraphs": read_paragraphs,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "pubmed": read_pubmed,
    "jats": read_jats,
    "bioc_json": read_bioc_json,
}
_BY_SUFFIX = {
    ".txt": "blank_line_text",
    ".text": "blank_line_text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_XML = frozenset({"pubmed", "jats"})
# How files begin that are no text, whatever their name says.
_MAGIC = {
    b"%PDF": "a PDF; turn it into text first",
    b"PK\x03\x04": "a zip archive or an office document; unpack it or save it as text",
    b"\x1f\x8b": "gzip data; give its name the ending .gz",
    b"\x28\xb5\x2f\xfd": "zstd data; give its name the ending .zst",
    b"PAR1": "Parquet; set corpus.format to parquet",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


def format_of(source: Source, wanted: str) -> str:
    """The format of a file, `wanted` unless that is "auto".

    Raises:
        InputError: if the file is of another kind than that, or of an unknown one.
    """
    if wanted in _XML or (wanted == "auto" and source.suffix in (".xml", ".nxml")):
        return _kind_of_xml(source, wanted)
    format_ = wanted if wanted != "auto" else _by_name_or_content(source)
    if format_ != "parquet":
        _refuse_binary(source, format_)
    return format_


def _by_name_or_content(source: Source) -> str:
    if source.suffix == ".json":
        return _kind_of_json(source)
    try:
        return _BY_SUFFIX[source.suffix]
    except KeyError:
        raise InputError(
            f"{source}: unknown kind of file; set corpus.format to {' or '.join(READERS)}, or give it one of the"
            f" endings {', '.join(SUFFIXES)}"
        ) from None


def _kind_of_json(source: Source) -> str:
    """BioC has its documents in one object; data sets often call JSON lines .json."""
    first_line = source.head(1 << 16).split(b"\n", 1)[0].strip()
    is_whole_object = first_line.startswith(b"{") and first_line.endswith(b"}") and b'"passages"' not in first_line
    return "jsonl" if is_whole_object else "bioc_json"


def _kind_of_xml(source: Source, wanted: str) -> str:
    root = root_name(source)
    found_format = "pubmed" if root in PUBMED_ROOTS else "jats" if root in JATS_ROOTS else None
    if found_format is None or wanted not in ("auto", found_format):
        found = f"has the root element <{root}>" if root else "is no XML"
        raise InputError(
            f"{source}: {found}; pubmed reads {_tags(PUBMED_ROOTS)}, jats {_tags(JATS_ROOTS)}; set corpus.format to"
            " what it is or leave it out"
        )
    return found_format


def _refuse_binary(source: Source, format_: str) -> None:
    head = source.head(4)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{source}: is not {format_} but {kind}")


def _tags(names: frozenset[str]) -> str:
    return " or ".join(f"<{name}>" for name in sorted(names))
