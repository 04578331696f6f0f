"""Texts with entities -> a page of HTML in which they are highlighted."""

from collections.abc import Sequence
from html import escape

from recipe.tasks.prediction.tagger import Found
from recipe.tasks.prediction.texts import Text

COLOURS = ("#ffd8a8", "#b2f2bb", "#a5d8ff", "#eebefa", "#ffc9c9", "#ffec99")
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Entities</title><style>
body { font: 16px/1.9 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
article { white-space: pre-wrap; border-bottom: 1px solid #ddd; padding: 1rem 0; }
mark { padding: .15em .3em; border-radius: .3em; color: inherit; }
mark span { font-size: .65em; font-weight: 600; margin-left: .4em; text-transform: uppercase; opacity: .7; }
h2 { font-size: .8rem; font-weight: 400; color: #666; margin: 0; }
</style></head><body>
"""
TAIL = "</body></html>\n"


def article(text: Text, entities: Sequence[Found], types: Sequence[str]) -> str:
    """One text; each type of `types` has a colour of its own while there are colours."""
    parts, done = [], 0
    for entity in entities:
        colour = COLOURS[types.index(entity.type) % len(COLOURS)]
        parts.append(escape(text.text[done : entity.start]))
        parts.append(
            f'<mark style="background: {colour}">{escape(entity.text)}<span>{escape(entity.type)}</span></mark>'
        )
        done = entity.end
    parts.append(escape(text.text[done:]))
    return f"<article><h2>{escape(text.id)}</h2>{''.join(parts)}</article>\n"
