"""`domain-bert COMMAND ...`; scripts/*.py are the same commands by file name."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe import __version__
from recipe.arguments import end_other_ranks, exit_with_one_line, parse_options, parse_recipes, parse_run
from recipe.config import Recipe
from recipe.errors import InputError
from recipe.inputs.options import Parser
from recipe.pipeline import run_all, run_stage, write_results
from recipe.processes import check_launcher

AddOptions = Callable[[argparse.ArgumentParser], Any]
# Commands whose copies would write the same files if they did not know of each other.
_ONE_WORLD = ("run", "corpus", "tokenizer", "pairs", "pretrain", "evaluate")


@dataclass(frozen=True)
class Command:
    """One command.

    summary: what it does, in one line. examples: its arguments, one call a line.
    takes: "config" (CONFIG and all keys), "configs" (one or more), "run" (RUN and the keys of the card), or "options".
    call: takes the recipe or the run folder, if any, and the options by name.
    """

    summary: str
    examples: tuple[str, ...]
    takes: str
    call: Callable[..., None]
    add_options: AddOptions = lambda parser: None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command of a command line; bad input is one line and status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
    elif arguments[0] == "--version":
        print(f"domain-bert {__version__}")
    else:
        exit_with_one_line(lambda: _run(arguments[0], arguments[1:]))


def _run(name: str, arguments: Sequence[str]) -> None:
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else "`domain-bert --help` lists them"
        raise InputError(f"{name!r} is not a command; {hint}")
    check_launcher(name in _ONE_WORLD)
    # A checkpoint from elsewhere has no recipe, so its options are another parser's.
    if name == "finetune" and any(argument.split("=")[0] == "--model" for argument in arguments):
        # Who asks for help need not name a model.
        return _finetune(["--help"] if "--help" in arguments else arguments)
    command = COMMANDS[name]
    lines = [f"{command.summary}\n", *(f"domain-bert {name} {example}" for example in command.examples)]
    prog, formatter = f"domain-bert {name}", argparse.RawDescriptionHelpFormatter
    # A hundred keys would hide what the command is about.
    places = {"config": "CONFIG", "configs": "CONFIG ..."}
    usage = f"{prog} {places[command.takes]} [options] [--section.key VALUE ...]" if command.takes in places else None
    parser = Parser(prog=prog, usage=usage, description="\n".join(lines), formatter_class=formatter)
    command.add_options(parser)
    if command.takes == "config":
        (recipe,), options = parse_recipes(parser, arguments)
        command.call(recipe, **options)
    elif command.takes == "configs":
        recipes, options = parse_recipes(parser, arguments, several=True)
        command.call(recipes, **options)
    elif command.takes == "run":
        run, options = parse_run(parser, arguments)
        command.call(run, **options)
    else:
        command.call(**parse_options(parser, arguments))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Pretrain a BERT from scratch on your own domain text, evaluate it, publish it.",
            "",
            "usage: domain-bert COMMAND ...",
            "",
            *lines,
            "",
            "`domain-bert COMMAND --help` shows what a command takes. To begin: domain-bert run demo",
        ]
    )


def _stages(*names: str) -> Callable[[Recipe], None]:
    def call(recipe: Recipe) -> None:
        for name in names:
            run_stage(recipe, name)
        # Only pretraining runs in many processes; see end_other_ranks.
        if names == ("pretrain",):
            end_other_ranks()

    return call


def _run_recipes(recipes: list[Recipe], until: str | None) -> None:
    for recipe in recipes:
        run_all(recipe, until)


# The imports of the commands stand in their functions, so that `domain-bert --help` does not wait for torch.
def _init(file: Path, **options: Any) -> None:
    from recipe.configs.starter import write_starter

    print(write_starter(file, **options))


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the recipe goes, such as my-bert.yaml")
    parser.add_argument("--corpus", required=True, metavar="PATH", help="files, folder, URL or hub:NAME/DATA of text")
    parser.add_argument(
        "--size", choices=("tiny", "small", "base"), default="small", help="2x128, 4x256 or 12x768; default: small"
    )
    parser.add_argument("--domain", default="my domain", metavar="WORDS", help="what the text is about")


def _plan(recipe: Recipe, utilisation: float | None, price: list[str], json: bool) -> None:
    from recipe.planning.command import plan

    print(plan(recipe, utilisation, price, json))


def _add_plan(parser: argparse.ArgumentParser) -> None:
    from recipe.planning.command import add_options

    add_options(parser)


def _finetune(arguments: Sequence[str]) -> None:
    from recipe.tasks.experiments.command import finetune, parse_arguments

    finetune(**parse_arguments(list(arguments)))


def _predict(model: Path, file: str, html: bool, use_cpu: bool) -> None:
    from recipe.tasks.prediction.command import predict_file

    predict_file(model, file, html, use_cpu, sys.stdout)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a fine-tuned model")
    parser.add_argument(
        "file", metavar="FILE", help="text (of labels: a text a line), PubMed XML; - for standard input"
    )
    parser.add_argument("--html", action="store_true", help="a page with highlights instead of JSON lines")
    parser.add_argument("--use_cpu", action="store_true", help="stay on the CPU even where there is a GPU")


def _export(model: Path, output: Path, text: str | None) -> None:
    from recipe.tasks.prediction.export import export

    print(export(model, output, text))


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a fine-tuned model")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="new folder for model.onnx")
    parser.add_argument("--text", metavar="FILE", help="text to compare ONNX and torch on; default: random pieces")


def _compare(first: str, second: str, samples: int, seed: int) -> None:
    from recipe.tasks.experiments.comparison import compare

    a, b = ([Path(folder) for folder in text.split(",")] for text in (first, second))
    print(compare(a, b, samples, seed).line())


def _add_compare(parser: argparse.ArgumentParser) -> None:
    text = "folder of a system, with result.json and predictions/; of several pretraining seeds A1,A2"
    parser.add_argument("first", metavar="A", help=text)
    parser.add_argument("second", metavar="B", help="another one on the same task, likewise")
    parser.add_argument("--samples", type=int, default=10_000, help="samples that are drawn; default: 10,000")
    parser.add_argument("--seed", type=int, default=1, help="where the draws start; default: 1")


def _blurb(folder: Path) -> None:
    from recipe.tasks.experiments.blurb import blurb_table, read_systems

    print(blurb_table(read_systems(folder)), end="")


def _report(run: Path, others: list[Path], output: Path) -> None:
    if not others:
        write_results(run)
        return
    from recipe.report.comparison import write_comparison

    write_comparison([*others, run], output)
    print(f"report: {output}")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "others", type=Path, nargs="*", metavar="RUN", help="more run folders: a page that compares all"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("comparison.html"), help="that page; default: comparison.html"
    )


def _push(run: Path, repo: str | None, public: bool, what: str, dry_run: bool) -> None:
    from recipe.publishing.push import push_run

    print(push_run(run, repo, public, what, dry_run))


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", metavar="NAME/MODEL", help="repository; default: hub.repo of the run's recipe")
    parser.add_argument("--public", action="store_true", help="make a new repository public; default: private")
    others = parser.add_mutually_exclusive_group()
    for what, text in (
        ("checkpoints", "the model, and each kept checkpoint as a branch step-N"),
        ("dataset", "the next-sentence pairs instead of the model"),
        ("task", "the fine-tuned model of the recipe's task instead of the model"),
    ):
        others.add_argument(f"--{what}", dest="what", action="store_const", const=what, default="model", help=text)
    parser.add_argument("--dry-run", action="store_true", help="only list the files and their sizes; needs no login")


def _status(run: Path) -> None:
    from recipe.maintenance.status import status_of

    print(status_of(run))


def _verify(path: Path) -> None:
    from recipe.maintenance.verify import verify

    verify(path)


def _clean(run: Path, yes: bool) -> None:
    from recipe.maintenance.clean import clean

    clean(run, yes)


def _add_clean(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, such as runs/demo")
    parser.add_argument("--yes", action="store_true", help="remove what is listed; default: only list it")


def _inspect(**options: Any) -> None:
    from recipe.report.inspection import inspect_from_command_line

    inspect_from_command_line(**options)


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tokenizer", metavar="FOLDER", help="folder with tokenizer.json")
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE", help="texts, as corpus.path takes them")
    parser.add_argument("--task", nargs="+", default=[], metavar="NAME", help="tasks, as task.name takes them")
    parser.add_argument("--beside", nargs="+", default=[], metavar="FOLDER", help="folders of other tokenizers")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where fertility.md, .png and .json go")


def _get_task(task: str, output: Path | None, base_url: str | None) -> None:
    import os

    from recipe.tasks.catalog import DATA
    from recipe.tasks.fetch import fetch_task

    print(fetch_task(task, output or DATA / task, base_url or os.environ.get("TASKS_BASE_URL")))


def _add_get_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="NAME", help="bc5-chem, bc5-disease, ncbi-disease, bc2gm, jnlpba, gad, ...")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the files; default: data/tasks/NAME")
    parser.add_argument("--base_url", metavar="URL", help="address of a mirror; default: TASKS_BASE_URL")


def _cluster(recipe: Recipe, **options: Any) -> None:
    from recipe.cluster.launch import launch

    launch(recipe, **options)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    from recipe.cluster.launch import add_options

    add_options(parser)


COMMANDS = {
    "init": Command(
        "Write a commented starter recipe for your corpus.",
        ("my-bert.yaml --corpus texts/", "my-bert.yaml --corpus 'pubmed/*.xml.gz' --size base --domain PubMed"),
        "options",
        _init,
        _add_init,
    ),
    "plan": Command(
        "Show how long training takes, on which GPUs, with how much memory, disk and money. Writes nothing.",
        ("demo", "my-bert.yaml --utilisation 0.4 --price H100=2.50", "my-bert.yaml --json"),
        "config",
        _plan,
        _add_plan,
    ),
    "run": Command(
        "Run all stages of a recipe, from text to report; finished ones are skipped.",
        ("demo", "my-bert.yaml --training.max_steps 20000", "phase-128.yaml phase-512.yaml"),
        "configs",
        _run_recipes,
        lambda parser: parser.add_argument("--until", metavar="STAGE", help="last stage that is run, such as pairs"),
    ),
    "corpus": Command(
        "Read, split and clean the corpus. Writes RUN/corpus.",
        ("demo", "my-bert.yaml --corpus.min_document_words 40"),
        "config",
        _stages("corpus"),
    ),
    "tokenizer": Command(
        "Train the WordPiece tokenizer. Writes RUN/tokenizer.", ("demo",), "config", _stages("tokenizer")
    ),
    "pairs": Command(
        "Tokenise the corpus and write next-sentence pairs. Writes RUN/store and RUN/pairs.",
        ("demo",),
        "config",
        _stages("tokens", "pairs"),
    ),
    "pretrain": Command(
        "Pretrain the BERT; the same command resumes. Writes RUN/model.", ("demo",), "config", _stages("pretrain")
    ),
    "evaluate": Command(
        "Score the model on the validation pairs. Writes RUN/evaluation.json.",
        ("demo",),
        "config",
        _stages("evaluate"),
    ),
    "finetune": Command(
        "Fine-tune and evaluate on a task: a recipe's, or any checkpoint by --model. Writes RUN/task or runs/tasks.",
        (
            *("demo", "demo --task.name bc5-chem", "--model runs/demo/model --task bc5-chem --protocol small"),
            "--model DIR --help    (what the form with --model takes)",
        ),
        "config",
        _stages("task"),
    ),
    "predict": Command(
        "Find entities in text or PubMed XML, or label lines of text. Writes JSON lines, or HTML, to standard output.",
        ("runs/demo/task/pretrained/model abstracts.txt",),
        "options",
        _predict,
        _add_predict,
    ),
    "export": Command(
        "Write a fine-tuned model as ONNX, which `predict` reads too; needs the extra [onnx].",
        ("runs/demo/task/pretrained/model --output runs/demo-onnx --text abstracts.txt",),
        "options",
        _export,
        _add_export,
    ),
    "compare": Command(
        "Compare two results on one task: difference and 95 % interval of a paired bootstrap.",
        (
            "runs/tasks/bc5-chem/my-bert/pretrained runs/tasks/bc5-chem/my-bert/random_initialisation",
            "a-1/task/pretrained,a-2/task/pretrained b-1/task/pretrained,b-2/task/pretrained",
        ),
        "options",
        _compare,
        _add_compare,
    ),
    "blurb": Command(
        "Print the BLURB score of finished experiments, or what is missing for it.",
        ("runs/tasks",),
        "options",
        _blurb,
        lambda parser: parser.add_argument("folder", type=Path, metavar="FOLDER", help="FOLDER/TASK/MODEL/SYSTEM"),
    ),
    "report": Command(
        "Write RUN/report.html, its plots and the model card from what was recorded; of several runs, one page.",
        ("runs/demo", "runs/demo --hub.domain 'biomedical articles'", "runs/a runs/b runs/c --output comparison.html"),
        "run",
        _report,
        _add_report,
    ),
    "push": Command(
        "Upload a run's model, pairs or task model to the Hub, private unless --public; log in by `hf auth login`.",
        ("runs/demo --repo NAME/MODEL", "runs/demo --repo NAME/DATA --dataset", "runs/demo --dry-run"),
        "run",
        _push,
        _add_push,
    ),
    "status": Command(
        "Show where a run stands: stage, step, losses, speed, time left, last fault, disk.",
        ("runs/demo",),
        "run",
        _status,
    ),
    "verify": Command(
        "Compare a run, or a folder in it, with the recorded sha256; exit status 1 if something is damaged.",
        ("runs/demo", "runs/demo/model"),
        "options",
        _verify,
        lambda parser: parser.add_argument(
            "path", type=Path, metavar="PATH", help="run, store, model, checkpoint, ..."
        ),
    ),
    "clean": Command(
        "List what a run no longer needs, such as checkpoints of other settings; --yes removes it.",
        ("runs/demo", "runs/demo --yes"),
        "options",
        _clean,
        _add_clean,
    ),
    "inspect-tokenizer": Command(
        "Show how a tokenizer cuts words, next to other tokenizers, and how much of a task some texts know.",
        (
            "runs/demo/tokenizer --text my_texts/ --beside path/to/bert-base-uncased",
            "runs/demo/tokenizer --text texts/*.txt --task bc5-chem",
        ),
        "options",
        _inspect,
        _add_inspect,
    ),
    "get-task": Command(
        "Download a task's files at a pinned commit and check them. Writes data/tasks/NAME.",
        ("bc5-chem",),
        "options",
        _get_task,
        _add_get_task,
    ),
    "cluster": Command(
        "Prepare a large corpus by many tasks, byte for byte as on one machine; see docs/cluster.md.",
        (
            "pubmed-base-128 --executor local --tasks 16 --workers 8",
            "pubmed-base-128 --executor slurm --tasks 200 --partition cpu --time 4:00:00",
        ),
        "config",
        _cluster,
        _add_cluster,
    ),
}
