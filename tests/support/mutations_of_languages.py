"""Seeded bugs in sentences, vocabulary, token store and splits for texts of any language."""

from mutations import Mutation

SENTENCES, CHECK, SPLITTING = (f"recipe/corpus/{name}.py" for name in ("sentences", "sentence_check", "splitting"))
ACCENTS, WORDS, WORDPIECE = (f"recipe/tokenizer/{name}.py" for name in ("accents", "words", "wordpiece"))
STORE, ENCODING, PLAIN = (f"recipe/tokens/{name}.py" for name in ("store", "encoding", "plain_text"))
BALANCE, METRICS, BERT = "recipe/pairs/sampling.py", "recipe/pretraining/evaluation.py", "recipe/model/bert.py"
TESTS = {
    SENTENCES: ["tests/corpus/test_sentences.py"],
    CHECK: ["tests/corpus/test_sentence_check.py"],
    SPLITTING: ["tests/corpus/test_splitting.py"],
    ACCENTS: ["tests/tokenizer/test_accents.py"],
    WORDS: ["tests/tokenizer/test_words.py"],
    WORDPIECE: ["tests/tokenizer/test_wordpiece.py"],
    STORE: ["tests/tokens/test_store.py"],
    ENCODING: ["tests/tokens/test_encoding.py"],
    PLAIN: ["tests/tokens/test_encoding.py"],
    BALANCE: ["tests/pairs/test_sampling.py"],
    METRICS: ["tests/pretraining/test_metrics.py"],
    BERT: ["tests/pretraining/test_metrics.py"],
}

MUTATIONS = (
    Mutation(
        "the number of an item is a sentence",
        SENTENCES,
        "        return False\n    word = ",
        "        pass\n    word = ",
    ),
    Mutation(
        "only Latin capitals begin a sentence",
        SENTENCES,
        "first.isdigit() or (first.isalpha() and (",
        "first.isdigit() or (first.isascii() and (",
    ),
    Mutation("the danda is no full stop", SENTENCES, "\\u0964\\u0965", ""),
    Mutation(
        "。 ends nothing within a bracket of Japanese", SENTENCES, "if text[end - 1] in", "if text[end - 1] not in"
    ),
    Mutation("a German ordinal ends a sentence", SENTENCES, "return not is_ordinal and not", "return not"),
    Mutation(
        "a year of Russian ends no sentence",
        SENTENCES,
        "return bool(before) and _IS_NUMBER",
        "return not before and _IS_NUMBER",
    ),
    Mutation("a single Hindi letter is no initial", SENTENCES, "(len(letters) == 1 or", "(len(letters) == 0 or"),
    Mutation("pysbd always gets English", SENTENCES, "Segmenter(language=code", 'Segmenter(language="en"'),
    Mutation(
        "a language without full stops is split all the same",
        SENTENCES,
        "    if code in UNMARKED:\n",
        "    if code in ():\n",
    ),
    Mutation("long sentences are not said", CHECK, "if words > MOST_WORDS:", "if words > 100 * MOST_WORDS:"),
    Mutation("hard-wrapped text is not said", CHECK, "self._is_by_line and marked < LEAST_MARKED", "marked < 0"),
    Mutation(
        "one document is enough for validation", SPLITTING, "share if found[1] < share", "share if found[0] < share"
    ),
    Mutation("copies can be on both sides", SPLITTING, "if each > found[1]), 1.0)", "if each >= found[1]), 1.0)"),
    Mutation("accents of German go", ACCENTS, 'if corpus.language != "en":', 'if corpus.language == "xx":'),
    Mutation("Hangul does not count as hurt", ACCENTS, "marks = hangul + ", "marks = "),
    Mutation(
        "words end at combining marks",
        WORDS,
        "{_punctuation()}{_IDEOGRAPHS}]+",
        "\\u0300-\\u036f\\u0900-\\u0903\\u093e-\\u094d{_punctuation()}{_IDEOGRAPHS}]+",
    ),
    Mutation("long words stay", WORDS, '.sub(" ", text)', '.sub("\\\\g<0>", text)'),
    Mutation("ideographs have a ## form", WORDPIECE, "1 if _is_set_apart(character, normalizer) else 2", "2"),
    Mutation("characters may take half of the vocabulary only", WORDPIECE, "LEAST_PIECES = 0.1", "LEAST_PIECES = 0.5"),
    Mutation("a small vocabulary is not said", WORDPIECE, "SMALL_SHARE = 0.9", "SMALL_SHARE = 0"),
    Mutation("a store of [UNK] is written", STORE, "MOST_UNKNOWN = 0.5", "MOST_UNKNOWN = 1.0"),
    Mutation("a store without a token to mask is written", STORE, ' or counts["special_tokens"] == tokens', ""),
    Mutation("a special token of the user is text", PLAIN, 'token["special"] = token["content"] in special', "pass"),
    Mutation("[MASK] in a text is the special token", PLAIN, "tokenizer.encode_special_tokens = True", "pass"),
    Mutation(
        "labels are balanced on draws of their own",
        BALANCE,
        "keys = [_pass_key(seed, pass_index)",
        "keys = [_pass_key(seed + 1, pass_index)",
    ),
    Mutation("accuracy over one label is a number", METRICS, "if share in (0, 1):", "if share == 2:"),
    Mutation(
        "a loss over nothing is a number", BERT, "    if masked:\n", "    masked = max(masked, 1)\n    if masked:\n"
    ),
)
