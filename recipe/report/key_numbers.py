"""Run files -> the key numbers of a run, each next to the baseline that it has to beat."""

import math
from dataclasses import dataclass
from typing import Any

from recipe.formatting import NOT_KNOWN, count, model_name, percent, plus_minus, points, score_name
from recipe.report.run_files import RunFiles


@dataclass(frozen=True)
class KeyNumber:
    """One row of the table of key numbers; `is_better` None: there is nothing to compare with."""

    measure: str
    note: str
    value: str
    baseline: str = NOT_KNOWN
    baseline_name: str = ""
    verdict: str = ""
    is_better: bool | None = None

    @property
    def verdict_class(self) -> str:
        """Name of the style of the verdict."""
        return {True: "better", False: "no-better", None: ""}[self.is_better]


def key_numbers(files: RunFiles) -> list[KeyNumber]:
    """The rows of what has run."""
    rows = []
    if files.evaluation:
        rows += [_mlm_loss_row(files.evaluation), _mlm_accuracy_row(files.evaluation), *_nsp_rows(files.evaluation)]
    if files.task and files.task["systems"].get("pretrained"):
        rows.append(_task_row(files.task))
    return rows


def _mlm_loss_row(evaluation: dict[str, Any]) -> KeyNumber:
    loss, unigram = evaluation["mlm_loss"], evaluation["unigram_cross_entropy"]
    return KeyNumber(
        measure="MLM loss, validation",
        note=f"nats per masked token; perplexity {count(evaluation['perplexity'])}",
        value=f"{loss:.2f}",
        baseline=f"{unigram:.2f}",
        baseline_name=f"token frequencies only; perplexity {count(math.exp(unigram))}",
        verdict=f"{unigram - loss:.2f} lower" if loss < unigram else "not lower: context is not used yet",
        is_better=loss < unigram,
    )


def _mlm_accuracy_row(evaluation: dict[str, Any]) -> KeyNumber:
    return KeyNumber(
        "MLM accuracy, validation",
        f"of {count(evaluation['masked_tokens'])} masked tokens",
        percent(evaluation["mlm_accuracy"]),
    )


def _nsp_rows(evaluation: dict[str, Any]) -> list[KeyNumber]:
    share, pairs = evaluation["label_1_share"], evaluation["pairs"]
    if evaluation["nsp_balanced_accuracy"] is None:
        return [KeyNumber("NSP balanced accuracy", f"all {count(pairs)} pairs have label {share:.0f}", NOT_KNOWN)]
    # Two standard errors of the balanced accuracy of a coin: what chance alone may show.
    noise = math.sqrt(0.25 / max(1, share * pairs) + 0.25 / max(1, (1 - share) * pairs))
    balanced, plain, majority = evaluation["nsp_balanced_accuracy"], evaluation["nsp_accuracy"], max(share, 1 - share)
    note = f"mean of the accuracies on label 0 and label 1, {count(pairs)} pairs"
    verdict, above = (
        _gain(balanced - 0.5, noise, "within the noise of a coin"),
        _gain(plain - majority, 0, "not above"),
    )
    # BERT's rule makes more random pairs than true ones, so the plain accuracy has to beat more than 50 %.
    is_better, name = balanced - 0.5 > noise, "always the commoner label"
    return [
        KeyNumber("NSP balanced accuracy", note, percent(balanced), percent(0.5), "chance", verdict, is_better),
        KeyNumber("NSP accuracy", "", percent(plain), percent(majority), name, above, plain > majority),
    ]


def baseline_of(task: dict[str, Any]) -> str | None:
    """The system that the pretrained model has to beat: the same model with random initialisation, else the first."""
    others = [name for name in task["systems"] if name != "pretrained"]
    return "random_initialisation" if "random_initialisation" in others else next(iter(others), None)


def _task_row(task: dict[str, Any]) -> KeyNumber:
    model, name = task["systems"]["pretrained"], baseline_of(task)
    measure = f"{task['task']} {score_name(task['score'])}"
    note, value = f"{task['metric']}, {len(model['runs'])} seeds", plus_minus(model["mean"], model["deviation"])
    if model["mean"] is None:
        return KeyNumber(measure, f"{note}; no score, since {reason_of(model, task['score'])}", value)
    if name is None:
        return KeyNumber(measure, note, value)
    baseline = task["systems"][name]
    title = f"same model, {model_name(name)}" if name == "random_initialisation" else model_name(name)
    to_beat = plus_minus(baseline["mean"], baseline["deviation"])
    if baseline["mean"] is None:
        return KeyNumber(
            measure, note, value, to_beat, f"{title}: no score, since {reason_of(baseline, task['score'])}"
        )
    # Within the larger deviation of the seeds a difference may be luck; of one seed no deviation is known.
    gain, noise = model["mean"] - baseline["mean"], max(model["deviation"] or 0, baseline["deviation"] or 0)
    verdict = _gain(gain, noise, "within the deviation")
    return KeyNumber(measure, note, value, to_beat, title, verdict, gain > noise)


def reason_of(system: dict[str, Any], score: str) -> str:
    """Why a system of RUN/task/scores.json has no such score."""
    return str(system.get("reasons", {}).get(score, "there is nothing to score"))


def _gain(difference: float, noise: float, otherwise: str) -> str:
    if difference < -noise:
        return f"{points(difference)}: worse"
    return points(difference) if difference > noise else f"{points(difference)}: {otherwise}"
