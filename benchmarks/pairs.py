"""The same text through three pair builders: the class of transformers 4.57, the original BERT script, and ours. Needs
Linux and a package index.

Ours is measured twice: whole (read, clean, given tokenizer, tokens, pairs in one process), and the stages tokens and
pairs alone, after a corpus that was prepared before.

python benchmarks/pairs.py                                                           # made-up text of 25 MB
python benchmarks/pairs.py --corpus ../shared/data/biomedical/ei_fulltext.txt.gz     # real text, its first 25 MB
python benchmarks/pairs.py --skip-peers --pass --scale --kill 50                     # what only ours is asked

Writes pairs.md and pairs.json, and keeps venvs, texts and logs below --work.
"""

import argparse
from pathlib import Path

from pair_corpus import plain_text
from pair_inputs import empty, make_text, make_tokenizer
from pair_kills import kill_builds
from pair_questions import new_pass, row_of, run_of_ours, scale, tokens_of
from pair_report import markdown, with_ratios
from pair_systems import original_bert, ours_pairs_alone, ours_whole, transformers_4
from reporting import machine, program_parser, save

SCALES = (120.0, 1200.0)


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
    if arguments.scale is not None:
        sizes = arguments.scale or SCALES
        results["scale"] = [scale(text, tokenizer, megabytes, arguments) for megabytes in sizes]
    if arguments.kill:
        small = plain_text([text], arguments.work / "kill.txt", arguments.kill_megabytes)
        folder = empty(arguments.work / "kills")
        results["kills"] = kill_builds(small, tokenizer, folder, arguments.kill, arguments.kill_wait)
    report = markdown(results)
    save(arguments.results, arguments.results_name, results, report)
    print(report)


def compare(text: Path, tokenizer: Path, arguments: argparse.Namespace) -> list[dict]:
    """One row per system; a peer that cannot run here gets its reason instead of figures."""
    peers = [transformers_4("fast", arguments.work), original_bert(arguments.work)]
    if arguments.slow_tokenizer:
        peers.insert(1, transformers_4("slow", arguments.work))
    ours = [make(number) for make in (ours_whole, ours_pairs_alone) for number in arguments.num_proc]
    systems = [*([] if arguments.skip_peers else peers), *ours]
    rows = [row_of(system, text, tokenizer, arguments) for system in systems]
    return with_ratios(rows, tokens_of(run_of_ours(arguments)))


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
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
    parser.add_argument("--num-proc", type=int, nargs="+", default=[1, 2], help="processes of ours")
    parser.add_argument(
        "--pass", dest="new_pass", action="store_true", help="time new passes from the store, and look for faults"
    )
    parser.add_argument("--pass-pairs", type=int, default=1_000_000, help="pairs that --pass looks at")
    parser.add_argument(
        "--scale", type=float, nargs="*", metavar="MB", help="run ours on larger texts; no size: 120 MB and 1.2 GB"
    )
    parser.add_argument("--scale-num-proc", type=int, default=2)
    parser.add_argument("--kill", type=int, default=0, metavar="N", help="kill -9 a build N times")
    parser.add_argument("--kill-megabytes", type=float, default=4, help="size of the text of --kill")
    parser.add_argument(
        "--kill-wait", type=float, default=10, help="seconds after which no process of a killed build may be alive"
    )
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
    parser.add_argument("--results-name", default="pairs", help="name of the files in --results")
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    return arguments


if __name__ == "__main__":
    main()
