import os
import socket

import pytest
from conftest import small_recipe, write_corpus

from recipe.config import CorpusConfig
from recipe.config_file import load_recipe
from recipe.corpus.cleaning.task_sentences import task_files
from recipe.corpus.sources import Source, source_files
from recipe.errors import InputError
from recipe.files import read_json
from recipe.inputs.regular_files import refuse_special_file
from recipe.tasks.catalog import read_named_task
from recipe.tasks.experiments.command import check_checkpoint
from recipe.tasks.experiments.runs import System
from recipe.tasks.prediction.command import opened
from recipe.tokenizer.folder import load_tokenizer

OPENERS = {
    "recipe": lambda folder: load_recipe(folder / "file.txt"),
    "corpus": lambda folder: source_files(CorpusConfig(path=[str(folder / "file.txt")])),
    "corpus, a pattern": lambda folder: source_files(CorpusConfig(path=[f"{folder}/f*.txt"])),
    "corpus, a folder": lambda folder: source_files(CorpusConfig(path=[str(folder)])),
    "an input of a stage": lambda folder: Source(str(folder / "file.txt")).state(),
    "decontaminate": lambda folder: task_files([str(folder / "file.txt")]),
    "decontaminate, a folder": lambda folder: task_files([str(folder)]),
    "task": lambda folder: read_named_task(str(folder), None),
    "tokenizer": lambda folder: load_tokenizer(folder),
    "checkpoint": lambda folder: check_checkpoint(System("x", folder, True), 8),
    "input of predict": lambda folder: opened(str(folder / "file.txt")),
    "JSON": lambda folder: read_json(folder / "file.txt"),
}


@pytest.fixture(params=["a named pipe", "a socket", "a device", "a named pipe behind a link"])
def special(request, tmp_path):
    """A folder in which two names lead to what is no file."""
    for name in ("file.txt", "tokenizer.json"):
        path = tmp_path / name
        if request.param == "a socket":
            before = os.getcwd()
            os.chdir(tmp_path)
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(name)
            os.chdir(before)
        elif request.param == "a device":
            path.symlink_to("/dev/zero")
        elif request.param == "a named pipe":
            os.mkfifo(path)
        else:
            os.mkfifo(tmp_path / f".{name}.pipe")
            path.symlink_to(f".{name}.pipe")
    return tmp_path, request.param.removesuffix(" behind a link")


@pytest.mark.parametrize("opener", OPENERS)
def test_what_is_no_file_is_refused_wherever_a_name_is_opened(opener, special):
    folder, kind = special
    with pytest.raises(InputError, match=f"is {kind}, which cannot be read as a file"):
        OPENERS[opener](folder)


def test_files_folders_and_nothing_are_left_to_the_caller(tmp_path):
    (tmp_path / "a").write_text("x")
    for path in (tmp_path, tmp_path / "a", tmp_path / "absent", "\0", "x" * 300):
        refuse_special_file(path)


def test_words_of_a_megabyte_do_not_stop_the_stages(tmp_path):
    from recipe.pipeline import run_stage

    path = write_corpus(tmp_path / "corpus.txt")
    path.write_text(path.read_text() + "\n\nA " + "x" * 1_000_000 + " word.\nIt " + "\u3042y" * 500_000 + " ends.\n")
    recipe = small_recipe(path, tmp_path / "run")
    for stage in ("corpus", "tokenizer", "tokens"):
        run_stage(recipe, stage)
