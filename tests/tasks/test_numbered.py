"""First columns that count up or stay the same in every sentence are refused by their number; words are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.errors import InputError
from recipe.tasks.data.columns import read_sentences
from recipe.tasks.data.numbered import require_words

SENTENCES = [["The", "quiet", "kettle"], ["A", "lamp"], ["Zinc"], ["The", "The", "bridge", "."]]


def offsets(words: list[str]) -> list[str]:
    return [str(len("".join(words[:place])) + place) for place in range(len(words))]


# A first column of each kind, by the number of the sentence and its words.
COLUMNS = {
    "tokens from 1": lambda number, words: [str(place + 1) for place in range(len(words))],
    "tokens from 0": lambda number, words: [str(place) for place in range(len(words))],
    "tokens of the file": lambda number, words: [str(10 * number + place) for place in range(len(words))],
    "sentence and token": lambda number, words: [f"{number}-{place}" for place in range(len(words))],
    "T1": lambda number, words: [f"T{place + 1}" for place in range(len(words))],
    "offsets": lambda number, words: offsets(words),
    "spans": lambda number, words: [f"{start}-{int(start) + 3}" for start in offsets(words)],
    "sentence id": lambda number, words: [str(number)] * len(words),
    "document id": lambda number, words: ["PMID17"] * len(words),
}


def text_of(columns: list[list[list[str]]], separator: str = "\t") -> str:
    return "\n".join("".join(separator.join([*line, "O"]) + "\n" for line in sentence) for sentence in columns)


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_before_the_words_is_refused_by_its_number(tmp_path, kind, separator):
    columns = [
        [[first, word] for first, word in zip(COLUMNS[kind](number, words), words, strict=True)]
        for number, words in enumerate(SENTENCES)
    ]
    (tmp_path / "a.tsv").write_text(text_of(columns, separator))
    with pytest.raises(
        InputError, match=r"a\.tsv: column 1 .*, so it is not a word; .*before column 2, by `cut -f2-`"
    ):
        read_sentences(tmp_path / "a.tsv")


def test_two_columns_before_the_words_are_refused_together(tmp_path):
    columns = [[[f"s{n}", str(place), word] for place, word in enumerate(words)] for n, words in enumerate(SENTENCES)]
    (tmp_path / "a.tsv").write_text(text_of(columns))
    message = r"column 1 is the same .* and column 2 counts up .*, so they are not words; .*before column 3"
    with pytest.raises(InputError, match=message):
        read_sentences(tmp_path / "a.tsv")


def test_a_file_without_words_is_refused(tmp_path):
    (tmp_path / "a.tsv").write_text(text_of([[[str(place)] for place in range(5)]]))
    with pytest.raises(InputError, match=r"column 1 counts up .*; no other column is left before the tag"):
        read_sentences(tmp_path / "a.tsv")


@pytest.mark.parametrize(
    "sentences",
    [
        [["1", "2", "3", "4"], ["Zinc", "was", "given"]],
        [["no", "no"], ["no", "zinc"]],
        [["2", "cases"], ["4", "rats", "5"]],
        [["1", "2"]],
        [["Zinc"], ["Zinc"], ["Zinc"], ["Zinc"]],
        [["4", "3", "2", "1"]],
        [["1", "1", "2", "3"]],
    ],
)
def test_words_that_are_numbers_or_repeat_are_read(tmp_path, sentences):
    (tmp_path / "a.tsv").write_text(text_of([[[word] for word in words] for words in sentences]))
    assert [sentence.words for sentence in read_sentences(tmp_path / "a.tsv")[0]] == sentences


@given(
    st.lists(
        st.lists(st.sampled_from(["zinc", "rats", "7", "8", "."]), min_size=1, max_size=5), min_size=1, max_size=4
    )
)
def test_only_columns_that_always_count_or_repeat_are_refused(sentences):
    longer = [words for words in sentences if len(words) > 1]
    is_same = all(len({*words}) == 1 for words in longer)
    counts = all(all(word.isdigit() for word in words) and words == sorted({*words}) for words in longer)
    expected = sum(map(len, longer)) >= 4 and (is_same or counts)
    try:
        require_words("a.tsv", [[[word, "x", "O"] for word in words] for words in sentences])
        refused = False
    except InputError:
        refused = True
    assert refused == expected
