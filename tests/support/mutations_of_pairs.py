"""Seeded bugs in the pair builder: does a test catch each? Prints caught or MISSED and the test that failed first;
exit status 1 if one is missed.

python tests/mutations_of_pairs.py [WORD ...]    # only bugs whose description has one of the words
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAIRS, CUTS, ROWS = "recipe/pairs/sampling.py", "recipe/pairs/truncation.py", "recipe/pairs/builder.py"
TESTS = {
    PAIRS: ["tests/pairs/test_sampling.py", "tests/pairs/test_distribution.py", "tests/pairs/test_dataset.py"],
    CUTS: ["tests/pairs/test_sampling.py", "tests/pairs/test_distribution.py", "tests/pairs/test_dataset.py"],
    ROWS: ["tests/pairs/test_dataset.py"],
}


@dataclass(frozen=True)
class Mutation:
    """A bug: in `file`, the only occurrence of `old` becomes `new`."""

    bug: str
    file: str
    old: str
    new: str


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


def main(words: list[str]) -> int:
    """Number of bugs that no test catches."""
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.bug for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_project(Path(folder))
        for tests in {tuple(TESTS[mutation.file]) for mutation in chosen}:
            if failed := first_failure(copy, list(tests)):
                raise SystemExit(f"the tests fail without any bug: {failed}")
        found = [report(copy, mutation) for mutation in chosen]
    print(f"{sum(found)} of {len(chosen)} seeded bugs caught")
    return len(chosen) - sum(found)


def report(copy: Path, mutation: Mutation) -> bool:
    """Seed the bug, run the tests, undo it; prints and returns whether it was caught."""
    path = copy / mutation.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(mutated(sound, mutation), encoding="utf-8")
    failed = first_failure(copy, TESTS[mutation.file])
    path.write_text(sound, encoding="utf-8")
    print(f"{'caught' if failed else 'MISSED'}: {mutation.bug}{f' ({failed})' if failed else ''}", flush=True)
    return bool(failed)


def mutated(source: str, mutation: Mutation) -> str:
    """The source with the bug in it.

    Raises:
        ValueError: if the text to be replaced is not there exactly once: the code has changed, so the bug must be
            seeded anew.
    """
    if source.count(mutation.old) != 1:
        raise ValueError(
            f"{mutation.file}: {mutation.old!r} stands there {source.count(mutation.old)} times; seed {mutation.bug!r}"
            " anew"
        )
    return source.replace(mutation.old, mutation.new)


def copy_of_project(folder: Path) -> Path:
    """A copy of what the tests need, without caches."""
    for name in ("recipe", "tests", "scripts", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    used = subprocess.run(
        [sys.executable, "-c", "import recipe; print(recipe.__file__)"],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    if Path(used.stdout.strip()).resolve() != (folder / "recipe" / "__init__.py").resolve():
        raise SystemExit(f"the tests would import {used.stdout.strip()} instead of the copy in {folder}")
    return folder


def first_failure(copy: Path, tests: list[str]) -> str:
    """Name of the first test that fails, "" if all pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    ended = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True)
    if ended.returncode == 0:
        return ""
    named = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", ended.stdout, re.MULTILINE)
    if not named:
        raise SystemExit(f"pytest gave no result:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return named[1]


def _environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
