"""Which files of a task are read for decontamination, and that its sentences are found in every form."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipe.corpus.cleaning.decontamination import Decontamination
from recipe.corpus.cleaning.filter import Candidate, Removal
from recipe.corpus.cleaning.task_sentences import sentences_of, task_files
from recipe.errors import InputError

TEXT = 'Zinc "salts" lowered, somewhat, the fever of most patients in the second week.'
OTHER = "A second sentence of the same pair, which is long enough to be looked for too."
TRAIN = "A sentence of training, which is long enough but may well be a part of the corpus."


def write(path: Path, text: str, other: str = OTHER) -> None:
    row = {"n": 1, "first": text, "second": other, "label": "yes"}
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    elif path.suffix in (".jsonl", ".json"):
        path.write_text(json.dumps([row] if path.suffix == ".json" else row))
    else:
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([row.keys(), row.values()])


def is_removed(folder: Path, text: str) -> bool:
    filter_ = Decontamination([str(folder)])
    candidate = Candidate(f"Before it. {text} And after it.")
    return isinstance(filter_.decide(candidate, filter_.signature(candidate)), Removal)


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".jsonl", ".json", ".parquet"])
def test_texts_of_every_form_are_found_and_those_of_train_are_not(ending, tmp_path):
    (tmp_path / "task.yaml").write_text("type: pairs\n")
    for split, texts in {"train": (TRAIN, TRAIN), "validation": (OTHER, TEXT), "test": (TEXT, OTHER)}.items():
        write(tmp_path / f"{split}{ending}", *texts)
    assert [path.stem for path in task_files([str(tmp_path)])] == ["test", "validation"]
    assert is_removed(tmp_path, TEXT)
    assert is_removed(tmp_path, OTHER)
    assert not is_removed(tmp_path, TRAIN)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_words_of_entities_are_one_sentence(form, tmp_path):
    (tmp_path / "task.yaml").write_text("type: entities\n")
    words = TEXT.split()
    row = {"tokens": words, "ner_tags": ["O"] * len(words)}
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "test.parquet")
    else:
        (tmp_path / "test.jsonl").write_text(json.dumps(row))
    assert " ".join(words) in sentences_of([str(tmp_path)])
    assert is_removed(tmp_path, TEXT)


def test_the_files_are_those_of_task_yaml(tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "all.csv", TRAIN)
    write(tmp_path / "sub" / "held out.csv", TEXT)
    (tmp_path / "task.yaml").write_text("type: pairs\nsplits: {train: all.csv, devel: 0.1, test: sub/held out.csv}\n")
    # A share of train may be any of its rows.
    assert {path.name for path in task_files([str(tmp_path)])} == {"all.csv", "held out.csv"}
    assert is_removed(tmp_path, TRAIN)
    assert is_removed(tmp_path, TEXT)
    (tmp_path / "task.yaml").write_text(
        "type: pairs\nsplits: {train: all.csv, devel: sub/held out.csv, test: no.csv}\n"
    )
    with pytest.raises(InputError, match=r"no\.csv: leads to no file of a task; correct .*task\.yaml"):
        task_files([str(tmp_path)])


def test_a_data_set_of_the_hub_is_refused(tmp_path):
    (tmp_path / "task.yaml").write_text("type: pairs\nsource: hub:someone/pairs\n")
    with pytest.raises(InputError, match="takes its rows from hub:someone/pairs, which decontamination does not read"):
        task_files([str(tmp_path)])


def test_a_folder_without_task_yaml_is_read_as_before(tmp_path):
    (tmp_path / "test.tsv").write_text("Zinc\tB-C\nhelps\tO\n\nIt\tO\ndoes\tO\n")
    (tmp_path / "a.csv").write_text("not a file of columns\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": "Does it?", "contexts": ["Yes."]}) + "\n")
    assert [*sentences_of([str(tmp_path)])] == ["Zinc helps", "It does"]
    assert [*sentences_of([str(tmp_path / "b.jsonl")])] == ["Does it?"]
    assert [*sentences_of([str(tmp_path / "a.csv")])] == ["not a file of columns", ""]
