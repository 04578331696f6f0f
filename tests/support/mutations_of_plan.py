"""Seeded bugs in `domain-bert plan`: text, work, hours, memory, money and warnings."""

from mutations import Mutation

HARDWARE, TEXT, SAMPLE, PLAN, COMMAND = (
    f"recipe/planning/{name}.py" for name in ("hardware", "text", "sample", "plan", "command")
)
_PLAN_TESTS = ["tests/planning/test_plan.py"]
TESTS = {
    HARDWARE: ["tests/planning/test_hardware.py"],
    TEXT: _PLAN_TESTS,
    SAMPLE: ["tests/planning/test_sample.py"],
    PLAN: _PLAN_TESTS,
    COMMAND: _PLAN_TESTS,
}

MUTATIONS = (
    Mutation("hours do not depend on the utilisation", HARDWARE, "peak * utilisation * number", "peak * number"),
    Mutation("hours are minutes", HARDWARE, "number) / 3600", "number) / 60"),
    Mutation("the micro-batch takes all of the memory", HARDWARE, "USABLE_MEMORY * gpu.memory", "gpu.memory"),
    Mutation("the states take no memory", HARDWARE, "gpu.memory - state_bytes", "gpu.memory"),
    Mutation(
        "a micro-batch need not divide the batch", HARDWARE, "if global_batch_size % rows == 0), 0)", "if rows), 0)"
    ),
    Mutation("a utilisation of 0 is taken", HARDWARE, "not 0 < utilisation", "not 0 <= utilisation"),
    Mutation("an L40 is taken for an L4", HARDWARE, r'r"\bL4\b"', 'r"L4"'),
    Mutation("the special tokens of a row are forgotten", TEXT, "b_length + SPECIALS_PER_PAIR", "b_length"),
    Mutation("special tokens are masked too", TEXT, "len(text.lengths)) - SPECIALS_PER_PAIR", "len(text.lengths))"),
    Mutation("no limit of predictions", TEXT, "np.minimum(chosen, most or np.inf)", "chosen"),
    Mutation("pieces that never occur are not rare", TEXT, "[numbers] < RARE_PIECE", "[numbers] - 1 < RARE_PIECE"),
    Mutation("a part of a file counts as all of it", SAMPLE, "found, before, size", "found, 1.0, size"),
    Mutation(
        "files that are not read do not count", SAMPLE, "return rate * total_bytes,", "return rate * read_bytes,"
    ),
    Mutation("what unpacks a file reads far ahead", SAMPLE, "BYTES_AHEAD = 1 << 10", "BYTES_AHEAD = 1 << 20"),
    Mutation("validation documents are trained on", SAMPLE, 'if split == "train"', "if split"),
    Mutation("nothing is cleaned", SAMPLE, "in report.clean(split_documents(", "in iter(split_documents("),
    Mutation("half of a row of parquet is a row", SAMPLE, "raw_documents / rows", "raw_documents / 2 / rows"),
    Mutation("the range has no width", SAMPLE, "    doubt = LEAST_DOUBT\n", "    return rate * total_bytes, 0.0\n"),
    Mutation("stored passes count as text", PLAN, " / recipe.pairs.dupe_factor if exact", " if exact"),
    Mutation(
        "a store of other settings is used",
        PLAN,
        '            require_done(candidate, "tokens")\n',
        "            pass\n",
    ),
    Mutation("why the store is not used is not told", PLAN, '"was made with" in why', '"?" in why'),
    Mutation("the price of a user is ignored", PLAN, "prices.get(gpu.name, gpu.dollars)", "gpu.dollars"),
    Mutation("too many passes are fine", PLAN, "if passes > MOST_PASSES:", "if passes > 100 * MOST_PASSES:"),
    Mutation("part of the corpus is fine", PLAN, "    if passes < 1:", "    if passes < 0:"),
    Mutation("steps too small for a GPU get hours", PLAN, "tokens / number >= LEAST_TOKENS", "tokens >= 0"),
    Mutation("the speed of another model is taken", PLAN, 'recipe.settings("model", ', "recipe.settings("),
    Mutation("ranks are forgotten", PLAN, '(measured["ranks"] * gpu.flops)', "gpu.flops"),
    Mutation(
        "checkpoints are the weights alone",
        PLAN,
        "CHECKPOINT_BYTES, MODEL_BYTES = 12, 4",
        "CHECKPOINT_BYTES, MODEL_BYTES = 4, 4",
    ),
    Mutation(
        "a warning is not shown", COMMAND, 'for warning in plan["warnings"]', 'for warning in plan["warnings"][1:]'
    ),
    Mutation("--utilisation is not looked at", COMMAND, "    check_utilisation(utilisation)\n", ""),
)
