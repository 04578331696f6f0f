"""Run files -> the questions that one has about a run, each with an answer in a sentence and the numbers behind it."""

import math
from dataclasses import dataclass
from typing import Any

from recipe.formatting import count, duration, model_name, percent, points
from recipe.report.key_numbers import baseline_of
from recipe.report.run_files import RunFiles

# A share of waiting or of [UNK] from which something should be done.
_LONG_WAIT, _MANY_UNKNOWN = 0.05, 0.02
# Nats per masked token, by which the loss of the last quarter must fall to be called falling.
_STILL_FALLING = 0.02


@dataclass(frozen=True)
class Answer:
    """is_good: True, False, or None where there is neither."""

    question: str
    words: str
    is_good: bool | None

    @property
    def style(self) -> str:
        """Name of the style of the first word."""
        return {True: "better", False: "no-better", None: ""}[self.is_good]


def answers(files: RunFiles, warnings: list[str]) -> list[Answer]:
    """What can be said of what has run."""
    found = [_learning(files), _pairs_learned(files), _data(files, warnings), _time(files), _task(files)]
    return [answer for answer in found if answer]


def _learning(files: RunFiles) -> Answer | None:
    log, evaluation = files.validation_log(), files.evaluation
    if not log or not evaluation:
        return None
    last, unigram = evaluation["mlm_loss"], evaluation["unigram_cross_entropy"]
    if last >= unigram:
        words = f"No: the MLM loss {last:.2f} is not below {unigram:.2f}, which token frequencies alone give"
        return Answer("Is it learning?", f"{words}. Small models stay there for long: docs/faq.md.", False)
    words = f"Yes: the MLM loss is {last:.2f}, {unigram - last:.2f} below what token frequencies alone give"
    quarter = _before_the_last_quarter(log)
    fell = quarter - log[-1]["eval_mlm_loss"] if quarter is not None else 0.0
    if fell > _STILL_FALLING:
        words += f". It fell by {fell:.2f} in the last quarter of the run, so more steps would help"
    elif quarter is not None:
        words += ". It no longer falls: more steps of the same would gain little"
    return Answer("Is it learning?", words + ".", True)


def _before_the_last_quarter(log: list[dict[str, Any]]) -> float | None:
    early = [line for line in log if line["step"] <= 0.75 * log[-1]["step"]]
    return early[-1]["eval_mlm_loss"] if early else None


def _pairs_learned(files: RunFiles) -> Answer | None:
    evaluation, question = files.evaluation, "Is NSP learned?"
    if not evaluation or evaluation.get("nsp_balanced_accuracy") is None:
        return None
    balanced, share, pairs = (evaluation[name] for name in ("nsp_balanced_accuracy", "label_1_share", "pairs"))
    # Two standard errors of the balanced accuracy of a coin.
    noise = math.sqrt(0.25 / max(1, share * pairs) + 0.25 / max(1, (1 - share) * pairs))
    measured = f"balanced accuracy {percent(balanced)} on {count(pairs)} pairs, where a coin has 50 %"
    if balanced - 0.5 > noise:
        return Answer(question, f"Yes: {measured}.", True)
    return Answer(question, f"Not yet: {measured}, give or take {percent(noise)}. It often starts late.", False)


def _data(files: RunFiles, warnings: list[str]) -> Answer | None:
    train = (files.pairs or {}).get("train")
    if not train:
        return None
    unknown, random = train.get("unknown_share") or 0.0, train.get("label_1_share") or 0.0
    facts = f"{percent(unknown, 2)} of the tokens are [UNK], {percent(random)} of the pairs have a random B"
    if warnings or unknown > _MANY_UNKNOWN:
        number = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''} of the stages below"
        return Answer("Is the data right?", f"Look at it: {number}; {facts}.", False)
    return Answer("Is the data right?", f"No stage has warned; {facts}.", True)


def _time(files: RunFiles) -> Answer | None:
    seconds = {name: stage["seconds"] for name, stage in (files.stages or {}).get("stages", {}).items()}
    if not seconds:
        return None
    longest = max(seconds, key=lambda name: seconds[name])
    words = f"{duration(sum(seconds.values()))} in all; {percent(seconds[longest] / sum(seconds.values()), 0)} of it"
    words += f" is {longest}"
    waited, used = files.last("data_wait_share"), files.last("gemm_utilization")
    if waited is not None:
        words += f", which waits for data {percent(waited)} of its time"
    if used is not None:
        # Above 100 % other programs had the machine while its speed was measured.
        share = percent(used, 0) if used <= 1 else "all"
        words += f" and does {share} of the matrix products that this machine can do"
    slow = waited is not None and waited > _LONG_WAIT
    hint = " More training.dataloader_num_workers would help." if slow else ""
    return Answer("Where does the time go?", f"{words}.{hint}", False if slow else None)


def _task(files: RunFiles) -> Answer | None:
    task = files.task
    if not task or not task["systems"].get("pretrained"):
        return None
    model, name = task["systems"]["pretrained"], baseline_of(task)
    baseline = task["systems"].get(name) if name else None
    if model["mean"] is None or baseline is None or baseline["mean"] is None:
        return None
    gain, noise = model["mean"] - baseline["mean"], max(model["deviation"] or 0, baseline["deviation"] or 0)
    measured = f"{points(gain)} on {task['task']} against {model_name(str(name))}"
    if gain > noise:
        return Answer("Was pretraining worth it?", f"Yes: {measured}.", True)
    return Answer("Was pretraining worth it?", f"Not shown: {measured}, within the deviation of the seeds.", False)
