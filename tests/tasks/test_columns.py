"""The reader of column files: words as they are, every scheme of tags, errors with file and line."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from recipe.errors import InputError
from recipe.tasks.catalog import read_named_task
from recipe.tasks.data.columns import TaggedSentence, count_entities, read_sentences, read_task

SHARED_TASKS = Path(__file__).parents[2].parent / "shared" / "data" / "tasks"
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
    sentences, scheme, repairs = read_sentences(write(tmp_path / "a.tsv", GOOD))
    assert (scheme, repairs) == ("IOB2", [])
    assert sentences == [
        TaggedSentence(["Zinc", "ion", "."], ["B-Chemical", "I-Chemical", "O"]),
        TaggedSentence(["rats"], ["O"]),
    ]


def test_words_that_other_readers_lose_stay(tmp_path):
    words = ["None", "null", "NA", '"', "'", "nan", "#", "\u00a0", "a\u2028b", "a\x85b"]
    sentences, *_ = read_sentences(write(tmp_path / "a.tsv", "".join(f"{word}\tO\n" for word in words)))
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
        GOOD.replace("\t", "\tNN\tB-NP\t"),
        GOOD.replace("\t", " NN B-NP 4 "),
        GOOD.replace("\t", "\t\t"),
    ],
    ids=[
        "byte-order mark",
        "CR LF",
        "space",
        "spaces",
        "blank lines",
        "docstart",
        "docstart columns",
        "no last newline",
        "4 columns",
        "5 columns",
        "empty column",
    ],
)
def test_variants_of_the_format_read_alike(tmp_path, text):
    assert read_sentences(write(tmp_path / "a.tsv", text)) == read_sentences(write(tmp_path / "b.tsv", GOOD))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\n", r"a\.tsv, line 2: 'b' has 1 columns"),
        ("a\tO\n\nb NN B-NP O\n", r"a\.tsv, line 3: .* has 4 columns, but earlier lines have 2"),
        ("a\t1\t2\t3\t4\tO\n", r"a\.tsv, line 1: .* has 6 columns"),
        ("\tO\n", r"a\.tsv, line 1: .* has 1 columns"),
        ("a\t\n", r"a\.tsv, line 1: '' is not a tag"),
        ("a\tB-\n", r"a\.tsv, line 1: 'B-' is not a tag"),
        ("a\tb-X\n", r"a\.tsv, line 1: 'b-X' is not a tag"),
        ("a\tNN\n", r"a\.tsv, line 1: 'NN' is not a tag"),
        ("a\tB-X\n\nb\tI\n", r"a\.tsv, line 3: 'I' is of the form B, but earlier tags are of the form B-X"),
        (b"a\tO\n\xe9\tO\n", r"a\.tsv, line 2: is not UTF-8"),
        ("\n\n", r"a\.tsv: contains no sentence"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_sentences(write(tmp_path / "a.tsv", text))


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("IOB2", r"line 3: 'S-X' is not a tag of IOB2"),
        ("IOB1", r"line 3: 'S-X' is not a tag of IOB1"),
        ("IO", r"line 1: 'B-X' is not a tag of IO"),
    ],
)
def test_a_tag_that_the_named_scheme_does_not_have_is_named(tmp_path, scheme, message):
    path = write(tmp_path / "a.tsv", "a\tB-X\n\nb\tS-X\n")
    assert read_sentences(path)[1:] == ("BIOES", [1])
    with pytest.raises(InputError, match=message):
        read_sentences(path, scheme)


def test_types_are_merged_without_merging_entities(tmp_path):
    for name in ("train", "devel", "test"):
        write(
            tmp_path / f"{name}.tsv", "-DOCSTART-\tO\n\ngp160\tB-protein\ngene\tB-DNA\nsite\tI-DNA\nT\tI-cell_type\n"
        )
    task = read_task(tmp_path, merged_type="Entity")
    assert task.labels == ["O", "B-Entity", "I-Entity"]
    assert task.test[0].tags == ["B-Entity", "B-Entity", "I-Entity", "B-Entity"]
    assert count_entities(task.test) == 3
    assert len(task.repairs["test"]) == 1


def test_tags_without_types_are_entities(tmp_path):
    sentences, scheme, repairs = read_sentences(write(tmp_path / "a.tsv", "zinc\tB\nion\tI\n.\tO\n"))
    assert (sentences[0].tags, scheme, repairs) == (["B-Entity", "I-Entity", "O"], "IOB2", [])


def test_a_task_has_labels_counts_and_a_summary(folder):
    write(folder / "test.tsv", "x\tI-Disease\n\ny\tI-Chemical\n")
    task = read_task(folder)
    assert task.labels == ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"]
    assert task.repairs == {"train": [], "devel": [], "test": []}
    assert task.schemes == {"train": "IOB2", "devel": "IOB2", "test": "IO"}
    assert count_entities(task.test) == 2
    assert (
        task.summary()
        == f"{folder.name}: 2 / 2 / 2 sentences, 1 / 1 / 2 entities (train / devel / test), tagged by IO"
    )
    write(folder / "test.tsv", "x\tI-Disease\n\ny\tB-Chemical\n")
    means = "an I-X that opens an entity was read as B-X; many of them mean IOB1 tags, or sentences cut in two"
    assert read_task(folder).summary().endswith(f"test), 1 tags repaired (test: 1, first in line 1): {means}")
    write(folder / "devel.tsv", "x\tB-X\n\n" + "z\tO\ny\tI-X\n\n" * 1200)
    places = "(devel: 1,200, first in lines 4, 7, 10; test: 1, first in line 1)"
    assert f", 1,201 tags repaired {places}: " in read_task(folder).summary()


def test_dev_stands_for_devel(folder):
    (folder / "devel.tsv").rename(folder / "dev.tsv")
    assert read_task(folder).devel == read_task(folder).train


def test_missing_folders_and_files_are_named(folder):
    (folder / "devel.tsv").unlink()
    with pytest.raises(InputError, match=r"devel\.tsv: is missing; .*dev\.tsv"):
        read_task(folder)
    with pytest.raises(InputError, match=r"nowhere: is not a folder; name one with train\.tsv"):
        read_task(folder / "nowhere")
    with pytest.raises(InputError, match=r"'embedded:bc5' is not a task; .*embedded:nero"):
        read_named_task("embedded:bc5", None)


def test_reading_a_task_imports_nothing_slow():
    program = (
        "import sys, recipe.tasks; print([name for name in ('torch', 'transformers', 'datasets', 'evaluate') if name"
        " in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "entities", "label"),
    [("BC5CDR-chem-IOB", [5203, 5347, 5385], "Chemical"), ("BC5CDR-disease-IOB", [4182, 4246, 4424], "Disease")],
)
def test_bc5_is_read_whole(name, entities, label):
    if not SHARED_TASKS.is_dir():
        pytest.skip(f"{SHARED_TASKS} is absent")
    task = read_task(SHARED_TASKS / name)
    splits = (task.train, task.devel, task.test)
    assert [count_entities(split) for split in splits] == entities
    assert [len(split) for split in splits] == [4560, 4581, 4797]
    assert task.labels == ["O", f"B-{label}", f"I-{label}"]
    assert not any(task.repairs.values())


def test_500_malformed_files_give_a_line_or_the_right_count(tmp_path):
    read, refused = 0, 0
    for seed in range(500):
        path = write(tmp_path / "a.tsv", malformed(Random(seed)))
        message, sentences = read_or_refuse(path)
        if message:
            assert re.search(r"a\.tsv, line [1-9][0-9]*: |a\.tsv: contains no sentence", message), message
            refused += 1
            continue
        rows = slow_rows(path)
        assert [[word for word, _ in block] for block in rows] == [sentence.words for sentence in sentences], seed
        assert slow_count([[tag for _, tag in block] for block in rows]) == count_entities(sentences), seed
        read += 1
    assert min(read, refused) > 100, "the files are all of one kind"


def read_or_refuse(path: Path) -> tuple[str, list[TaggedSentence]]:
    try:
        return "", read_sentences(path)[0]
    except InputError as error:
        return str(error), []


def malformed(draw: Random) -> bytes:
    """A file in a random scheme and form, with some of its lines or bytes broken."""
    tags = draw.choice(["O B-X I-X B-Y", "O I-X I-Y B-X", "O B-X I-X E-X S-X S-Y", "O B I", "O I-X"]).split()
    gap = draw.choice(["\t", " ", "\tNN\t", " NN B-NP "])
    lines = [
        (
            f"{draw.choice(['a', 'None', 'null', '1', chr(34), 'é'])}{gap}{draw.choice(tags)}"
            if draw.random() < 0.85
            else ""
        )
        for _ in range(30)
    ]
    faults = [
        "",
        "x",
        "x\t",
        "\tO",
        "a\tb\tc\td\te\tO",
        "a\tX-Y",
        "a B-",
        "-DOCSTART- -X- O O",
        " ",
        "\x00\tO",
        "a\tO\t",
        "a  O",
        "a\tL-X",
        "a\tI",
        "\ufeffa\tO",
    ]
    for _ in range(draw.choice([0, 1, 1, 3])):
        lines[draw.randrange(len(lines))] = draw.choice(faults)
    content = draw.choice(["\n", "\r\n"]).join(lines).encode()
    if draw.random() < 0.3:
        place = draw.randrange(len(content))
        content = content[:place] + bytes([draw.randrange(256)]) + content[place + draw.randrange(3) :]
    return content


def slow_rows(path: Path) -> list[list[tuple[str, str]]]:
    """First and last column of each line, in blocks, read off the definition."""
    blocks: list[list[tuple[str, str]]] = [[]]
    for line in path.read_bytes().decode("utf-8-sig").split("\n"):
        line = line.rstrip("\r")
        if line.strip() and not line.startswith("-DOCSTART-"):
            columns = line.split("\t") if "\t" in line else line.split(" ")
            blocks[-1].append(
                (
                    columns[0] if "\t" in line else next(filter(None, columns)),
                    [column for column in columns if column.strip(" ")][-1].strip(" "),
                )
            )
        else:
            blocks.append([])
    return [block for block in blocks if block]


def slow_count(sentences: list[list[str]]) -> int:
    """Entities as seqeval's default reads them in any scheme."""
    letters = str.maketrans("LU", "ES")
    tags = [
        [tag[0].translate(letters) + (tag[1:] or ("" if tag == "O" else "-Entity")) for tag in sentence]
        for sentence in sentences
    ]
    return len(get_entities(tags))
