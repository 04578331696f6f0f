"""corpus.path -> files: folders, globs, URLs of fsspec and the embedded articles; opening them, compressed or not."""

import glob
import gzip
import importlib.util
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from recipe.config import CorpusConfig
from recipe.errors import InputError
from recipe.files import sha256_of_file, sha256_of_stream
from recipe.inputs.hub_folder import HUB
from recipe.inputs.regular_files import refuse_special_file
from recipe.privacy.secrets import masked, masked_urls_in

EMBEDDED = "embedded:allofplos"
# Endings of the names of files, without .gz or .zst after them.
SUFFIXES = (".txt", ".text", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xml", ".nxml")
COMPRESSED = (".gz", ".zst")
# What stands after a file in the source of a document: a line, a row, an element or an id, which may be any text.
_AFTER_KNOWN = re.compile(
    f"(.*?(?:{'|'.join(map(re.escape, SUFFIXES))})(?:{'|'.join(map(re.escape, COMPRESSED))})?)[:#]"
)
_AFTER_OTHER = re.compile(r"(?::\d+(?: element \d+)?|#[^#]*)$")


@dataclass(frozen=True)
class Source:
    """A file of the corpus, by its path or its URL."""

    location: str

    def __str__(self) -> str:
        # For messages and records.
        return masked_urls_in(self.location)

    @property
    def name(self) -> str:
        """The last part of the path; of a URL without what follows a question mark, such as a signature."""
        name = self.location.rpartition("/")[2]
        return name.partition("?")[0] if self.is_url else name

    @property
    def suffix(self) -> str:
        """The ending of the name in lower case, the ending of a compressed file left out: "a.xml.gz" -> ".xml"."""
        path = Path(self.name.lower())
        return path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix

    @property
    def is_url(self) -> bool:
        """Whether fsspec opens it."""
        return "://" in self.location

    def state(self) -> dict[str, Any]:
        """What changes when the file does: size in bytes, and time of change or what a remote store has instead."""
        if not self.is_url:
            refuse_special_file(self.location)
            found = Path(self.location).stat()
            return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
        with explain_unreachable(self.location):
            filesystem, path = _filesystem(self.location)
            return {"size": filesystem.info(path)["size"], "mtime_ns": filesystem.ukey(path)}

    def sha256(self) -> str:
        """sha256 of the bytes as stored."""
        if not self.is_url:
            return sha256_of_file(Path(self.location))
        with explain_unreachable(self.location), self.open_raw() as file:
            return sha256_of_stream(file)

    def open_raw(self) -> BinaryIO:
        """The bytes as stored."""
        if not self.is_url:
            return open(self.location, "rb")
        filesystem, path = _filesystem(self.location)
        return filesystem.open(path, "rb")

    def open(self) -> BinaryIO:
        """The bytes, unpacked if the name ends in .gz or .zst."""
        raw, name = self.open_raw(), self.name.lower()
        if name.endswith(".gz"):
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        if name.endswith(".zst"):
            # Arrow, which is needed anyway, reads zstd; Python does so only from 3.14 on.
            return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
        return raw

    def head(self, size: int = 4096) -> bytes:
        """The first bytes, unpacked."""
        with explain_broken_data(self), self.open() as file:
            return file.read(size)


def source_files(config: CorpusConfig) -> list[Source]:
    """The corpus's files in a fixed order; of a folder those below it whose names have a known ending.

    Raises:
        InputError: if corpus.path is empty, a path leads to no file, or a file is empty.
    """
    if not config.path:
        raise InputError("corpus.path is empty; name files or folders of text, such as --corpus.path=texts/*.txt.gz")
    found = [source for entry in config.path if not entry.startswith(HUB) for source in _sources_of(entry)]
    for source in found:
        if source.state()["size"] == 0:
            raise InputError(f"{source}: the file is empty; remove it from corpus.path or fill it")
    return list(dict.fromkeys(found))


def file_of(source: str) -> str:
    """The file, or the data set of the Hub, in the source of a document: "texts/a.txt.gz:12" -> "texts/a.txt.gz"."""
    known = _AFTER_KNOWN.match(source)
    return known[1] if known else _AFTER_OTHER.sub("", source)


@contextmanager
def explain_broken_data(source: Source) -> Iterator[None]:
    """Broken compressed data as an InputError that names the file."""
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        is_gzip = isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile))
        # Arrow has no class of its own for broken data; its OSError has no errno.
        is_zstd = isinstance(error, OSError) and error.errno is None and source.name.lower().endswith(".zst")
        if not is_gzip and not is_zstd:
            raise
        kind = "gzip" if is_gzip else "zstd"
        raise InputError(
            f"{source}: the {kind} data is broken or cut short ({error}); copy or download the file again"
        ) from None


@contextmanager
def explain_unreachable(location: str) -> Iterator[None]:
    """A URL that cannot be read as an InputError that says why."""
    shown = masked_urls_in(location)
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"corpus.path: {shown} needs a package; install it with pip ({error})") from None
    except Exception as error:  # every store raises errors of its own
        cause = f"{type(error).__name__}: {masked(' '.join(str(error).split()))[:150]}"
        raise InputError(f"corpus.path: {shown} cannot be read ({cause}); check the URL") from None


def _filesystem(location: str) -> tuple[Any, str]:
    # Not at the top: fsspec is needed for URLs only.
    from fsspec.core import url_to_fs

    return url_to_fs(location)


def _sources_of(entry: str) -> list[Source]:
    if entry == EMBEDDED:
        return _embedded_articles()
    if "://" in entry:
        return _sources_of_url(entry)
    path = Path(os.path.expanduser(entry))
    refuse_special_file(path, "name files or folders of text")
    if path.is_dir():
        inside = sorted(path.rglob("*"))
        for file in inside:
            refuse_special_file(file, f"remove it from {path}")
        return _known([str(file) for file in inside if file.is_file()], entry)
    # A name may contain the characters of a pattern, so a file of just this name comes first.
    names = [str(path)] if path.is_file() else sorted(glob.glob(str(path), recursive=True))
    for name in names:
        refuse_special_file(name, "name files or folders of text")
    found = [Source(name) for name in names if Path(name).is_file()]
    if not found:
        looks_like_dataset = entry.count("/") == 1 and entry[0].isalnum() and not Path(entry).suffix
        hint = f"; for a data set of the Hub write hub:{entry}" if looks_like_dataset else ""
        raise InputError(
            f"corpus.path: {entry} leads to no file; correct the path (it is taken from {Path.cwd()}){hint}"
        )
    return found


def _sources_of_url(entry: str) -> list[Source]:
    with explain_unreachable(entry):
        filesystem, path = _filesystem(entry)
        if filesystem.isdir(path):
            return _known([filesystem.unstrip_protocol(name) for name in sorted(filesystem.find(path))], entry)
        found = sorted(filesystem.glob(path)) if glob.has_magic(path) else [path] * filesystem.isfile(path)
        if not found:
            raise InputError(f"corpus.path: {masked_urls_in(entry)} leads to no file; correct the URL")
        return [Source(filesystem.unstrip_protocol(name)) for name in found]


def _known(names: list[str], entry: str) -> list[Source]:
    found = [source for source in map(Source, names) if source.suffix in SUFFIXES]
    if not found:
        raise InputError(
            f"corpus.path: no file below {entry} ends in {', '.join(SUFFIXES)}, with or without .gz or .zst"
        )
    return found


def _embedded_articles() -> list[Source]:
    # Found and read as files, never imported: the package wants others that we do not install.
    spec = importlib.util.find_spec("allofplos")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = sorted(Path(folders[0], "starter_corpus").glob("*.xml")) if folders else []
    if not found:
        raise InputError(
            f"corpus.path: {EMBEDDED} is not installed; run `make setup`, or pip install --no-deps allofplos==0.11.1"
        )
    return [Source(str(path)) for path in found]
