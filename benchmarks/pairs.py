"""The same text through three pair builders: the class of transformers 4.57, the original BERT script, and ours. Needs
Linux and a package index.

python benchmarks/pairs.py                                                           # made-up text of 25 MB
python benchmarks/pairs.py --corpus ../shared/data/biomedical/ei_fulltext.txt.gz     # real text, its first 25 MB
python benchmarks/pairs.py --skip-peers --pass --scale --kill 50                     # what only ours is asked

Writes benchmarks/results/pairs.md and pairs.json, and keeps venvs, texts and logs below --work.
"""

import argparse
from pathlib import Path

from pair_corpus import plain_text
from pair_inputs import empty, make_text, make_tokenizer, slug
from pair_kills import kill_builds
from pair_questions import new_pass, row_of, scale, tokens_of
from pair_results import machine, markdown, save
from pair_systems import original_bert, ours, transformers_4

SCALES = (120, 1200)


def main() -> None:
    """Run what the command line asks for and write the results."""
    arguments = _arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    text = make_text(arguments.corpus, arguments.megabytes, arguments.work)
    tokenizer = arguments.tokenizer or make_tokenizer(text, arguments.work)
    results = {
        "machine": machine(),
        "text_mb": text.stat().st_size / 1e6,
        "corpus": [path.name for path in arguments.corpus] or ["made up"],
    }
    results["systems"] = compare(text, tokenizer, arguments)
    if arguments.new_pass:
        results["new_pass"] = new_pass(arguments)
    if arguments.scale:
        results["scale"] = [scale(text, tokenizer, megabytes, arguments) for megabytes in SCALES]
    if arguments.kill:
        small = plain_text([text], arguments.work / "kill.txt", arguments.kill_megabytes)
        results["kills"] = kill_builds(small, tokenizer, empty(arguments.work / "kills"), arguments.kill)
    report = markdown(results)
    save(arguments.results_name, results, report)
    print(report)


def compare(text: Path, tokenizer: Path, arguments: argparse.Namespace) -> list[dict]:
    """One row per system; a peer that cannot run here gets its reason instead of figures."""
    peers = [transformers_4("fast", arguments.work), original_bert(arguments.work)]
    if arguments.slow_tokenizer:
        peers.insert(1, transformers_4("slow", arguments.work))
    systems = [*([] if arguments.skip_peers else peers), ours(1), ours(2)]
    rows = [row_of(system, text, tokenizer, arguments) for system in systems]
    tokens = tokens_of(arguments.work / slug("ours, num_proc 1") / "run")
    return [
        {**row, "per_million_tokens": row["cpu_seconds"] / tokens * 1e6} if "cpu_seconds" in row else row
        for row in rows
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus", type=Path, nargs="*", default=[], help="files of text (.txt, .txt.gz); none: made-up text"
    )
    parser.add_argument(
        "--megabytes", type=float, default=25, help="size of the text, or how much of --corpus is used"
    )
    parser.add_argument(
        "--tokenizer", type=Path, help="folder with tokenizer.json and vocab.txt; none: one is trained on the text"
    )
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=1, help="runs per system; the one of least CPU time counts")
    parser.add_argument(
        "--slow-tokenizer", action="store_true", help="also run the class of transformers with its slow tokenizer"
    )
    parser.add_argument("--skip-peers", action="store_true", help="run ours only")
    parser.add_argument(
        "--pass", dest="new_pass", action="store_true", help="time new passes from the store, and look for faults"
    )
    parser.add_argument("--pass-pairs", type=int, default=1_000_000, help="pairs that --pass looks at")
    parser.add_argument("--scale", action="store_true", help="run ours on 120 MB and 1.2 GB")
    parser.add_argument("--scale-num-proc", type=int, default=2)
    parser.add_argument("--kill", type=int, default=0, metavar="N", help="kill -9 a build N times")
    parser.add_argument("--kill-megabytes", type=float, default=4, help="size of the text of --kill")
    parser.add_argument(
        "--tiny-megabytes", type=float, default=2, help="size of the text that shows what the start of a program costs"
    )
    parser.add_argument(
        "--sentences-of-two",
        type=int,
        default=20_000,
        help="sentences of each of the two documents whose labels are checked",
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"), help="folder for venvs, texts and logs")
    parser.add_argument("--results-name", default="pairs", help="name of the files in benchmarks/results")
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    return arguments


if __name__ == "__main__":
    main()
