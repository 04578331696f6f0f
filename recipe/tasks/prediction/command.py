"""The command `domain-bert predict`: entities on standard output, while the input still comes in."""

import json
import sys
import time
from dataclasses import asdict
from itertools import chain, tee
from pathlib import Path
from typing import IO

from recipe.errors import InputError
from recipe.inputs.regular_files import refuse_special_file
from recipe.run_folder.integrity import require_intact_folder
from recipe.tasks.prediction.highlights import HEAD, TAIL, article
from recipe.tasks.prediction.texts import read_texts

STANDARD_INPUT = "-"


def predict_file(model: Path, source: str, html: bool, use_cpu: bool, output: IO[str]) -> None:
    """Find the entities of a file, or of standard input ("-"), and write them as they come.

    A line of JSON for each text: {"id", "offset", "text", "entities": [{"type", "start", "end", "text", "score"}]};
    start and end count characters of the text, offset those of the file before it. Or a page of HTML. Words and time
    go to standard error.

    Raises:
        InputError: for a model or file that cannot be read or has no text; what was found before stays written.
    """
    require_intact_folder(model)
    with _opened(source) as stream:
        # torch is imported here, after the input was opened.
        from recipe.tasks.prediction.tagger import Tagger

        tagger, started, words = Tagger(model, use_cpu), time.monotonic(), 0
        types = sorted({label[2:] for label in tagger.labels if label != "O"})
        found = read_texts(stream, "standard input" if source == STANDARD_INPUT else source)
        # Before anything is written, since input without a text is refused.
        first = next(found)
        output.write(HEAD if html else "")
        # Twice, since the tagger takes texts in blocks: each must be here again when its entities come out.
        texts, again = tee(chain([first], found))
        for text, entities in zip(texts, tagger.tag(text.text for text in again), strict=True):
            if html:
                output.write(article(text, entities, types))
            else:
                line = {**asdict(text), "entities": [asdict(entity) for entity in entities]}
                output.write(json.dumps(line, ensure_ascii=False) + "\n")
            words += len(text.text.split())
    output.write(TAIL if html else "")
    output.flush()
    seconds = time.monotonic() - started
    print(f"{words:,} words in {seconds:.1f} s, {words / max(seconds, 1e-9):,.0f} words/s", file=sys.stderr)


def _opened(source: str) -> IO[bytes]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    refuse_special_file(source, "give - and send it to standard input")
    try:
        return open(source, "rb")
    except OSError as error:
        remedy = "name a file of text, PubMed, JATS or BioC, or - for standard input"
        raise InputError(f"{source}: cannot be read ({error.strerror}); {remedy}") from None
