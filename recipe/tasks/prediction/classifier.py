"""A model that was fine-tuned on whole texts: lines of text, or of two texts -> label, labels or number."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from recipe.errors import InputError
from recipe.tasks.data.examples import Example
from recipe.tasks.finetuning.inference import logits_of
from recipe.tasks.prediction.loading import load_fine_tuned, read_config
from recipe.tasks.prediction.texts import Text
from recipe.tasks.types.encoded_texts import rows_of

# Texts that are sorted by length together, as `recipe.tasks.prediction.tagger` does with sentences.
TEXTS_PER_BLOCK = 512


class Classifier:
    """A checkpoint folder whose config.json has a `problem_type`, as `domain-bert finetune` writes it.

    Of a model that was trained on pairs config.json has `text_pairs`: each text is then two with a tab between them.
    """

    def __init__(self, folder: Path, use_cpu: bool = False) -> None:
        config = read_config(folder)
        self.labels = [config.id2label[index] for index in range(config.num_labels)]
        self.is_of_pairs = getattr(config, "text_pairs", False)
        self.has_segments = getattr(config, "type_vocab_size", 1) > 1
        self.model, self.tokenizer, self.longest = load_fine_tuned(folder, config, use_cpu)

    def classify(self, texts: Iterable[Text]) -> Iterator[dict[str, Any]]:
        """What is known of each text, in their order, as `answer_of` gives it; texts are taken in blocks.

        Raises:
            InputError: for a text without a tab, or with several, where the model reads pairs.
        """
        source = iter(texts)
        while block := list(islice(source, TEXTS_PER_BLOCK)):
            rows, truncated = rows_of([self._example(text) for text in block], self.tokenizer, self.longest)
            if truncated:
                what = f"{truncated:,} of {len(block):,} texts are longer than {self.longest} tokens; their ends"
                print(f"{what} were not read", file=sys.stderr)
            rows = rows if self.has_segments else [row.without_segments() for row in rows]
            answers: list[dict[str, Any]] = [{} for _ in rows]
            for index, logits in logits_of(self.model, rows, self.tokenizer.pad_token_id):
                answers[index] = answer_of(self.model.config.problem_type, logits[0], self.labels)
            yield from answers

    def _example(self, text: Text) -> Example:
        if not self.is_of_pairs:
            return Example(text.id, text.text, "", None)
        first, *others = text.text.split("\t")
        if len(others) != 1 or not first.strip() or not others[0].strip():
            raise InputError(
                f"text {text.id}: {text.text[:60]!r} is not two texts with a tab between them; the model was trained"
                " on pairs"
            )
        return Example(text.id, first, others[0], None)


def answer_of(problem_type: str | None, logits: torch.Tensor, labels: Sequence[str]) -> dict[str, Any]:
    """Logits of one text, shape (labels,) -> "label" and "probability"; "labels" above one half, or "score"."""
    if problem_type == "regression":
        return {"score": round(logits.item(), 4)}
    if problem_type == "single_label_classification":
        best = logits.softmax(-1).max(-1)
        return {"label": labels[int(best.indices)], "probability": round(best.values.item(), 4)}
    chances = sorted(zip(logits.sigmoid().tolist(), labels, strict=True), reverse=True)
    return {"labels": [{"label": name, "probability": round(chance, 4)} for chance, name in chances if chance > 0.5]}
