"""Sentences of words -> windows of token ids that fit the model, and the windows' predictions -> one label per word.

A sentence that does not fit into a window is cut at word boundaries into windows that overlap by about a half. Each
word is predicted once: in the window where it has the most context. So no word is lost, however long its sentence is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from recipe.tasks.types.task_type import Tokenizer
from recipe.tokens.plain_text import plain_text_tokenizer


@dataclass(frozen=True)
class Window:
    """One row of the model, from one sentence.

    sentence: index of the sentence. input_ids: [CLS], pieces, [SEP]. words: indices in the sentence of the words that
    this window predicts. positions: where each such word's first piece is in input_ids.
    """

    sentence: int
    input_ids: list[int]
    words: list[int]
    positions: list[int]


def make_windows(sentences: list[list[str]], tokenizer: Tokenizer, max_seq_length: int) -> list[Window]:
    """Windows of at most `max_seq_length` tokens, with [CLS] and [SEP], that predict every word exactly once."""
    return windows_of_pieces(
        pieces_of_words(sentences, tokenizer, max_seq_length - 2),
        max_seq_length,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
    )


def windows_of_pieces(
    sentences: list[list[list[int]]], max_seq_length: int, cls_token_id: int, sep_token_id: int
) -> list[Window]:
    """`make_windows` for words that are token ids already, 1 to max_seq_length - 2 of each word."""
    windows = []
    for index, pieces in enumerate(sentences):
        counts = [len(word) for word in pieces]
        if sum(counts) <= max_seq_length - 2:
            windows.append(_window(index, pieces, (0, len(pieces)), range(len(pieces)), cls_token_id, sep_token_id))
            continue
        spans = cut_spans(counts, max_seq_length - 2)
        owners = choose_spans(counts, spans)
        # A span whose words all have more context elsewhere predicts nothing: a batch without a label has no loss.
        owned = [np.flatnonzero(owners == number).tolist() for number in range(len(spans))]
        windows += [
            _window(index, pieces, span, words, cls_token_id, sep_token_id)
            for span, words in zip(spans, owned, strict=True)
            if words
        ]
    return windows


def pieces_of_words(sentences: list[list[str]], tokenizer: Tokenizer, max_num_tokens: int) -> list[list[list[int]]]:
    """Token ids of each word; [UNK] for a word without pieces (a control character), at most `max_num_tokens` ids."""
    if not sentences:
        return []
    plain, found = plain_text_tokenizer(tokenizer), []
    for words, encoding in zip(sentences, plain.encode_words(sentences), strict=True):
        pieces: list[list[int]] = [[] for _ in words]
        for token_id, word in zip(plain.ids_of(encoding), encoding.word_ids, strict=True):
            pieces[word].append(token_id)  # type: ignore[index]  # without special tokens each has a word
        # A word without a piece must be scored too, and a longer one must fit.
        found.append([word[:max_num_tokens] or [tokenizer.unk_token_id] for word in pieces])
    return found


def cut_spans(piece_counts: Sequence[int], max_num_tokens: int) -> list[tuple[int, int]]:
    """Overlapping runs of words, as (first, last + 1), of at most `max_num_tokens` pieces each, with every word."""
    ends = [0, *accumulate(piece_counts)]
    words = len(piece_counts)
    spans: list[tuple[int, int]] = []
    first = last = 0
    while last < words:
        last = bisect_right(ends, ends[first] + max_num_tokens) - 1
        # The last run starts as early as it can: context costs nothing there.
        if last == words:
            first = bisect_left(ends, ends[words] - max_num_tokens)
        spans.append((first, last))
        # Half of the budget is left for new words, or more if the first new word is that long.
        first = bisect_left(ends, max(ends[last] - max_num_tokens // 2, ends[min(last + 1, words)] - max_num_tokens))
    return spans


def choose_spans(piece_counts: Sequence[int], spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """For each word, the number of the span in which it has the most context, of equals the first; int64, (words,).

    A word's context is the number of pieces between it and the nearer edge of the span.
    """
    ends = np.concatenate([[0], np.cumsum(piece_counts)])
    most = np.full(len(piece_counts), -1.0)
    chosen = np.zeros(len(piece_counts), dtype=np.int64)
    for number, (first, last) in enumerate(spans):
        # An edge of the sentence hides nothing, so it does not count as an edge.
        before = ends[first:last] - ends[first] if first > 0 else np.full(last - first, np.inf)
        after = ends[last] - ends[first + 1 : last + 1] if last < len(piece_counts) else np.full(last - first, np.inf)
        context = np.minimum(before, after)
        better = context > most[first:last]
        most[first:last][better], chosen[first:last][better] = context[better], number
    return chosen


def join_windows(
    windows: Sequence[Window], predictions: Sequence[Sequence[int]], word_counts: Sequence[int]
) -> list[list[int]]:
    """The windows' predictions (one per word that a window predicts) as one label per word of each sentence.

    Raises:
        RuntimeError: if a word is predicted more than once or never, so that a score would not be comparable.
    """
    joined: list[list[int | None]] = [[None] * count for count in word_counts]
    for window, labels in zip(windows, predictions, strict=True):
        for word, label in zip(window.words, labels, strict=True):
            if joined[window.sentence][word] is not None:
                raise RuntimeError(f"word {word} of sentence {window.sentence} was predicted twice")
            joined[window.sentence][word] = int(label)
    missing = [(sentence, labels.index(None)) for sentence, labels in enumerate(joined) if None in labels]
    if missing:
        sentence, word = missing[0]
        more = f"nor were words of {len(missing) - 1} more"
        raise RuntimeError(f"word {word} of sentence {sentence} was never predicted, {more}")
    return [[label for label in labels if label is not None] for labels in joined]


def _window(
    sentence: int,
    pieces: list[list[int]],
    span: tuple[int, int],
    words: Sequence[int],
    cls_token_id: int,
    sep_token_id: int,
) -> Window:
    first, last = span
    ids = [token_id for word in pieces[first:last] for token_id in word]
    # [CLS] stands before the first piece, so positions start at 1.
    starts = list(accumulate((len(word) for word in pieces[first:last]), initial=1))
    return Window(sentence, [cls_token_id, *ids, sep_token_id], list(words), [starts[word - first] for word in words])
