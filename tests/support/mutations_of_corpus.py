"""Seeded bugs in the readers and the cleaning."""

from mutations import Mutation

RECORDS, JSON, CSV = (f"recipe/corpus/readers/{name}.py" for name in ("records", "json_values", "csv_table"))
BLOCKS, BIOC = (f"recipe/corpus/readers/{name}.py" for name in ("text_blocks", "bioc"))
PUBMED, JATS = (f"recipe/corpus/readers/{name}.py" for name in ("pubmed", "jats"))
DOCUMENT, READING = "recipe/corpus/document.py", "recipe/corpus/reading.py"
BOILERPLATE, CHARACTERS, REPORT, LIMITS = (
    f"recipe/corpus/cleaning/{name}.py" for name in ("boilerplate", "characters", "report", "limits")
)
_RECORD_TESTS = ["tests/corpus/test_records.py"]
_CLEANING_TESTS = ["tests/corpus/test_boilerplate.py", "tests/corpus/test_cleaning_filters.py"]
TESTS = {
    **dict.fromkeys((RECORDS, JSON, CSV, DOCUMENT, READING), _RECORD_TESTS),
    BLOCKS: ["tests/corpus/test_corpus.py", *_RECORD_TESTS],
    BIOC: ["tests/corpus/test_bioc.py"],
    PUBMED: ["tests/corpus/test_pubmed.py"],
    JATS: ["tests/corpus/test_corpus.py"],
    **dict.fromkeys((BOILERPLATE, CHARACTERS, REPORT, LIMITS), _CLEANING_TESTS),
}

MUTATIONS = (
    Mutation("a record with null for its text is not counted", RECORDS, 'counts["null_texts"] += 1', "pass"),
    Mutation("an empty list is not counted", RECORDS, 'counts["empty_lists"] += 1', "pass"),
    Mutation("a null in a list is not counted", RECORDS, 'counts["nulls_in_lists"] += 1', "pass"),
    Mutation("a list of lists is split again", RECORDS, "            is_split = True\n", ""),
    Mutation(
        "a column whose own name has a dot does not come first",
        RECORDS,
        "for beginning in _beginnings(name):",
        "for beginning in reversed(list(_beginnings(name))):",
    ),
    Mutation(
        "a list of paragraphs stays as it is",
        DOCUMENT,
        "sum(numbers) > MOST_SENTENCES_PER_ELEMENT",
        "sum(numbers) < -MOST_SENTENCES_PER_ELEMENT",
    ),
    Mutation(
        "a list of sentences is split again",
        DOCUMENT,
        "MOST_SENTENCES_PER_ELEMENT = 1.25",
        "MOST_SENTENCES_PER_ELEMENT = 1",
    ),
    Mutation("a file without documents is not counted", READING, "    if not has_documents:\n", "    if False:\n"),
    Mutation(
        "the elements of an array have the line before", JSON, "        text.next()\n        line", "        line"
    ),
    Mutation(
        "what follows an array is ignored", JSON, "    if text.next():\n        raise", "    if False:\n        raise"
    ),
    Mutation("the rest of what was read is lost", JSON, "parts = [self._text[self._place :]]", "parts = []"),
    Mutation("a row with more fields is cut", CSV, "if len(row) != len(names):", "if len(row) < len(names):"),
    Mutation(
        "the lines of a row are not counted",
        CSV,
        'place, before = f"{source}:{start + before + 1}", rows.line_num',
        'place, before = f"{source}:{start + before + 1}", before + 1',
    ),
    Mutation(
        "a carriage return alone ends no line",
        BLOCKS,
        "yield with_plain_line_ends(text).removesuffix",
        "yield text.removesuffix",
    ),
    Mutation("a line end is cut in two", BLOCKS, 'rfind(b"\\r", 0, len(block) - 1)', 'rfind(b"\\r")'),
    Mutation("sentences of a passage are not read", BIOC, 'return " ".join(sentences), sentences', 'return "", []'),
    Mutation("sentences of a passage are split again", BIOC, "is_split = bool(sentences) and", "is_split = False and"),
    Mutation(
        "a wrapper around documents is refused",
        BIOC,
        "return inside[0] if len(inside) == 1",
        "return inside[0] if False",
    ),
    Mutation(
        "books are passed over",
        PUBMED,
        "enumerate(elements(source, *RECORDS))",
        'enumerate(elements(source, "PubmedArticle"))',
    ),
    Mutation(
        "a deleted book stays", PUBMED, '"DeleteCitation", "DeleteDocument"', '"DeleteCitation", "DeleteCitation"'
    ),
    Mutation("an abstract in another language is read", PUBMED, 'other.get("Language", "") in _ENGLISH and ', ""),
    Mutation("preformatted words are glued", JATS, " label break hr preformat", " label break hr"),
    Mutation("preformatted text is not read", JATS, '("p", "preformat", ', '("p", '),
    Mutation("boxes after the body are not read", JATS, '"./body", "./floats-group"', '"./body"'),
    Mutation("a zero-width space glues words", CHARACTERS, '(_ZERO_WIDTH_SPACE, " ")', '(_ZERO_WIDTH_SPACE, "")'),
    Mutation("a deleted part is not listed", REPORT, "for part in deleted:", "for part in deleted[1:]:"),
    Mutation("a long sentence goes unlisted", LIMITS, "tuple(deleted))", "())"),
    Mutation("a law counts as an owner", BOILERPLATE, "if _LAW_WORDS.search(said):", "if False:"),
    Mutation(
        "(c) and a year are enough",
        BOILERPLATE,
        'return bool(found["word"] or _OWNER_WORDS.search(said))',
        "return True",
    ),
    Mutation("a notice takes the rest of its line", BOILERPLATE, "_LEAST_SMALL_WORDS = 4", "_LEAST_SMALL_WORDS = 40"),
    Mutation("a notice ends before its licence", BOILERPLATE, "while end < len(sentence) and (", "while False and ("),
)
