"""Which reader a file needs: by corpus.format, by its name and, where that is not enough, by how it begins."""

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
_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"} | dict.fromkeys(
    (".txt", ".text"), "blank_line_text"
)
_XML = frozenset({"pubmed", "jats"})
# How files begin that are not text, whatever their name says. Refused here, since a reader would only find bad UTF-8.
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
    """The format of a file, `wanted` unless that is "auto"; raises InputError if it is another or an unknown one."""
    if wanted in _XML or (wanted == "auto" and source.suffix in (".xml", ".nxml")):
        return _xml_format(source, wanted)
    format_ = wanted if wanted != "auto" else _by_name_or_content(source)
    head = source.head(4) if format_ != "parquet" else b""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{source}: is not {format_} but {kind}")
    return format_


def _by_name_or_content(source: Source) -> str:
    if source.suffix == ".json":
        # BioC has its documents in one object; data sets often call JSON lines .json.
        first_line = source.head(1 << 16).split(b"\n", 1)[0].strip()
        is_record = first_line.startswith(b"{") and first_line.endswith(b"}") and b'"passages"' not in first_line
        return "jsonl" if is_record else "bioc_json"
    if source.suffix not in _BY_SUFFIX:
        raise InputError(
            f"{source}: unknown kind of file; set corpus.format to {' or '.join(READERS)}, or give it one of the"
            f" endings {', '.join(SUFFIXES)}"
        )
    return _BY_SUFFIX[source.suffix]


def _xml_format(source: Source, wanted: str) -> str:
    root = root_name(source)
    found_format = "pubmed" if root in PUBMED_ROOTS else "jats" if root in JATS_ROOTS else None
    if found_format is None or wanted not in ("auto", found_format):
        found = f"has the root element <{root}>" if root else "is not XML"
        pubmed, jats = (" or ".join(f"<{name}>" for name in sorted(names)) for names in (PUBMED_ROOTS, JATS_ROOTS))
        raise InputError(
            f"{source}: {found}; pubmed reads {pubmed}, jats {jats}; set corpus.format to what it is or leave it out"
        )
    return found_format
