"""Seeded bugs in the pair builder."""

from mutations import Mutation

PAIRS, CUTS, ROWS = "recipe/pairs/sampling.py", "recipe/pairs/truncation.py", "recipe/pairs/builder.py"
TESTS = {
    PAIRS: ["tests/pairs/test_sampling.py", "tests/pairs/test_distribution.py", "tests/pairs/test_dataset.py"],
    CUTS: ["tests/pairs/test_sampling.py", "tests/pairs/test_distribution.py", "tests/pairs/test_dataset.py"],
    ROWS: ["tests/pairs/test_dataset.py"],
}

MUTATIONS = (
    Mutation("the chunk ends one token late", PAIRS, "a_start + target), end)", "a_start + target + 1), end)"),
    Mutation("the chunk ends one token early", PAIRS, "a_start + target), end)", "a_start + target - 1), end)"),
    Mutation(
        "the chunk runs into the next document",
        PAIRS,
        "np.minimum(np.searchsorted(sentence_offsets, a_start + target), end)",
        "np.minimum(np.searchsorted(sentence_offsets, a_start + target), end + (end < len(sentence_offsets) - 1))",
    ),
    Mutation("A may be the whole chunk, k in 1..n", PAIRS, "np.maximum(sentences - 1, 1)", "np.maximum(sentences, 1)"),
    Mutation(
        "A is never all but the last sentence, k in 1..n-2",
        PAIRS,
        "np.maximum(sentences - 1, 1)",
        "np.maximum(sentences - 2, 1)",
    ),
    Mutation(
        "A is always one sentence",
        PAIRS,
        "split = position + 1 + below_of(np.maximum(sentences - 1, 1), draws[Draw.SPLIT])",
        "split = position + 1",
    ),
    Mutation(
        "a chunk of one sentence is not forced random", PAIRS, "random = forced | (", "random = (sentences == 0) | ("
    ),
    Mutation(
        "the chance of a random B is doubled by a second draw",
        PAIRS,
        "< rules.nsp_probability)",
        "< 2 * rules.nsp_probability)",
    ),
    Mutation(
        "the label is flipped", PAIRS, "random.astype(np.int64), documents", "(~random).astype(np.int64), documents"
    ),
    Mutation("a random B may come from A's own document", PAIRS, "    other += other >= documents\n", ""),
    Mutation(
        "the step over the own document is off by one",
        PAIRS,
        "other += other >= documents",
        "other += other > documents",
    ),
    Mutation(
        "the last document is never a random B",
        PAIRS,
        "len(document_offsets) - 2, draws",
        "np.maximum(len(document_offsets) - 3, 1), draws",
    ),
    Mutation(
        "a random B always starts at its document's first sentence",
        PAIRS,
        "start = first + below_of(end - first, draws[Draw.OTHER_SENTENCE])",
        "start = first",
    ),
    Mutation(
        "a random B runs over the end of its document",
        PAIRS,
        "return start, np.minimum(np.searchsorted(sentence_offsets, sentence_offsets[start] + wanted_length), end)",
        "return start, np.minimum(np.searchsorted(sentence_offsets, sentence_offsets[start] + wanted_length),"
        " len(sentence_offsets) - 1)",
    ),
    Mutation(
        "a random B aims at the whole target, not at what A leaves",
        PAIRS,
        "np.maximum(target - a_length, 1)",
        "np.maximum(target, 1)",
    ),
    Mutation(
        "unused sentences are not put back",
        PAIRS,
        "return pairs, np.where(random, split, chunk_end)",
        "return pairs, chunk_end",
    ),
    Mutation(
        "sentences are put back after a B that follows, too",
        PAIRS,
        "return pairs, np.where(random, split, chunk_end)",
        "return pairs, split",
    ),
    Mutation(
        "short targets stop one below the limit",
        PAIRS,
        "2 + below_of(rules.max_num_tokens - 1, draws",
        "2 + below_of(np.maximum(rules.max_num_tokens - 2, 1), draws",
    ),
    Mutation(
        "short targets start at 3",
        PAIRS,
        "2 + below_of(rules.max_num_tokens - 1, draws",
        "3 + below_of(np.maximum(rules.max_num_tokens - 2, 1), draws",
    ),
    Mutation(
        "all documents share one draw of the target",
        PAIRS,
        "uniform_of(draws[Draw.IS_SHORT])",
        "uniform_of(draws[Draw.IS_SHORT, 0])",
    ),
    Mutation(
        "short lengths are drawn per document though asked for per pair",
        PAIRS,
        'if rules.short_seq_unit == "pair":',
        "if False:",
    ),
    Mutation(
        "short lengths are drawn per pair though asked for per document",
        PAIRS,
        'if rules.short_seq_unit == "pair":',
        "if True:",
    ),
    Mutation(
        "truncation leaves one token too many",
        CUTS,
        "a_length + b_length - max_num_tokens, 0)",
        "a_length + b_length - max_num_tokens - 1, 0)",
    ),
    Mutation("random_tail may empty A", CUTS, "np.minimum(excess, a_length - 1))", "np.minimum(excess, a_length))"),
    Mutation("random_tail cuts from the front", CUTS, "return a_start, a_length", "return a_start + a_cut, a_length"),
    Mutation(
        "longest_first cuts the other segment on a tie",
        CUTS,
        "np.maximum(max_num_tokens // 2, max",
        "np.maximum(max_num_tokens - max_num_tokens // 2, max",
    ),
    Mutation(
        "longest_first cuts from the back only",
        CUTS,
        "return a_start + a_front, a_kept, b_start + b_front,",
        "return a_start, a_kept, b_start,",
    ),
    Mutation(
        "both segments are cut by the same coins",
        CUTS,
        "_count_heads(b_length - b_kept, coins_of_b)",
        "_count_heads(b_length - b_kept, coins_of_a)",
    ),
    Mutation("only 64 coins are tossed", CUTS, "more = left > 64", "more = left > 10**9"),
    Mutation(
        "row ids repeat over the passes",
        PAIRS,
        "((pass_index % (1 << PASS_BITS) << DOCUMENT_BITS) + documents)",
        "documents",
    ),
    Mutation(
        "every pass gives the same pairs", PAIRS, 'derive_key(seed, "pairs", pass_index)', 'derive_key(seed, "pairs")'
    ),
    Mutation(
        "pairs are out of order",
        PAIRS,
        'order = np.argsort(columns["row_id"])',
        'order = np.argsort(columns["a_length"])',
    ),
    Mutation(
        "the last [SEP] is missing",
        ROWS,
        "    input_ids[offsets[1:] - 1] = sep_token_id\n",
        "    input_ids[offsets[1:] - 1] = cls_token_id\n",
    ),
    Mutation(
        "the first [SEP] counts as B",
        ROWS,
        "token_type_ids[ranges(first_sep + 1, pairs.b_length + 1)] = 1",
        "token_type_ids[ranges(first_sep, pairs.b_length + 2)] = 1",
    ),
    Mutation(
        "the last [SEP] counts as A",
        ROWS,
        "token_type_ids[ranges(first_sep + 1, pairs.b_length + 1)] = 1",
        "token_type_ids[ranges(first_sep + 1, pairs.b_length)] = 1",
    ),
    Mutation(
        "B's tokens are A's",
        ROWS,
        "tokens[ranges(pairs.b_start, pairs.b_length)]",
        "tokens[ranges(pairs.a_start, pairs.b_length)]",
    ),
    Mutation(
        "the label's column is flipped",
        ROWS,
        "pairs.next_sentence_label.astype(np.uint8)",
        "(1 - pairs.next_sentence_label).astype(np.uint8)",
    ),
)
