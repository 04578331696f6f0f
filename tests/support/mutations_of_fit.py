"""Seeded bugs in how much of a task a corpus knows: what counts, of which text and split, and what is said."""

from mutations import Mutation

COVERAGE, INSPECTION, SOURCES = "recipe/report/coverage.py", "recipe/report/inspection.py", "recipe/corpus/sources.py"
TESTS = {file: ["tests/report/test_coverage.py"] for file in (COVERAGE, INSPECTION, SOURCES)}

MUTATIONS = (
    Mutation("the beginning of a longer word counts", COVERAGE, "nodes[~continues[ids[places]]]", "nodes"),
    Mutation(
        "a form reaches into the next sentence",
        COVERAGE,
        "        for source, group in groupby(documents, key=lambda document: file_of(document.source)):\n"
        "            sentences, size = list[str](), 0\n"
        "            for document in group:\n"
        "                sentences += document.sentences\n",
        "        for source, group in groupby(documents, key=lambda document: file_of(document.source)):\n"
        "            sentences, size = list[str](), 0\n"
        "            for document in group:\n"
        '                sentences += [" ".join(document.sentences)]\n',
    ),
    Mutation("[UNK] stands for any other word", COVERAGE, " if id_ != unknown)", ")"),
    Mutation("forms of several words are not found", COVERAGE, "goes_on = self._has", "goes_on = ~self._has"),
    Mutation(
        "common words count per 1,000 words", COVERAGE, "of_mentions[self._is_reliable].sum()", "of_mentions.sum()"
    ),
    Mutation(
        "a frequent mention weighs as much as a rare one",
        COVERAGE,
        "_shares(_numbers(self._mentions), of_mentions)",
        "_shares(np.ones(len(of_mentions)), of_mentions)",
    ),
    Mutation(
        "punctuation counts as words",
        COVERAGE,
        "np.array([any(map(str.isalnum, piece)) for piece in pieces]) & ~self.continues",
        "~self.continues",
    ),
    Mutation("at least twenty times means more than twenty", COVERAGE, "counts >= least", "counts > least"),
    Mutation(
        "the last sentences of a file are lost",
        COVERAGE,
        "                    sentences, size = [], 0\n            yield source, self.ids(sentences)\n",
        "                    sentences, size = [], 0\n",
    ),
    Mutation(
        "a table is one row too short", COVERAGE, "len(self._counts) > MOST_ROWS", "len(self._counts) >= MOST_ROWS"
    ),
    Mutation(
        "mentions that occur once are enough", COVERAGE, "mentions[-1] >= POOR_SHARE", "mentions[0] >= POOR_SHARE"
    ),
    Mutation("the line stays in the name of a file", SOURCES, "return known[1] if known", "return source if known"),
    Mutation("validation documents are counted", INSPECTION, '"train", recipe.seed', '"validation", recipe.seed'),
    Mutation("test decides", INSPECTION, "_task(name, data).train, shown", "_task(name, data).test, shown"),
    Mutation("the report is not told of a poor share", INSPECTION, 'found["warnings"].append(warning)', "pass"),
)
