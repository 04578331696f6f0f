"""Seeded bugs in what goes to the Hub: what is sent, what is searched, who sees it, and what a failure leaves."""

from mutations import Mutation

UPLOAD, CONTENTS, MODEL, PAIRS, TASK, RESULTS, PUSH, DISCLOSURE = (
    f"recipe/publishing/{name}.py"
    for name in ("upload", "contents", "model", "pairs", "task", "results", "push", "disclosure")
)
_WHOLE = ["tests/publishing/test_whole_push.py"]
TESTS = {
    PUSH: ["tests/publishing/test_push.py", *_WHOLE],
    UPLOAD: ["tests/publishing/test_failures.py", "tests/publishing/test_push.py"],
    **dict.fromkeys((CONTENTS, MODEL, PAIRS, TASK, RESULTS, DISCLOSURE), _WHOLE),
}

MUTATIONS = (
    Mutation("public before all is there", UPLOAD, "private=True, exist_ok", "private=wanted.private, exist_ok"),
    Mutation("it waits for ever", UPLOAD, "        made.timeout = TIMEOUT\n", ""),
    Mutation("addresses of blobs are printed", UPLOAD, '"thrown while requesting" not in', '"nowhere" not in'),
    Mutation("an odd answer is a traceback", UPLOAD, "RuntimeError, LookupError,", "RuntimeError,"),
    Mutation("a branch begins with the final model", UPLOAD, "commits[-1].commit_id", "commits[0].commit_id"),
    Mutation("the history of others becomes public", UPLOAD, "            if is_ours:\n", "            if commits:\n"),
    Mutation("a public repository gets private files", UPLOAD, "if wanted.private and not is_private", "if False"),
    Mutation(
        "the state of the optimizer is sent", CONTENTS, '    "config.json",\n', '    "config.json", "optimizer.pt",\n'
    ),
    Mutation(
        "a damaged checkpoint is sent",
        MODEL,
        "if damage := damage_of(path):",
        "if damage := damage_of(path) and False:",
    ),
    Mutation("a damaged model is sent", MODEL, "    require_intact(run)\n", ""),
    Mutation("validation passes for all pairs", PAIRS, "if recipe.pairs.refresh_every_epoch:", "if recipe is None:"),
    Mutation("a damaged vocabulary is sent", PAIRS, '(run, "tokenizer", "pairs")', '(run, "pairs")'),
    Mutation("each split has all rows", PAIRS, 'f"data/{split}-*.arrow"', '"data/*.arrow"'),
    Mutation("a damaged task model is sent", TASK, '(run, "pretrain", "task")', '(run, "pretrain")'),
    Mutation("the labels are not told", TASK, "        labels=labels,\n", "        labels=[],\n"),
    Mutation("settings are told with their paths", RESULTS, '_TOLD = ("version",', '_TOLD = ("settings", "version",'),
    Mutation("the subset of a benchmark is lost", RESULTS, 'found[2] or "default"', '"default"'),
    Mutation(
        "branches are not searched", PUSH, "for sent in wanted.all_files():", "for sent in wanted.files.values():"
    ),
    Mutation("the message of a commit tells a path", PUSH, "pretrained on {told", "pretrained on {recipe"),
    Mutation("the base model is not told", PUSH, "base=recorded.hub.repo", "base=None"),
    Mutation("columns of Arrow are not read", DISCLOSURE, "for text in _arrow_texts(data))", "for text in ())"),
)
