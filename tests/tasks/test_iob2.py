"""The reader of two-column files: words as they are, strict errors with file and line."""

import subprocess
import sys
from pathlib import Path

import pytest

from recipe.errors import InputError
from recipe.tasks import load_task
from recipe.tasks.iob2 import TaggedSentence, count_entities, read_sentences, read_task, repair_stray_tags

SHARED_TASK = Path(__file__).parents[2].parent / "shared" / "data" / "tasks" / "BC5CDR-chem-IOB"
GOOD = "Zinc\tB-Chemical\nion\tI-Chemical\n.\tO\n\nrats\tO\n"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("train", "devel", "test"):
        write(tmp_path / f"{name}.tsv", GOOD)
    return tmp_path


def test_words_tags_and_sentence_breaks_are_read(tmp_path):
    sentences, strays = read_sentences(write(tmp_path / "a.tsv", GOOD))
    assert strays == 0
    assert sentences == [TaggedSentence(["Zinc", "ion", "."], ["B-Chemical", "I-Chemical", "O"]), TaggedSentence(["rats"], ["O"])]


def test_words_that_other_readers_lose_stay(tmp_path):
    words = ["None", "null", "NA", '"', "'", "nan", "#", "\u00a0", "a\u2028b", "a\x85b"]
    sentences, _ = read_sentences(write(tmp_path / "a.tsv", "".join(f"{word}\tO\n" for word in words)))
    assert [sentence.words for sentence in sentences] == [words]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\t", " "),
        GOOD.replace("\t", "  "),
        "\n\n" + GOOD.replace("\n\n", "\n\n \t\n\n") + "\n\n",
        "-DOCSTART-\tO\n\n" + GOOD,
        "-DOCSTART- -X- -X- O\n\n" + GOOD.replace("\n\n", "\n-DOCSTART-\tO\n"),
        GOOD.rstrip("\n"),
    ],
    ids=["byte-order mark", "CR LF", "space", "spaces", "blank lines", "docstart", "docstart columns", "no last newline"],
)
def test_variants_of_the_format_read_alike(tmp_path, text):
    assert read_sentences(write(tmp_path / "a.tsv", text)) == read_sentences(write(tmp_path / "b.tsv", GOOD))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\n", r"a\.tsv, line 2: 'b' has 1 columns"),
        ("a\tO\n\nb NN B-NP O\n", r"a\.tsv, line 3: .* has 4 columns"),
        ("a\tNN\tO\n", r"a\.tsv, line 1: .* has 3 columns"),
        ("\tO\n", r"a\.tsv, line 1: .* has 1 columns"),
        ("a\t\n", r"a\.tsv, line 1: '' is no IOB2 tag"),
        ("a\tB\n", r"a\.tsv, line 1: 'B' is no IOB2 tag"),
        ("a\tB-\n", r"a\.tsv, line 1: 'B-' is no IOB2 tag"),
        ("a\tO\r\nb\tE-X\r\n", r"a\.tsv, line 2: 'E-X' is no IOB2 tag"),
        (b"a\tO\n\xe9\tO\n", r"a\.tsv, line 2: is not UTF-8"),
        ("\n\n", r"a\.tsv: holds no sentence"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_sentences(write(tmp_path / "a.tsv", text))


@pytest.mark.parametrize(
    ("tags", "repaired", "count"),
    [
        ("I-X I-X O", "B-X I-X O", 1),
        ("O I-X B-X I-X", "O B-X B-X I-X", 1),
        ("B-X I-Y I-Y", "B-X B-Y I-Y", 1),
        ("B-X I-X O I-X", "B-X I-X O B-X", 1),
        ("B-X I-X O", "B-X I-X O", 0),
    ],
)
def test_stray_tags_are_repaired_and_counted(tags, repaired, count):
    found = tags.split()
    assert repair_stray_tags(found) == count
    assert found == repaired.split()


def test_a_task_has_labels_counts_and_a_summary(folder):
    write(folder / "test.tsv", "x\tI-Disease\n\ny\tI-Chemical\n")
    task = read_task(folder)
    assert task.labels == ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"]
    assert task.stray_tags == {"train": 0, "devel": 0, "test": 2}
    assert count_entities(task.test) == 2
    assert task.summary() == f"{folder.name}: 2 / 2 / 2 sentences, 1 / 1 / 2 entities (train / devel / test), 2 stray I- tags made B-"


def test_dev_stands_for_devel(folder):
    (folder / "devel.tsv").rename(folder / "dev.tsv")
    assert load_task(str(folder)).devel == read_task(folder).train


def test_missing_folders_and_files_are_named(folder):
    (folder / "devel.tsv").unlink()
    with pytest.raises(InputError, match=r"devel\.tsv: is missing; .*dev\.tsv"):
        load_task(str(folder))
    with pytest.raises(InputError, match=r"nowhere: is no folder; .*embedded:nero"):
        load_task(str(folder / "nowhere"))
    with pytest.raises(InputError, match="the embedded tasks are embedded:nero"):
        load_task("embedded:bc5")


def test_a_task_without_entities_is_refused(folder):
    write(folder / "train.tsv", "a\tO\n")
    with pytest.raises(InputError, match="holds no entity"):
        read_task(folder)


def test_reading_a_task_imports_nothing_slow():
    program = "import sys, recipe.tasks; print([name for name in ('torch', 'transformers', 'datasets', 'evaluate') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert found.stdout.strip() == "[]"


@pytest.mark.skipif(not SHARED_TASK.is_dir(), reason=f"{SHARED_TASK} is absent")
def test_bc5_chem_is_read_whole():
    task = load_task(str(SHARED_TASK))
    splits = (task.train, task.devel, task.test)
    assert [count_entities(split) for split in splits] == [5203, 5347, 5385]
    assert [len(split) for split in splits] == [4560, 4581, 4797]
    assert task.labels == ["O", "B-Chemical", "I-Chemical"]
    assert sum(task.stray_tags.values()) == 0
