"""Fine-tune a checkpoint on a task by a protocol: a grid chosen on devel, several seeds, one look at test. Writes
runs/tasks/TASK/MODEL.

python scripts/finetune.py --model runs/demo/model --task bc5-chem --protocol small
python scripts/finetune.py --model runs/demo/model --task bc5-chem --control random --control dictionary
--learning_rate 1e-4,2e-4 --seeds 1,2,3
accelerate launch --num_processes 8 scripts/finetune.py --model runs/demo/model --task bc5-chem --protocol blurb

The same command goes on where it was stopped. Of a job array, job I of N takes --part I/N; run part 1 again when all
are done.
"""

import argparse
from pathlib import Path

from recipe.cli import exit_with_one_line
from recipe.tasks.experiments.protocol import option_help


def main() -> None:
    """Read the command line and carry the protocol out."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR",
        help="checkpoint folder; random:DIR starts from random weights of its shape",
    )
    parser.add_argument(
        "--task",
        required=True,
        metavar="NAME",
        help="name in recipe/tasks/tasks.yaml, embedded:nero, or a folder of your own",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the task's files; default: data/tasks/NAME"
    )
    parser.add_argument(
        "--protocol",
        default="blurb",
        metavar="NAME",
        help="name in recipe/tasks/protocols.yaml: blurb (default), small, quick",
    )
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="X",
        help="beside it: random, dictionary, majority, shared_words, or a folder",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of all results; default: runs/tasks/TASK/MODEL"
    )
    parser.add_argument("--part", metavar="I/N", help="do only this share of the runs")
    parser.add_argument(
        "--another_look", action="store_true", help="allow, and record, another look at test after another selection"
    )
    parser.add_argument("--use_cpu", action="store_true", help="stay on the CPU even where there is a GPU")
    for name, text in option_help().items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=text.replace("%", "%%"))
    values = vars(parser.parse_args())
    overrides = {name: values[name] for name in option_help() if values[name] is not None}

    def carry_out() -> None:
        from recipe.tasks.experiments.command import finetune

        finetune(**{name: value for name, value in values.items() if name not in option_help()}, overrides=overrides)

    exit_with_one_line(carry_out)


if __name__ == "__main__":
    main()
