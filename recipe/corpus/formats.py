"""Which reader a file needs: by corpus.format, by its name and, where that is not enough, by how it begins."""

from collections import Counter
from collections.abc import Callable, Iterator

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.bioc import ROOTS as BIOC_ROOTS
from recipe.corpus.readers.bioc import looks_like_bioc, read_bioc_json, read_bioc_xml
from recipe.corpus.readers.csv_table import read_csv
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
    "csv": read_csv,
    "parquet": read_parquet,
    "pubmed": read_pubmed,
    "jats": read_jats,
    "bioc_json": read_bioc_json,
    "bioc_xml": read_bioc_xml,
}
_BY_SUFFIX = {
    **dict.fromkeys((".txt", ".text"), "blank_line_text"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
}
_XML_ROOTS = {"pubmed": PUBMED_ROOTS, "jats": JATS_ROOTS, "bioc_xml": BIOC_ROOTS}
_BYTES_OF_HEAD = 1 << 16
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


def format_of(source: Source, config: CorpusConfig) -> str:
    """The format of a file, corpus.format unless that is "auto"; raises InputError for another or an unknown one."""
    wanted = config.format
    if wanted in _XML_ROOTS or (wanted == "auto" and source.suffix in (".xml", ".nxml")):
        return _xml_format(source, wanted)
    format_ = wanted if wanted != "auto" else _by_name_or_content(source, config)
    head = source.head(4) if format_ != "parquet" else b""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{source}: is not {format_} but {kind}")
    return format_


def _by_name_or_content(source: Source, config: CorpusConfig) -> str:
    if source.suffix not in _BY_SUFFIX:
        raise InputError(
            f"{source}: unknown kind of file; set corpus.format to {' or '.join(READERS)}, or give it one of the"
            f" endings {', '.join(SUFFIXES)}"
        )
    format_ = _BY_SUFFIX[source.suffix]
    # Who names a column has records, which may have passages of their own.
    may_be_bioc = format_ == "jsonl" and config.text_column == CorpusConfig.text_column
    is_bioc = may_be_bioc and looks_like_bioc(source.head(_BYTES_OF_HEAD), is_lines=source.suffix != ".json")
    return "bioc_json" if is_bioc else format_


def _xml_format(source: Source, wanted: str) -> str:
    root = root_name(source)
    found_format = next((name for name, roots in _XML_ROOTS.items() if root in roots), None)
    if found_format is None or wanted not in ("auto", found_format):
        found = f"has the root element <{root}>" if root else f"is not XML but begins with {source.head(40)!r}"
        known = ", ".join(
            f"{name} reads {' or '.join(f'<{root}>' for root in sorted(roots))}" for name, roots in _XML_ROOTS.items()
        )
        raise InputError(f"{source}: {found}; {known}; set corpus.format to what it is or leave it out")
    return found_format
