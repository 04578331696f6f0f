"""BioC JSON (PMC's and PubTator's exports) -> one document per document of the collection.

Source: Comeau et al., BioC: a minimalist approach to interoperability (2013); infon types of PMC's BioC export.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.text_blocks import blocks_of_lines
from recipe.corpus.sources import Source
from recipe.errors import InputError

_SKIPPED_SECTIONS = frozenset({"REF", "TABLE", "FIG", "SUPPL", "ACK_FUND", "AUTH_CONT", "COMP_INT", "ABBR"})
_SKIPPED_TYPES = ("table", "fig", "ref", "footnote", "title_", "abstract_title")


def read_bioc_json(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """Title, abstract and paragraphs of each document of a collection, or of a list of them."""
    try:
        # Not in a stream: the file is one JSON object, which the library reads as a whole.
        content = json.loads("\n".join(blocks_of_lines(source, config.errors, counts)))
        for collection in content if isinstance(content, list) else [content]:
            for document in collection["documents"]:
                yield from _document(document, source, counts)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{source}: is not BioC JSON ({type(error).__name__}: {str(error)[:100]}); set corpus.format to what it is"
        ) from None


def _document(document: dict[str, Any], source: Source, counts: Counter[str]) -> Iterator[RawDocument]:
    title, parts = "", []
    for passage in document["passages"]:
        infons, text = passage.get("infons", {}), " ".join((passage.get("text") or "").split())
        kind, section = str(infons.get("type", "")).lower(), str(infons.get("section_type", "")).upper()
        if kind in ("title", "front") and not title:
            title = text
        elif text and section not in _SKIPPED_SECTIONS and not kind.startswith(_SKIPPED_TYPES):
            parts.append(text)
    if title or parts:
        name = str(document.get("id", ""))
        yield RawDocument(parts, f"{source}#{name}", id=name, title=title)
    else:
        counts["documents_without_text"] += 1
