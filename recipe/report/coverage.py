"""How much of a task a corpus knows: how often the task's mentions and words stand in its text, by source file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from tokenizers import Tokenizer

from recipe.corpus import Document
from recipe.corpus.sources import file_of
from recipe.formatting import NOT_KNOWN, count, fixed, percent
from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.data.entities import strict_entities
from recipe.tasks.data.examples import Example
from recipe.tokenizer.wordpiece import PREFIX
from recipe.tokens.encoding import SentenceEncoder

# Once may be a chance; from about twenty times on, a form was read in contexts of many kinds.
LEAST = (1, 5, 20)
ALL = "all"
# Below this share most of the mentions are words that pretraining hardly saw. Measured on BC5-chem: 82 % of the test
# mentions for 212 MB of biomedical text, 25 % for the 7 MB of abstracts in it, 6 % for 97 MB of general text.
POOR_SHARE = 0.5
# A corpus of articles may have millions of files; a table shall be read.
MOST_ROWS = 20
CHARACTERS_PER_CALL = 1 << 20
HEADINGS = (
    "text",
    "words",
    *(f"mentions ≥ {least}×" for least in LEAST),
    *(f"distinct ≥ {least}×" for least in LEAST),
    *(f"words ≥ {least}×" for least in LEAST),
    "per 1,000 words",
)
Examples = Sequence[TaggedSentence] | Sequence[Example]
# The token ids of a mention or a word.
Form = tuple[int, ...]


@dataclass(frozen=True)
class Coverage:
    """What a text knows of a task.

    source: a file, or a folder where the files are many, or ALL. words: of the text, without punctuation.
    mentions, task_words: share in 0..1, over occurrences in the examples, of those whose form stands in the text at
    least LEAST times, one for each of LEAST; distinct_mentions: the same over different forms. per_1000: how often
    reliable forms of mentions stand in 1,000 words of the text. Mentions are None where the task has none.
    """

    source: str
    words: int
    task_words: list[float]
    mentions: list[float] | None = None
    distinct_mentions: list[float] | None = None
    per_1000: float | None = None


def coverage(tokenizer: Tokenizer, examples: Examples, documents: Iterable[Document]) -> list[Coverage]:
    """How often the mentions and words of examples stand in documents: a row for each source, then one for ALL.

    A form is a sequence of whole words as the tokenizer makes them, in lower case if it lower-cases, within a
    sentence. It counts wherever it stands, also inside of a longer form. A form with [UNK] never occurs: the model
    cannot tell it from others. A form is reliable if at least half of its occurrences in the examples are mentions:
    lower-cased, NO (nitric oxide) is "no". Memory does not grow with the text.

    Args:
        examples: of one split. The training split is the one to use: test must not decide what to pretrain on.
    """
    text = _Text(tokenizer)
    forms = _Forms(text, examples)
    rows = _Rows(len(forms.trie))
    for source, ids in text.blocks(documents):
        rows.add(source, forms.trie.counts(ids, text.continues), int(text.is_word[ids].sum()))
    return [forms.row(*found) for found in rows.in_order()]


def line_of(rows: list[Coverage]) -> str:
    """The last row, of all text, in one line."""
    found = rows[-1]
    if found.mentions is None:
        return (
            f"{percent(found.task_words[-1])} of the task's training words occur {LEAST[-1]} times or more in the text"
        )
    return (
        f"{percent(found.mentions[-1])} of the task's training mentions occur {LEAST[-1]} times or more in the text;"
        f" {fixed(found.per_1000)} per 1,000 words"
    )


def warning_of(rows: list[Coverage]) -> str | None:
    """What to do if the text knows too few of the mentions; None if it knows enough, or the task has none."""
    mentions = rows[-1].mentions
    if mentions is None or mentions[-1] >= POOR_SHARE:
        return None
    return (
        f"only {percent(mentions[-1])} of the task's training mentions occur {LEAST[-1]} times or more in the text"
        f" (less than {percent(POOR_SHARE, 0)}); add text about the subject of the task to corpus.path"
    )


def table_of(rows: Iterable[Coverage]) -> list[list[str]]:
    """The rows in words, in the order of HEADINGS."""
    none = [None] * len(LEAST)
    return [
        [
            row.source,
            count(row.words),
            *map(percent, [*(row.mentions or none), *(row.distinct_mentions or none), *row.task_words]),
            fixed(row.per_1000) if row.per_1000 is not None else NOT_KNOWN,
        ]
        for row in rows
    ]


class _Text:
    """Text as ids of pieces; of each piece, whether it `continues` a word, or `is_word`, the beginning of one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._encoder = SentenceEncoder(tokenizer.to_str())
        names = {number: name for name, number in tokenizer.get_vocab(with_added_tokens=True).items()}
        # The id after those of the pieces ends a sentence, so that no form reaches into the next one.
        self.end = max(names) + 1
        pieces = [names.get(number, "") for number in range(self.end + 1)]
        self.unknown = tokenizer.token_to_id("[UNK]")
        self.continues = np.array([piece.startswith(PREFIX) for piece in pieces])
        # A mark of punctuation is a piece of its own, which would flatter every text.
        self.is_word = np.array([any(map(str.isalnum, piece)) for piece in pieces]) & ~self.continues

    def ids(self, sentences: Sequence[str]) -> np.ndarray:
        """The ids of sentences, int64, with `end` after each."""
        ids, lengths = self._encoder.encode("\n".join(sentences).encode())
        return np.insert(ids.astype(np.int64), np.cumsum(lengths), self.end)

    def blocks(self, documents: Iterable[Document]) -> Iterator[tuple[str, np.ndarray]]:
        """(source file, `ids` of some of its sentences), in the order of the documents."""
        for source, group in groupby(documents, key=lambda document: file_of(document.source)):
            sentences, size = list[str](), 0
            for document in group:
                sentences += document.sentences
                size += sum(map(len, document.sentences))
                if size > CHARACTERS_PER_CALL:
                    yield source, self.ids(sentences)
                    sentences, size = [], 0
            yield source, self.ids(sentences)


class _Forms:
    """The mentions and words of examples, and how often each is one there."""

    def __init__(self, text: _Text, examples: Examples) -> None:
        texts, mentions = list[str](), list[str]()
        for each in examples:
            if isinstance(each, TaggedSentence):
                texts.append(" ".join(each.words))
                mentions += [" ".join(each.words[first:last]) for first, last, _ in strict_entities(each.tags)]
            else:
                texts += [each.text, each.other]
        ids = text.ids(texts)
        of_mentions = text.ids(mentions)
        lines = _runs(of_mentions, np.flatnonzero(of_mentions == text.end) + 1)
        self._mentions = Counter(line[:-1] for line in lines if len(line) > 1)
        words = _runs(ids, np.flatnonzero(~text.continues[ids]))
        self._words = Counter(word for word in words if text.is_word[word[0]])
        self.trie = _Trie([*self._mentions, *self._words], text.end + 1, text.unknown)
        occurrences = self.trie.counts(ids, text.continues)[: len(self._mentions)]
        self._is_reliable = 2 * _numbers(self._mentions) >= occurrences

    def row(self, source: str, counts: np.ndarray, words: int) -> Coverage:
        """The row of a text of so many words in which the forms of the trie stand so often."""
        of_mentions, of_words = np.split(counts, [len(self._mentions)])
        row = Coverage(source, words, _shares(_numbers(self._words), of_words))
        if not self._mentions:
            return row
        return replace(
            row,
            mentions=_shares(_numbers(self._mentions), of_mentions),
            distinct_mentions=_shares(np.ones(len(of_mentions)), of_mentions),
            per_1000=1000 * float(of_mentions[self._is_reliable].sum()) / max(words, 1),
        )


class _Trie:
    """Forms as paths of ids from a root; text is matched at all its places at once, one id further in each round."""

    def __init__(self, forms: Sequence[Form], size: int, unknown: int | None) -> None:
        children: dict[tuple[int, int], int] = {}
        ends = []
        for form in forms:
            node = 0
            for id_ in form:
                node = children.setdefault((node, id_), len(children) + 1)
            ends.append(node)
        self._ends = np.array(ends, np.int64)
        # A node is found by its parent and the id that leads to it; [UNK] leads nowhere.
        found = sorted((parent * size + id_, node) for (parent, id_), node in children.items() if id_ != unknown)
        self._keys, self._nodes = np.array(found, np.int64).reshape(-1, 2).T
        self._size = size
        # The first round looks at every piece of the text, so it gets a table.
        self._first = np.zeros(size, np.int64)
        of_root = self._keys < size
        self._first[self._keys[of_root]] = self._nodes[of_root]
        self._has_children = np.zeros(len(children) + 1, bool)
        self._has_children[self._keys // size] = True

    def __len__(self) -> int:
        """How many forms there are."""
        return len(self._ends)

    def counts(self, ids: np.ndarray, continues: np.ndarray) -> np.ndarray:
        """How often each form stands in ids that end with the end of a sentence; int64 of shape (forms,)."""
        counts = np.zeros(len(self._has_children), np.int64)
        nodes = self._first[ids]
        places = np.flatnonzero(nodes)
        nodes = nodes[places]
        while len(places):
            places = places + 1
            # Where a word goes on, what was matched is only its beginning.
            counts += np.bincount(nodes[~continues[ids[places]]], minlength=len(counts))
            goes_on = self._has_children[nodes]
            places, nodes = places[goes_on], nodes[goes_on]
            keys = nodes * self._size + ids[places]
            found = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            is_found = self._keys[found] == keys
            places, nodes = places[is_found], self._nodes[found[is_found]]
        return counts[self._ends]


class _Rows:
    """Counts by source file; by folder where there are more than MOST_ROWS files; in all where folders are as many."""

    def __init__(self, forms: int) -> None:
        self._forms, self._level = forms, 0
        self._counts: dict[str, np.ndarray] = {}
        self._words: Counter[str] = Counter()

    def add(self, source: str, counts: np.ndarray, words: int) -> None:
        """Count some sentences of a source file."""
        name = _LEVELS[self._level](source)
        self._counts[name] = self._counts.get(name, 0) + counts
        self._words[name] += words
        if len(self._counts) > MOST_ROWS:
            self._level += 1
            finer, finer_words = self._counts, self._words
            self._counts, self._words = {}, Counter()
            for name in finer:
                self.add(name, finer[name], finer_words[name])

    def in_order(self) -> Iterator[tuple[str, np.ndarray, int]]:
        """(source, counts, words) in the order of the text, ALL last; one source alone is not shown twice."""
        if len(self._counts) > 1:
            yield from ((name, counts, self._words[name]) for name, counts in self._counts.items())
        yield ALL, sum(self._counts.values(), np.zeros(self._forms, np.int64)), self._words.total()


_LEVELS = (lambda source: source, lambda source: source.rpartition("/")[0] or ".", lambda source: ALL)


def _runs(ids: np.ndarray, starts: np.ndarray) -> Iterator[Form]:
    """The ids from each start to the next, those before the first start too, if there are any."""
    return (tuple(part.tolist()) for part in np.split(ids, starts) if len(part))


def _numbers(forms: Counter[Form]) -> np.ndarray:
    return np.fromiter(forms.values(), np.int64, len(forms))


def _shares(weights: np.ndarray, counts: np.ndarray) -> list[float]:
    return [float(weights[counts >= least].sum() / max(weights.sum(), 1)) for least in LEAST]
