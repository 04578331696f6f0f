"""Seeded bugs in what a task's files, texts and scores are taken for; run as tests/support/mutations_of_pairs.py."""

from mutations import Mutation

ENTITIES, SCORES = "recipe/tasks/data/entities.py", "recipe/tasks/types/scores.py"
ANSWERS, NUMBERED = "recipe/tasks/data/answers.py", "recipe/tasks/data/numbered.py"
RESULTS, BLURB = "recipe/tasks/experiments/results.py", "recipe/tasks/experiments/blurb.py"
PLAIN, TEXTS = "recipe/tokens/plain_text.py", "recipe/tasks/prediction/texts.py"
TRAINING, DOCUMENTS = "recipe/tasks/finetuning/training.py", "recipe/tasks/types/documents.py"
CARD, COLUMNS = "recipe/report/model_card.py", "recipe/tasks/data/columns.py"
SUPPORT = ["tests/tasks/test_no_support.py"]
TESTS = {
    **dict.fromkeys((ENTITIES, SCORES, ANSWERS, RESULTS, BLURB, TRAINING, CARD), SUPPORT),
    NUMBERED: ["tests/tasks/test_numbered.py"],
    PLAIN: ["tests/tasks/test_text_route.py"],
    TEXTS: ["tests/tasks/test_texts.py"],
    DOCUMENTS: ["tests/tasks/test_documents.py"],
    COLUMNS: ["tests/tasks/test_columns.py"],
}

MUTATIONS = (
    Mutation(
        "F1 without gold entities is 0",
        ENTITIES,
        '"f1": 2 * right / (gold + predicted) if gold else None',
        '"f1": 2 * right / max(gold + predicted, 1)',
    ),
    Mutation(
        "precision without predictions is 0",
        ENTITIES,
        "right / predicted if gold and predicted else None",
        "right / max(predicted, 1)",
    ),
    Mutation(
        "constant numbers correlate by 0", SCORES, "if scale > smallest else None", "if scale > smallest else 0.0"
    ),
    Mutation(
        "a draw without gold has an F1 of 0",
        SCORES,
        "np.maximum(gold + predicted, 1), np.nan)",
        "np.maximum(gold + predicted, 1), 0)",
    ),
    Mutation("no score stands above the worst", SCORES, "-math.inf if score is None", "0.0 if score is None"),
    Mutation("a split of one answer is taken", ANSWERS, "if len(found) < 2:", "if len(found) < 1:"),
    Mutation("the mean leaves out seeds without a score", RESULTS, "if len(values) < len(found):", "if not values:"),
    Mutation(
        "the BLURB score leaves out tasks without a score",
        BLURB,
        "if not scores or any(task_table()[task].type == task_type for task in system.reasons):",
        "if not scores:",
    ),
    Mutation("the first epoch is not kept without a score", TRAINING, "if not self.weights or rank_of", "if rank_of"),
    Mutation("a metric without support is published", CARD, "if value is not None", "if value is not False"),
    Mutation(
        "a column that repeats is a word", NUMBERED, "if all(len({*column}) == 1 for", "if all(len({*column}) == 0 for"
    ),
    Mutation(
        "only numbers that count by one are found", NUMBERED, "before[1] < after[1]", "before[1] + 1 == after[1]"
    ),
    Mutation(
        "[MASK] in a text is a special token", PLAIN, "encode_special_tokens = True", "encode_special_tokens = False"
    ),
    Mutation("[ANON] is text", PLAIN, 'token["content"] in special', "True"),
    Mutation("[MASK] in one piece keeps its id", PLAIN, "if self._forbidden.isdisjoint(ids):", "if True:"),
    Mutation("a byte-order mark does not count", TEXTS, "decoded[1:], 1", "decoded[1:], 0"),
    Mutation("input without a text is taken", TEXTS, "if first is None:", "if first is None and not head:"),
    Mutation("JATS is read as PubMed", TEXTS, "if root in PUBMED_ROOTS else", "if root else"),
    Mutation("numbers in another order are taken", DOCUMENTS, "if len(ones) != len(labels) or {*ones}", "if {*ones}"),
    Mutation(
        "repairs have the places of words, not lines",
        COLUMNS,
        "[block.lines[place] for place in repaired]",
        "repaired",
    ),
)
