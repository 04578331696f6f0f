"""How much of a task a text knows: what counts as an occurrence, by which file, and what is said about it."""

import json
import shutil
from collections import Counter

import pytest
from conftest import run_script, small_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from recipe.corpus import Document
from recipe.corpus.prepared import read_prepared_split
from recipe.corpus.sources import file_of
from recipe.report import coverage as module
from recipe.report.coverage import ALL, LEAST, MOST_ROWS, Coverage, coverage, line_of, table_of, warning_of
from recipe.report.inspection import inspect_run
from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.data.entities import strict_entities
from recipe.tasks.data.examples import Example
from recipe.tokenizer.folder import SPECIAL_TOKENS

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
WORDS = ("sodium", "chloride", "lead", "no", "the", "##ing", "##s")


def tokenizer_of(lowercase: bool = True) -> Tokenizer:
    pieces = [*SPECIAL_TOKENS, *LETTERS, *("##" + letter for letter in LETTERS), *WORDS, *".,-()"]
    tokenizer = Tokenizer(models.WordPiece({piece: id_ for id_, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def mention(text: str) -> TaggedSentence:
    words = text.split()
    return TaggedSentence(words, ["B-X", *["I-X"] * (len(words) - 1)])


def outside(text: str) -> TaggedSentence:
    return TaggedSentence(text.split(), ["O"] * len(text.split()))


def document(*sentences: str, source: str = "a.txt:1") -> Document:
    return Document(list(sentences), source)


def occurrences(form: str, *sentences: str, lowercase: bool = True) -> int:
    """How often one mention stands in a text, from its number per 1,000 words."""
    (row,) = coverage(tokenizer_of(lowercase), [mention(form)], [document(*sentences)])
    return round(row.per_1000 * row.words / 1000)


@pytest.mark.parametrize(
    ("form", "sentences", "number"),
    [
        ("sodium", ["Sodium and SODIUM, sodium."], 3),
        ("sodium chloride", ["sodium chloride", "chloride of sodium", "sodium, chloride", "no sodium chloride."], 2),
        ("sodium chloride", ["the sodium", "chloride"], 0),
        ("lead", ["leads, misleading, leading lead"], 1),
        ("sodium lead", ["sodium leads"], 0),
        ("5-HT", ["5-HT, (5 - ht), 5 HT, 5-HTx"], 2),
        ("no no", ["no no no"], 2),
        ("na+ lead", ["na+ lead"], 0),
    ],
)
def test_an_occurrence_is_the_same_whole_words_in_a_row_in_a_sentence(form, sentences, number):
    assert occurrences(form, *sentences) == number


def test_case_counts_as_the_tokenizer_sees_it():
    assert occurrences("NO", "NO and no") == 2
    assert occurrences("NO", "NO and no", lowercase=False) == 1


def test_a_form_inside_of_a_longer_one_counts_too():
    (row,) = coverage(tokenizer_of(), [mention("sodium chloride"), mention("sodium")], [document("sodium chloride")])
    assert row.mentions == [1.0, 0.0, 0.0]
    assert row.per_1000 == 1000


def test_shares_are_over_occurrences_and_over_distinct_forms():
    examples = [mention("sodium"), mention("sodium"), mention("Sodium"), mention("lead")]
    text = ["sodium"] * 20 + ["lead"] * 4 + ["the ( , ) ."] * 26
    (row,) = coverage(tokenizer_of(), examples, [document(*text)])
    assert row == Coverage(ALL, 50, [1.0, 0.75, 0.75], [1.0, 0.75, 0.75], [1.0, 0.5, 0.5], 480.0)


def test_a_form_that_is_mostly_no_mention_does_not_count_per_1000_words():
    text = [document("no no no lead")]
    (row,) = coverage(tokenizer_of(), [mention("NO"), outside("no no"), mention("lead"), outside("lead")], text)
    assert row.per_1000 == 250
    assert row.mentions == [1.0, 0.0, 0.0]


def test_words_of_texts_without_entities():
    examples = [Example("1", "The lead.", "sodium", 0), Example("2", "leads", "", 1)]
    (row,) = coverage(tokenizer_of(), examples, [document("lead, sodium the sodium")])
    assert row == Coverage(ALL, 4, [0.75, 0.0, 0.0])
    assert table_of([row]) == [["all", "4", *["–"] * 6, "75.0 %", "0.0 %", "0.0 %", "–"]]
    assert line_of([row]) == "0.0 % of the task's training words occur 20 times or more in the text"
    assert warning_of([row]) is None


def test_rows_by_file_then_all():
    documents = [
        document("lead", source="texts/a.txt.gz:1"),
        document("lead the", source="texts/a.txt.gz:7"),
        document("sodium", source="texts/b.jsonl:3 element 2"),
    ]
    rows = coverage(tokenizer_of(), [mention("lead"), mention("sodium")], documents)
    assert [(row.source, row.words, row.mentions[0]) for row in rows] == [
        ("texts/a.txt.gz", 3, 0.5),
        ("texts/b.jsonl", 1, 0.5),
        (ALL, 4, 1.0),
    ]


def test_many_files_are_shown_by_folder_and_many_folders_as_one():
    def rows_of(sources):
        documents = [document("lead", source=source) for source in sources]
        return [(row.source, row.words) for row in coverage(tokenizer_of(), [mention("lead")], documents)]

    few = [f"{number % 2}/{number}.xml" for number in range(MOST_ROWS)]
    assert rows_of(few) == [*((source, 1) for source in few), (ALL, MOST_ROWS)]
    assert rows_of([*few, "0/x.xml"]) == [("0", 11), ("1", 10), (ALL, 21)]
    many = [f"{number}/a.xml" for number in range(3 * MOST_ROWS)]
    assert rows_of(many) == [(ALL, 3 * MOST_ROWS)]


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("a/b.txt:12", "a/b.txt"),
        ("a/b.txt.gz:12", "a/b.txt.gz"),
        ("a/b.json.zst:12 element 3", "a/b.json.zst"),
        ("a/b.xml", "a/b.xml"),
        ("a/b#c.xml#10.1371/x#y:2", "a/b#c.xml"),
        ("a/b.json/c.parquet:4", "a/b.json/c.parquet"),
        ("notes.md:3", "notes.md"),
        ("notes", "notes"),
        ("s3://texts/a.jsonl:5", "s3://texts/a.jsonl"),
        ("hub:NAME/DATA?split=train#17", "hub:NAME/DATA?split=train"),
    ],
)
def test_the_file_of_a_source(source, file):
    assert file_of(source) == file


def slow(tokenizer: Tokenizer, examples: list[TaggedSentence], sentences: list[str]) -> Coverage:
    """The row of all text by loops over words."""

    def words_of(text: str) -> list[str]:
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        return [word for word, _ in pieces]

    def number_in(form: tuple[str, ...], texts: list[str]) -> int:
        runs = (words_of(text) for text in texts)
        return sum(tuple(words[start : start + len(form)]) == form for words in runs for start in range(len(words)))

    def shares(forms: Counter[tuple[str, ...]]) -> list[float]:
        total = max(sum(forms.values()), 1)
        return [sum(n for form, n in forms.items() if number_in(form, sentences) >= k) / total for k in LEAST]

    texts = [" ".join(each.words) for each in examples]
    mentions = Counter(
        tuple(words_of(" ".join(each.words[first:last])))
        for each in examples
        for first, last, _ in strict_entities(each.tags)
    )
    words = Counter((word,) for text in texts for word in words_of(text) if word.isalnum())
    number = sum(word.isalnum() for sentence in sentences for word in words_of(sentence))
    row = Coverage(ALL, number, shares(words))
    if not mentions:
        return row
    reliable = [form for form, n in mentions.items() if 2 * n >= number_in(form, texts)]
    per_1000 = 1000 * sum(number_in(form, sentences) for form in reliable) / max(number, 1)
    return Coverage(ALL, number, row.task_words, shares(mentions), shares(Counter(mentions.keys())), per_1000)


words = st.sampled_from(["no", "No", "lead", "leads", "sodium", "n", "o", ",", "-", "no-lead"])
tagged = st.lists(st.tuples(words, st.sampled_from(["O", "B-X", "I-X"])), min_size=1, max_size=8).map(
    lambda pairs: TaggedSentence([word for word, _ in pairs], [tag for _, tag in pairs])
)
texts = st.lists(st.lists(words, min_size=1, max_size=9).map(" ".join), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    examples=st.lists(tagged, min_size=1, max_size=6), sentences=texts, times=st.integers(1, 4), cased=st.booleans()
)
def test_equals_slow_code(examples, sentences, times, cased):
    tokenizer = tokenizer_of(lowercase=not cased)
    rows = coverage(tokenizer, examples, [document(*sentences) for _ in range(times)])
    assert rows == [slow(tokenizer, examples, sentences * times)]


def test_a_text_in_many_blocks_counts_the_same(monkeypatch):
    documents = [document("lead sodium chloride", "lead", source=f"{number % 3}.txt:1") for number in range(30)]
    examples = [mention("sodium chloride"), mention("lead")]
    expected = coverage(tokenizer_of(), examples, documents)
    monkeypatch.setattr(module, "CHARACTERS_PER_CALL", 5)
    assert coverage(tokenizer_of(), examples, documents) == expected
    assert expected[-1].words == 120


@pytest.mark.parametrize(("share", "is_poor"), [(0.49, True), (0.5, False), (0.9, False)])
def test_a_poor_share_is_a_warning_that_says_what_to_do(share, is_poor):
    row = Coverage(ALL, 1000, [1.0, 1.0, 1.0], [1.0, 0.95, share], [1.0, 1.0, 1.0], 12.34)
    percents = f"{100 * share:.1f} % of the task's training mentions occur 20 times or more in the text"
    assert line_of([row]) == f"{percents}; 12.3 per 1,000 words"
    warning = warning_of([row])
    assert (warning is not None) == is_poor
    if warning:
        assert warning.startswith(f"only {percents}")
        assert "add text about the subject of the task to corpus.path" in warning


def write_task(folder, train: str, test: str):
    """A folder whose training sentences have the one mention `train`, and whose test has another."""
    folder.mkdir()
    for name, form in (("train", train), ("devel", test), ("test", test)):
        (folder / f"{name}.tsv").write_text(f"{form}\tB-Drug\nxyz\tO\n\n")
    return folder


@pytest.fixture
def run_with_task(prepared, corpus_file, tmp_path):
    """A run folder up to its tokenizer, and a task whose only training mention is a frequent word of its text."""

    def make(form: str | None, test: str = "zzzz"):
        task = {} if form is None else {"task.name": str(write_task(tmp_path / "drugs", form, test))}
        recipe = small_recipe(corpus_file, tmp_path / "run", **task, **{"task.max_seq_length": "32"})
        for name in ("corpus", "tokenizer"):
            shutil.copytree(prepared.folder / name, recipe.folder / name)
        inspect_run(recipe)
        return recipe, json.loads((recipe.folder / "fertility.json").read_text())

    return make


def test_a_run_counts_training_mentions_in_training_documents(run_with_task, prepared, capsys):
    sentences = Counter(
        word.strip(".")
        for each in read_prepared_split(prepared.folder / "corpus", prepared.corpus, "train", prepared.seed)
        for sentence in each.sentences
        for word in sentence.split()
    )
    form, number = sentences.most_common(1)[0]
    _, found = run_with_task(form)
    (row,) = found["coverage"]
    assert row["mentions"] == [1.0, 1.0, 1.0]
    assert row["words"] == sentences.total()
    assert row["per_1000"] == pytest.approx(1000 * number / sentences.total())
    assert found["warnings"] == []
    expected = (
        f"inspect: 100.0 % of the task's training mentions occur 20 times or more in the text; {row['per_1000']:.1f}"
    )
    assert expected in capsys.readouterr().out


def test_a_run_whose_text_does_not_know_the_task_warns(run_with_task, prepared, capsys):
    common = next(read_prepared_split(prepared.folder / "corpus", prepared.corpus, "train", 1)).sentences[0].split()[0]
    # What test contains must not matter.
    _, found = run_with_task("zzzz", test=common)
    assert found["coverage"][0]["mentions"] == [0.0, 0.0, 0.0]
    assert len(found["warnings"]) == 1
    assert f"inspect: warning: {found['warnings'][0]}" in capsys.readouterr().out


def test_a_run_without_a_task_has_no_coverage(run_with_task, capsys):
    _, found = run_with_task(None)
    assert (found["coverage"], found["warnings"]) == ([], [])
    assert "inspect:" not in capsys.readouterr().out


def test_command_says_how_much_of_a_task_the_texts_know(prepared, tmp_path):
    task = write_task(tmp_path / "drugs", "abc", "zzzz")
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("abc abd.\nabc.\n\nabd.\nabd.\n")
    texts = [str(tmp_path / f"{name}.txt") for name in ("one", "two")]
    done = run_script(
        "inspect_tokenizer", str(prepared.folder / "tokenizer"), "--text", *texts, "--task", str(task), "--output",
        str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "How much of drugs, its training split, the texts know:" in done.stdout
    assert "| one.txt | 5 | 100.0 % | 0.0 % | 0.0 % | 100.0 % | 0.0 % | 0.0 % |" in done.stdout
    assert done.stdout.splitlines()[-2].startswith("| all | 10 | ")
    rows = json.loads((tmp_path / "out" / "fertility.json").read_text())["coverage"][str(task)]
    assert [row["source"] for row in rows] == ["one.txt", "two.txt", "all"]
