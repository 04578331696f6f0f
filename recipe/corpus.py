"""Files -> documents: blank-line text and JATS articles; and which document is held out for validation."""

import codecs
import glob
import gzip
import hashlib
import importlib.util
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from recipe.config import CorpusConfig
from recipe.errors import InputError
from recipe.sentences import split_sentences

BYTES_PER_READ = 1 << 20
EMBEDDED = "embedded:allofplos"
SUFFIXES = {".txt": "blank_line_text", ".txt.gz": "blank_line_text", ".xml": "jats", ".xml.gz": "jats", ".nxml": "jats"}


@dataclass(frozen=True)
class Document:
    """A text of the corpus: its sentences in order (none empty), and where it came from ("file:line" or "file")."""

    sentences: list[str]
    source: str


def source_files(config: CorpusConfig) -> list[Path]:
    """The corpus's files in a fixed order; folders give the files below them whose names have a known ending.

    Raises:
        InputError: if corpus.path is empty, a path leads to no file, or a file is empty.
    """
    if not config.path:
        raise InputError("corpus.path is empty; name files or folders of text, for example --corpus.path=texts/*.txt.gz")
    found = [path for entry in config.path for path in _files_of(entry)]
    for path in found:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; remove it from corpus.path or fill it")
    return list(dict.fromkeys(found))


def read_documents(config: CorpusConfig) -> Iterator[Document]:
    """All documents of the corpus, file by file; documents without text are left out.

    Raises:
        InputError: for text that is not UTF-8 (with the byte offset), broken gzip or XML, or a file of an unknown kind.
    """
    for path in source_files(config):
        reader = READERS[_format_of(path, config.format)]
        before = path.stat()
        try:
            yield from reader(path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path}: the gzip data is broken or cut short ({error}); copy or download the file again") from None
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{path}: the file changed while it was read ({before.st_size:,} bytes, then {after.st_size:,}); run again when it is complete")


def read_split(config: CorpusConfig, split: str, seed: int) -> Iterator[Document]:
    """The documents of `split`, "train" or "validation"."""
    for document in read_documents(config):
        if split_of(document, config, seed) == split:
            yield document


def split_of(document: Document, config: CorpusConfig, seed: int) -> str:
    """The split of a document, "train" or "validation".

    It is held out if a hash of (seed, its text) falls under corpus.validation_share. Copies of a text therefore stay on one side, and a document stays
    on its side when others are added.
    """
    return "validation" if _text_share(document, seed) < config.validation_share else "train"


def read_blank_line_text(path: Path) -> Iterator[Document]:
    """One sentence per line ("\\n"; "\\r" is stripped), a blank line between documents."""
    sentences: list[str] = []
    first_line = lines_before = 1
    for text in _pieces_of_lines(path):
        lines = [line.strip() for line in text.split("\n")]
        start = 0
        for blank in [*(place for place, line in enumerate(lines) if not line), len(lines)]:
            if start < blank:
                first_line = first_line if sentences else lines_before + start
                sentences += lines[start:blank]
            if blank < len(lines) and sentences:
                yield Document(sentences, f"{path}:{first_line}")
                sentences = []
            start = blank + 1
        lines_before += len(lines)
    if sentences:
        yield Document(sentences, f"{path}:{first_line}")


def read_jats(path: Path) -> Iterator[Document]:
    """One article in JATS XML: title, abstract and the paragraphs of the body; no tables, formulas, captions of figures or references.

    Source of the tag names: Journal Article Tag Suite, ANSI/NISO Z39.96.
    """
    try:
        with _open(path) as file:
            root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: the XML is broken ({error}); copy or download the file again") from None
    skipped = {paragraph for element in root.iter() if element.tag in _SKIPPED for paragraph in element.iter("p")}
    nested = {inner for paragraph in root.iter("p") for inner in paragraph.iter("p") if inner is not paragraph}
    places = ("./front//title-group/article-title", "./front//abstract//p", "./body//p")
    paragraphs = [element for place in places for element in root.findall(place) if element not in skipped | nested]
    sentences = [sentence for paragraph in paragraphs for sentence in split_sentences(_text_of(paragraph))]
    if sentences:
        yield Document(sentences, str(path))


READERS = {"blank_line_text": read_blank_line_text, "jats": read_jats}
_SKIPPED = frozenset({"table-wrap", "table", "fig", "fig-group", "disp-formula", "inline-formula", "ref-list", "supplementary-material", "media", "boxed-text"})
_EMPTY_CITATION = re.compile(r"\s*[\[(](?:(?:see|e\.g\.)[\s,]*)*[\s,;–-]*[\])]")


def _text_of(element: ElementTree.Element) -> str:
    return _EMPTY_CITATION.sub("", "".join(_pieces(element)))


def _pieces(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        is_citation = child.tag == "xref" and child.get("ref-type") == "bibr"
        if child.tag not in _SKIPPED and not is_citation:
            # A list or a nested paragraph starts anew: without the space its words would be glued to the words before it.
            yield from ([" ", *_pieces(child), " "] if child.tag in ("p", "list", "list-item") else _pieces(child))
        yield child.tail or ""


def _files_of(entry: str) -> list[Path]:
    if entry == EMBEDDED:
        return _embedded_articles()
    path = Path(entry).expanduser()
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if _suffix_of(file) in SUFFIXES and file.is_file())
        if not found:
            raise InputError(f"corpus.path: no file below {entry} ends in {', '.join(SUFFIXES)}")
        return found
    found = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
    if not found:
        raise InputError(f"corpus.path: {entry} leads to no file; correct the path (it is taken from {Path.cwd()})")
    return found


def _embedded_articles() -> list[Path]:
    spec = importlib.util.find_spec("allofplos")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = sorted(Path(folders[0], "starter_corpus").glob("*.xml")) if folders else []
    if not found:
        raise InputError("corpus.path: embedded:allofplos is not installed; run `make setup`, or pip install --no-deps allofplos==0.11.1")
    return found


def _format_of(path: Path, wanted: str) -> str:
    if wanted != "auto":
        return wanted
    try:
        return SUFFIXES[_suffix_of(path)]
    except KeyError:
        raise InputError(f"{path}: unknown kind of file; set corpus.format to {' or '.join(READERS)}") from None


def _suffix_of(path: Path) -> str:
    suffixes = path.suffixes
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def _open(path: Path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _pieces_of_lines(path: Path) -> Iterator[str]:
    """The text in pieces of whole lines, each without its last newline."""
    offset = 0
    with _open(path) as file:
        for piece in _ended_by_newline(file):
            yield _decoded(piece, offset, path)
            offset += len(piece) + 1


def _ended_by_newline(file) -> Iterator[bytes]:
    """What lies between newlines about BYTES_PER_READ apart; the rest of the file comes last."""
    unfinished: list[bytes] = []
    while block := file.read(BYTES_PER_READ):
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*unfinished, whole])
            unfinished = []
        unfinished.append(rest)
    if any(unfinished):
        yield b"".join(unfinished)


def _decoded(piece: bytes, offset: int, path: Path) -> str:
    mark = len(codecs.BOM_UTF8) if offset == 0 and piece.startswith(codecs.BOM_UTF8) else 0
    try:
        return piece[mark:].decode()
    except UnicodeDecodeError as error:
        place = mark + error.start
        raise InputError(f"{path}: byte {piece[place]:#04x} at offset {offset + place} is not UTF-8; save the file as UTF-8 or remove the byte") from None


def _text_share(document: Document, seed: int) -> float:
    digest = hashlib.blake2b("\n".join(document.sentences).encode(), digest_size=8, salt=str(seed).encode()[:16])
    return int.from_bytes(digest.digest(), "little") / 2**64
