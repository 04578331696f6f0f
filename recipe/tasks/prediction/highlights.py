"""Texts with entities -> a page of HTML in which they are highlighted."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from recipe.tasks.prediction.tagger import Found
from recipe.tasks.prediction.texts import Text

COLOURS = ("#ffd8a8", "#b2f2bb", "#a5d8ff", "#eebefa", "#ffc9c9", "#ffec99")
PAGE = Path(__file__).with_name("highlights.html")
HEAD, TAIL = PAGE.read_text(encoding="utf-8").split("<!-- texts -->\n")


def article(text: Text, entities: Sequence[Found], types: Sequence[str]) -> str:
    """One text; each type of `types` has a colour of its own while there are colours."""
    parts, done = [], 0
    for entity in entities:
        # With more types than colours some share one; the label tells them apart.
        colour = COLOURS[types.index(entity.type) % len(COLOURS)]
        parts.append(escape(text.text[done : entity.start]))
        label = f"{escape(entity.text)}<span>{escape(entity.type)}</span>"
        parts.append(f'<mark style="background: {colour}">{label}</mark>')
        done = entity.end
    parts.append(escape(text.text[done:]))
    return f"<article><h2>{escape(text.id)}</h2>{''.join(parts)}</article>\n"
