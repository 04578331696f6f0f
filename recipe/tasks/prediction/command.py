"""The command `domain-bert predict`: entities or labels on standard output, while the input still comes in."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, tee
from pathlib import Path
from typing import IO, Any

from recipe.errors import InputError
from recipe.inputs.regular_files import refuse_special_file
from recipe.run_folder.integrity import require_intact_folder
from recipe.tasks.prediction.highlights import HEAD, TAIL, article
from recipe.tasks.prediction.texts import Text, read_texts

STANDARD_INPUT = "-"


def predict_file(model: Path, source: str, html: bool, use_cpu: bool, output: IO[str]) -> None:
    """Say what a fine-tuned model finds in a file, or in standard input ("-"), and write it as it comes.

    A model of entities: a line of JSON for each text: {"id", "offset", "text", "entities": [{"type", "start", "end",
    "text", "score"}]}; start and end count characters of the text, offset those of the file before it. Or a page of
    HTML. A model of whole texts: each line of plain text is one, and "label" and "probability", "labels" or "score"
    stand in the place of "entities"; see `recipe.tasks.prediction.classifier.answer_of`. Words and time go to
    standard error.

    Raises:
        InputError: for a model or file that cannot be read or has no text; what was found before stays written.
    """
    require_intact_folder(model)
    with opened(source) as stream:
        # transformers is imported here, after the input was opened.
        from recipe.tasks.prediction.loading import read_config

        is_of_texts = read_config(model).problem_type is not None
        if html and is_of_texts:
            raise InputError(f"{model}: was fine-tuned on whole texts, and --html shows entities; leave it out")
        found = read_texts(stream, "standard input" if source == STANDARD_INPUT else source, by_line=is_of_texts)
        # Before the model is read and anything is written, since input without a text is refused.
        first = next(found)
        started, words = time.monotonic(), 0
        # Twice, since the model takes texts in blocks: each must be here again when its answer comes out.
        texts, again = tee(chain([first], found))
        write = _classified if is_of_texts else _highlighted if html else _tagged
        for text, written in zip(texts, write(model, again, use_cpu), strict=True):
            output.write(written)
            words += len(text.text.split())
    output.write(TAIL if html else "")
    output.flush()
    seconds = time.monotonic() - started
    print(f"{words:,} words in {seconds:.1f} s, {words / max(seconds, 1e-9):,.0f} words/s", file=sys.stderr)


def _tagged(model: Path, texts: Iterable[Text], use_cpu: bool) -> Iterator[str]:
    from recipe.tasks.prediction.tagger import Tagger

    texts, again = tee(texts)
    for text, entities in zip(texts, Tagger(model, use_cpu).tag(text.text for text in again), strict=True):
        yield _json_line({**asdict(text), "entities": [asdict(entity) for entity in entities]})


def _highlighted(model: Path, texts: Iterable[Text], use_cpu: bool) -> Iterator[str]:
    from recipe.tasks.prediction.tagger import Tagger

    texts, again = tee(texts)
    tagger, head = Tagger(model, use_cpu), HEAD
    types = sorted({label[2:] for label in tagger.labels if label != "O"})
    for text, entities in zip(texts, tagger.tag(text.text for text in again), strict=True):
        yield head + article(text, entities, types)
        head = ""


def _classified(model: Path, texts: Iterable[Text], use_cpu: bool) -> Iterator[str]:
    from recipe.tasks.prediction.classifier import Classifier

    texts, again = tee(texts)
    for text, answer in zip(texts, Classifier(model, use_cpu).classify(again), strict=True):
        yield _json_line({**asdict(text), **answer})


def _json_line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def opened(source: str) -> IO[bytes]:
    """A file that the user named, or standard input ("-"), to be read as bytes."""
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    refuse_special_file(source, "give - and send it to standard input")
    try:
        return open(source, "rb")
    except OSError as error:
        remedy = "name a file of text, PubMed, JATS or BioC, or - for standard input"
        raise InputError(f"{source}: cannot be read ({error.strerror}); {remedy}") from None
