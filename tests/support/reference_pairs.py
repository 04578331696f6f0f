"""The pairs of `recipe.pairs.sampling` once more, one document, one sentence, one token at a time: slow, and written
to be read.

It shares only the hash behind the draws (`recipe.rng`), so the two must agree row for row.
"""

from recipe.pairs.sampling import CHUNK_BITS, DOCUMENT_BITS, Draw, PairRules
from recipe.rng import derive_key, random_below, random_bits, random_uniform


def reference_pairs(documents: list[list[list[int]]], rules: PairRules, seed: int, pass_index: int) -> list[dict]:
    """Pairs of documents of sentences of token ids; each a dict of segment_a, segment_b, next_sentence_label and
    row_id.
    """
    pairs = []
    for index, document in enumerate(documents):
        pairs += _pairs_of_document(
            documents, index, document, rules, derive_key(seed, "pairs", pass_index), pass_index
        )
    return pairs


def _pairs_of_document(documents, index, document, rules, key, pass_index):
    position, chunk_number = 0, 0
    while position < len(document):
        target = _target(index, 0 if rules.short_seq_unit == "document" else chunk_number, rules, key)
        chunk = _gather(document, position, target)
        split = 1
        if len(chunk) > 1:
            split = 1 + int(random_below(len(chunk) - 1, key, index, chunk_number, Draw.SPLIT))
        segment_a = [token for sentence in chunk[:split] for token in sentence]
        is_random = len(chunk) == 1 or random_uniform(key, index, chunk_number, Draw.IS_RANDOM) < rules.nsp_probability
        if is_random:
            segment_b = _random_segment(documents, index, target - len(segment_a), key, chunk_number)
            position += split
        else:
            segment_b = [token for sentence in chunk[split:] for token in sentence]
            position += len(chunk)
        truncate = _random_tail if rules.truncation == "random_tail" else _longest_first
        truncate(segment_a, segment_b, rules.max_num_tokens, lambda draw, n=chunk_number: _coins(key, index, n, draw))
        row_id = (((pass_index << DOCUMENT_BITS) + index) << CHUNK_BITS) + chunk_number
        pairs_row = {
            "segment_a": segment_a,
            "segment_b": segment_b,
            "next_sentence_label": int(is_random),
            "row_id": row_id,
        }
        chunk_number += 1
        yield pairs_row


def _target(index, unit_number, rules, key):
    if random_uniform(key, index, unit_number, Draw.IS_SHORT) < rules.short_seq_probability:
        return 2 + int(random_below(rules.max_num_tokens - 1, key, index, unit_number, Draw.SHORT_LENGTH))
    return rules.max_num_tokens


def _gather(document, position, target):
    chunk, length = [], 0
    for sentence in document[position:]:
        chunk.append(sentence)
        length += len(sentence)
        if length >= target:
            break
    return chunk


def _random_segment(documents, index, wanted, key, chunk_number):
    other = int(random_below(len(documents) - 1, key, index, chunk_number, Draw.OTHER_DOCUMENT))
    if other >= index:
        other += 1
    start = int(random_below(len(documents[other]), key, index, chunk_number, Draw.OTHER_SENTENCE))
    segment = []
    for sentence in documents[other][start:]:
        segment += sentence
        if len(segment) >= wanted:
            break
    return segment


def _coins(key, index, chunk_number, draw):
    """Fair coins without end: the bits of the hashes, highest first."""
    word = 0
    while True:
        bits = int(random_bits(key, index, chunk_number, draw, word))
        for place in range(63, -1, -1):
            yield (bits >> place) & 1
        word += 1


def _random_tail(segment_a, segment_b, limit, coins):
    """The rule of the post: A or B by a coin, its last token goes, unless it is its only one."""
    coin = coins(Draw.TRUNCATE_A)
    while len(segment_a) + len(segment_b) > limit:
        chosen, other = (segment_a, segment_b) if next(coin) else (segment_b, segment_a)
        (chosen if len(chosen) > 1 else other).pop()


def _longest_first(segment_a, segment_b, limit, coins):
    """The rule of the original: the longer one, B on a tie, loses a token in front or at the back by a coin."""
    coin = {id(segment_a): coins(Draw.TRUNCATE_A), id(segment_b): coins(Draw.TRUNCATE_B)}
    while len(segment_a) + len(segment_b) > limit:
        longer = segment_a if len(segment_a) > len(segment_b) else segment_b
        if next(coin[id(longer)]):
            del longer[0]
        else:
            longer.pop()
