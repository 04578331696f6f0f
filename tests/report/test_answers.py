"""What the report answers, at numbers where the answer turns."""

from pathlib import Path

import pytest
from run_folder import evaluation_record, pair_statistics, stages_record, task_scores, training_record

from recipe.report.answers import answers
from recipe.report.run_files import RunFiles


def files(**changes) -> RunFiles:
    found = {
        "pairs": {"train": pair_statistics(119, 27_010)},
        "training": training_record(),
        "evaluation": evaluation_record(),
        "task": task_scores(),
        "stages": stages_record(),
    }
    return RunFiles(Path("run"), **(found | changes))


def by_question(run: RunFiles, warnings: tuple[str, ...] = ()) -> dict:
    return {answer.question: answer for answer in answers(run, list(warnings))}


def test_a_good_run_has_five_answers():
    found = by_question(files())
    assert len(found) == 5
    assert found["Is it learning?"].is_good
    assert found["Is NSP learned?"].is_good
    assert found["Was pretraining worth it?"].is_good
    assert found["Is the data right?"].is_good
    assert found["Where does the time go?"].is_good is None


def test_an_empty_run_has_none():
    assert answers(RunFiles(Path("run")), []) == []


@pytest.mark.parametrize(("fell", "words"), [(0.5, "more steps would help"), (0.01, "It no longer falls")])
def test_learning_tells_whether_more_steps_would_help(fell, words):
    log = [
        {"step": step, "tokens_seen": step, "eval_mlm_loss": loss, "eval_nsp_loss": 0.6}
        for step, loss in ((50, 7.0), (75, 6.29 + fell), (100, 6.29))
    ]
    found = by_question(files(training=training_record() | {"log_history": log}))["Is it learning?"]
    assert words in found.words
    assert found.is_good


def test_a_loss_of_the_frequencies_is_no_learning():
    evaluation = evaluation_record()
    evaluation["mlm_loss"] = evaluation["unigram_cross_entropy"]
    found = by_question(files(evaluation=evaluation))["Is it learning?"]
    assert found.words.startswith("No:")
    assert found.is_good is False


def test_nsp_within_the_noise_of_a_coin_is_not_learned():
    """Of 1,000 balanced pairs two standard errors are 3.16 %."""
    for accuracy, is_learned in ((0.531, False), (0.533, True)):
        evaluation = evaluation_record() | {"nsp_balanced_accuracy": accuracy, "label_1_share": 0.5, "pairs": 1000}
        assert by_question(files(evaluation=evaluation))["Is NSP learned?"].is_good is is_learned
    evaluation = evaluation_record() | {"nsp_balanced_accuracy": None}
    assert "Is NSP learned?" not in by_question(files(evaluation=evaluation))


def test_warnings_and_unknown_tokens_ask_for_a_look():
    assert by_question(files(), ("corpus: odd",))["Is the data right?"].words.startswith("Look at it: 1 warning of")
    train = pair_statistics(119, 27_010) | {"unknown_share": 0.03}
    assert by_question(files(pairs={"train": train}))["Is the data right?"].is_good is False


def test_long_waits_have_a_remedy():
    record = training_record()
    record["log_history"] = [line | {"data_wait_share": 0.2} for line in record["log_history"]]
    found = by_question(files(training=record))["Where does the time go?"]
    assert "waits for data 20.0 % of its time" in found.words
    assert "dataloader_num_workers" in found.words


def test_a_gain_within_the_deviation_is_not_shown():
    task = task_scores()
    task["systems"]["pretrained"]["mean"] = task["systems"]["random_initialisation"]["mean"] + 0.001
    assert by_question(files(task=task))["Was pretraining worth it?"].words.startswith("Not shown: +0.1 points")
    del task["systems"]["random_initialisation"]
    assert "Was pretraining worth it?" not in by_question(files(task=task))


@pytest.mark.parametrize(("used", "words"), [(0.4, "does 40 % of"), (1.0, "does 100 % of"), (1.08, "does all of")])
def test_nothing_does_more_than_all(used, words):
    record = training_record()
    log = [line | {"gemm_utilization": used} if "loss" in line else line for line in record["log_history"]]
    found = by_question(files(training=record | {"log_history": log}))["Where does the time go?"]
    assert f"{words} the matrix products" in found.words
