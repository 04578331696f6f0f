"""Seeded bugs in tasks of one's own: task.yaml, files, splits, labels, scores, what decontamination reads."""

from mutations import Mutation

YAML, ROWS, EXAMPLES, TYPES = (f"recipe/tasks/own/{name}.py" for name in ("task_yaml", "rows", "examples", "types"))
RECORDS, CATALOG = "recipe/tasks/data/records.py", "recipe/tasks/catalog.py"
SENTENCES = "recipe/corpus/cleaning/task_sentences.py"
_OWN = ["tests/tasks/test_own_task.py"]
TESTS = {
    **dict.fromkeys((YAML, ROWS, EXAMPLES, TYPES, RECORDS, CATALOG), _OWN),
    SENTENCES: ["tests/corpus/test_task_sentences.py"],
}

MUTATIONS = (
    Mutation("an unknown key is passed over", YAML, "        if name not in names:", "        if not name:"),
    Mutation("shares may leave nothing to train", YAML, "sum(shares.values()) > 0.5", "sum(shares.values()) > 5"),
    Mutation(
        "the metric is always the default",
        YAML,
        'f"{self.type}-{self.metric}"',
        'f"{self.type}-{METRICS[self.type][0]}"',
    ),
    Mutation(
        "a share is taken by place and not by text", ROWS, "sha256(text.encode())", "sha256(record.place.encode())"
    ),
    Mutation("the second share begins at 0 too", ROWS, "            place -= share\n", ""),
    Mutation("-1 is the last class", ROWS, "names[value] if 0 <= value < len(names) else None", "names[value]"),
    Mutation(
        "no label is a label of its own",
        ROWS,
        'if is_missing and role in ("label",',
        'if is_missing and role in ("none",',
    ),
    Mutation(
        "labels are learned from test",
        EXAMPLES,
        '_learned(own, splits["train"])',
        '_learned(own, splits["test"] + splits["train"])',
    ),
    Mutation("the name of a label is not taken", EXAMPLES, "    return labels[name]\n", "    return name\n"),
    Mutation(
        "the same split twice is taken",
        EXAMPLES,
        "if sorted(texts[one]) == sorted(texts[other]):",
        "if texts[one] is texts[other]:",
    ),
    Mutation("a 0 in a label's column is a 1", EXAMPLES, '"0": False', '"0": True'),
    Mutation("a new type of entity in test is taken", EXAMPLES, "if tag not in labels]", "if tag in ()]"),
    Mutation(
        "Spearman is Pearson",
        TYPES,
        "sums_of_pairs(ranks(gold) - middle, ranks(predicted) - middle)",
        "sums_of_pairs(gold, predicted)",
    ),
    Mutation(
        "a quote in a TSV swallows lines", RECORDS, 'plain if path.suffix == ".tsv" else in_quotes\n', "in_quotes\n"
    ),
    Mutation("a CSV has commas only", RECORDS, 'max(",;\\t", key=heading.count)', '","'),
    Mutation(
        "a row is named by its last line",
        RECORDS,
        'place, number = f"{path}, line {number + 1}"',
        'place, number = f"{path}, line {in_quotes.line_num}"',
    ),
    Mutation(
        "other data have the same key", CATALOG, "if own is None else _examples_of(task)", "if own is None else {}"
    ),
    Mutation(
        "texts of train are taken out of the corpus",
        SENTENCES,
        '"validation", "dev_set", "test"',
        '"validation", "train", "test"',
    ),
    Mutation(
        "only the first column of a table is read",
        SENTENCES,
        "for row in rows for cell in row if",
        "for row in rows for cell in row[:1] if",
    ),
    Mutation("the words of a list stay apart", SENTENCES, '            yield " ".join(value)\n', "            pass\n"),
    Mutation(
        "a share of train is not held out",
        SENTENCES,
        "    if is_share:\n",
        "    if not paths:\n".replace("not paths", "False"),
    ),
)
