"""Tasks of one's own from their files to predictions, through the command line: a made-up rule must be learned."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from hub_stub import stub_hub
from made_up_task import made_up_sentences, write_checkpoint
from made_up_texts import SIZES, WORDS, _clue, _drawn

from recipe.cli import main
from recipe.config import Recipe, TaskConfig, TrainingConfig
from recipe.errors import InputError
from recipe.records import write_recipe
from recipe.report.inspection import task_texts
from recipe.report.model_card import write_model_card
from recipe.report.report import write_report
from recipe.tasks.catalog import TASK_TYPES
from recipe.tasks.experiments.stage import finetune_task

pytestmark = pytest.mark.usefixtures("one_thread")
ANSWERS = ("bad", "good")


def csv_sentiment(folder: Path) -> None:
    """As reviews are published: a CSV with quotes, other names of columns, labels as numbers; macro F1."""
    for split, file in (("train", "train.csv"), ("dev", "valid.csv"), ("test", "test.csv")):
        with open(folder / file, "w", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(["stars", "review"])
            writer.writerows([[a, f'"{" ".join(words)}", {_clue(a)}\n.'] for _, a, words in _drawn(split, 2)])
    (folder / "task.yaml").write_text(
        "type: classification\nmetric: macro_f1\ncolumns: {text: review, label: stars}\n"
        "splits: {devel: valid.csv}\nlabels: {0: bad, 1: good}\n"
    )


def jsonl_labels(folder: Path) -> None:
    labels = [["harm"], ["help"], []]
    for split in SIZES:
        rows = [{"text": f"{_clue(a)} {' '.join(words)}", "labels": labels[a]} for _, a, words in _drawn(split, 3)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.yaml").write_text("type: multilabel\n")


def tsv_pairs(folder: Path) -> None:
    for split in SIZES:
        rows = [f"{' '.join(words)}\t{_clue(a)} .\t{['no', 'yes'][a]}\n" for _, a, words in _drawn(split, 2)]
        (folder / f"{split}.tsv").write_text("sentence1\tsentence2\tlabel\n" + "".join(rows))
    (folder / "task.yaml").write_text("type: pairs\nlabels: [no, yes]\n")


def parquet_similarity(folder: Path) -> None:
    for split in SIZES:
        rows = [
            {"s1": " ".join(words), "s2": f"{_clue(a)} {words[0]}", "score": 2.0 * a}
            for _, a, words in _drawn(split, 3)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    (folder / "task.yaml").write_text("type: similarity\nmetric: spearman\ncolumns: {text1: s1, text2: s2}\n")


def jsonl_entities(folder: Path) -> None:
    numbers = {"O": 0, "B-Chemical": 1, "I-Chemical": 2}
    for split in ("train", "devel", "test"):
        rows = [
            {"tokens": one.words, "ner_tags": [numbers[tag] for tag in one.tags]} for one in made_up_sentences(split)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.yaml").write_text("type: entities\nlabels: {0: O, 1: B-Chemical, 2: I-Chemical}\n")


# Writer, baseline, least score, epochs, a line for `predict` and what it must answer.
FORMS = {
    "classification-macro_f1": (csv_sentiment, "majority", 0.9, 5, f"the cell {_clue(1)}", {"label": "good"}),
    "multilabel-micro_f1": (jsonl_labels, "majority", 0.9, 14, f"{_clue(1)} rats", {"labels": ["help"]}),
    "pairs-accuracy": (tsv_pairs, "majority", 0.9, 5, f"the cell\t{_clue(0)} .", {"label": "no"}),
    "similarity-spearman": (parquet_similarity, "shared_words", 0.8, 5, f"the cell\t{_clue(2)} the", {"score": 4.0}),
    "entities-f1": (jsonl_entities, "dictionary", 0.9, 6, "the zinc was given", {"entities": ["Chemical"]}),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model", WORDS, initializer_range=0.2)


@pytest.fixture(scope="module", params=FORMS)
def finetuned(request, tmp_path_factory, checkpoint):
    """Type, task folder and results of each form after `domain-bert finetune --model DIR --task FOLDER`."""
    write, baseline, _, epochs, _, _ = FORMS[request.param]
    folder = tmp_path_factory.mktemp("own") / "mine"
    folder.mkdir()
    write(folder)
    output = folder.parent / "out"
    rate = "1e-2" if request.param == "entities-f1" else "3e-3"
    words = ["--model", checkpoint, "--task", folder, "--baseline", baseline, "--output", output, "--use_cpu"]
    options = {"protocol": "quick", "learning_rate": rate, "batch_size": 16, "seeds": 1, "num_train_epochs": epochs}
    words += [word for name, value in options.items() for word in (f"--{name}", value)]
    main(["finetune", *map(str, words), "--max_seq_length", "24"])
    return request.param, folder, output


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_rule_is_learned_and_units_add_up_to_the_score(finetuned):
    name, _, output = finetuned
    _, baseline, least, *_ = FORMS[name]
    task_type = TASK_TYPES[name]
    for system in ("pretrained", baseline):
        result = read(output / system / "result.json")
        assert (result["task"], result["task_type"]) == ("mine", name)
        (run,) = result["runs"]
        units = task_type.units((output / system / "predictions" / f"seed-{run['seed']}.tsv").read_text())
        assert len(units) == result["counts"][task_type.unit]["test"]
        assert task_type.score_of(units.sum(0)) == pytest.approx(run[task_type.score], abs=1e-9)
        assert run[task_type.score] > least or system != "pretrained"
    assert task_type.metric in (output / "table.md").read_text()


def test_two_results_are_compared(finetuned, capsys):
    name, _, output = finetuned
    baseline = FORMS[name][1]
    main(["compare", str(output / "pretrained"), str(output / baseline), "--samples", "100"])
    assert f"{TASK_TYPES[name].unit} and 1 x 1 seeds" in capsys.readouterr().out


def test_predict_answers_each_line(finetuned, tmp_path, capsys):
    name, _, output = finetuned
    *_, line, expected = FORMS[name]
    (tmp_path / "a.txt").write_text(f"{line}\n\n{line}\n")
    main(["predict", str(output / "pretrained" / "model"), str(tmp_path / "a.txt"), "--use_cpu"])
    first, second = (json.loads(one) for one in capsys.readouterr().out.splitlines())
    assert first["text"] == line
    assert {**first, "id": "1", "offset": len(line) + 2} == second
    if "label" in expected:
        assert first["label"] == expected["label"]
        assert 0.5 < first["probability"] <= 1
    elif "labels" in expected:
        assert [one["label"] for one in first["labels"]] == expected["labels"]
        assert all(0.5 < one["probability"] <= 1 for one in first["labels"])
    elif "score" in expected:
        assert first["score"] == pytest.approx(expected["score"], abs=1.5)
    else:
        assert [one["type"] for one in first["entities"]] == expected["entities"]


def test_predict_refuses_what_the_model_does_not_read(finetuned, tmp_path, capsys):
    name, _, output = finetuned
    model = str(output / "pretrained" / "model")
    (tmp_path / "a.txt").write_text("one text\n")
    if name != "entities-f1":
        with pytest.raises(SystemExit) as ended:
            main(["predict", model, str(tmp_path / "a.txt"), "--use_cpu", "--html"])
        assert ended.value.code == 2
        assert "was fine-tuned on whole texts, and --html shows entities" in capsys.readouterr().err
    if name in ("pairs-accuracy", "similarity-spearman"):
        with pytest.raises(SystemExit):
            main(["predict", model, str(tmp_path / "a.txt"), "--use_cpu"])
        found = capsys.readouterr()
        assert "text 0: 'one text' is not two texts with a tab between them" in found.err
        assert not found.out


def test_the_stage_the_report_and_the_card_take_it(tmp_path, checkpoint):
    (folder := tmp_path / "reviews").mkdir()
    csv_sentiment(folder)
    write_checkpoint(tmp_path / "run" / "model", WORDS, initializer_range=0.2)
    task = TaskConfig(
        name=str(folder),
        baselines=["random", "majority"],
        max_seq_length=24,
        learning_rate=[3e-3],
        batch_size=[16],
        num_train_epochs=1,
        seeds=[1],
        max_train_examples=60,
    )
    recipe = Recipe(run_dir=str(tmp_path / "run"), task=task, training=TrainingConfig(use_cpu=True))
    finetune_task(recipe)
    scores = read(recipe.folder / "task" / "scores.json")
    assert (scores["task"], scores["task_type"], scores["score"]) == ("reviews", "classification-macro_f1", "macro_f1")
    assert scores["counts"]["texts"]["train"] == 60
    assert {*scores["systems"]} == {"pretrained", "random_initialisation", "majority"}
    write_recipe(recipe.folder, recipe)
    write_report(recipe.folder)
    write_model_card(recipe.folder)
    for name in ("report.html", "model/README.md"):
        assert "macro F1 of the labels on test" in (recipe.folder / name).read_text(encoding="utf-8")


def test_fertility_is_of_its_words(tmp_path):
    tsv_pairs(tmp_path)
    (counts,) = task_texts(str(tmp_path)).values()
    assert counts["harms"] + counts["helps"] == 4 * sum(SIZES.values())


PUSH = """
import datasets
features = datasets.Features({'text': datasets.Value('string'), 'label': datasets.ClassLabel(names=['bad', 'good'])})
for split in ('train', 'validation', 'test'):
    rows = {'text': [f'{split} {n}' for n in range(6)], 'label': [n % 2 for n in range(6)]}
    datasets.Dataset.from_dict(rows, features=features).push_to_hub('someone/reviews', split=split)
"""
READ = """
import sys
from recipe.arguments import exit_with_one_line
from recipe.tasks.catalog import read_named_task
def show():
    named = read_named_task(sys.argv[1], None)
    print(named.task.summary(), named.task.labels, [one.gold for one in named.task.test][:2], named.key, *named.files)
exit_with_one_line(show)
"""


def test_a_data_set_of_the_hub(tmp_path):
    def read_from(address: str, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", READ, address]
        return subprocess.run(
            command, cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, timeout=600
        )

    with stub_hub() as hub:
        environment = hub.environment(tmp_path / "home")
        subprocess.run([sys.executable, "-c", PUSH], env=environment, check=True, capture_output=True, timeout=600)
        done = read_from("hub:someone/reviews?type=classification")
        assert "reviews: 6 / 6 / 6 texts (train / devel / test)" in done.stdout, done.stderr
        assert "['bad', 'good'] ['bad', 'good']" in done.stdout
        assert done.stdout.strip().endswith("hub:someone/reviews")
        absent = read_from("hub:someone/reviews?type=classification&test=held_out")
        assert absent.returncode == 2
        assert "has no split 'held_out' (it has train, validation, test); name one by splits.test" in absent.stderr
    # Without a network the data set is that of the cache, and a finished run is found again by the same key.
    offline = read_from("hub:someone/reviews?type=classification", HF_HUB_OFFLINE="1")
    assert offline.stdout == done.stdout, offline.stderr


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("hub:someone/reviews", "hub:someone/reviews: has no type; it takes classification"),
        ("hub:someone/reviews?type=pairs&premise=a", "unknown key columns.premise; it takes id, text1, text2, label"),
    ],
)
def test_an_address_that_says_too_little_is_one_line(address, expected):
    with pytest.raises(InputError, match="hub:someone") as error:
        task_texts(address)
    assert expected in str(error.value)
