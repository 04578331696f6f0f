"""The command `domain-bert finetune`: a model, a task and a protocol -> an experiment."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from recipe.config import TaskConfig
from recipe.errors import InputError
from recipe.files import read_json
from recipe.inputs.options import Parser
from recipe.inputs.regular_files import refuse_special_file
from recipe.run_folder.integrity import require_intact_folder
from recipe.tasks.catalog import NamedTask, read_named_task
from recipe.tasks.experiments.protocol import OPTIONS, load_protocol
from recipe.tasks.experiments.runs import System
from recipe.tasks.experiments.shards import take_shard
from recipe.tasks.finetuning.settings import DEFAULT_LENGTH

RANDOM = "random"
OUTPUT = Path("runs/tasks")


@dataclass(frozen=True)
class Plan:
    """All that an experiment needs, checked before torch is imported; `baselines` are those without a model."""

    named: NamedTask
    config: TaskConfig
    systems: list[System]
    baselines: list[str]


def finetune(
    model: str,
    task: str,
    data: Path | None,
    protocol: str,
    baseline: list[str],
    output: Path | None,
    shard: str | None,
    reuse_test: bool,
    use_cpu: bool,
    overrides: dict[str, str],
) -> None:
    """Run a protocol on a task; the arguments are the options of `domain-bert finetune`."""
    # First of all, since it changes the environment that torch will see.
    own_shard = take_shard(shard)
    folder = str(data) if data else None
    config = replace(load_protocol(protocol, overrides), name=task, data=folder, baselines=baseline)
    plan = make_plan(model, config)
    print(plan.named.task.summary(), flush=True)
    # torch is imported here, after all input was checked.
    from recipe.tasks.experiments.experiment import Experiment, run_experiment
    from recipe.tasks.experiments.results import write_table

    path = output or OUTPUT / slug(plan.named.entry.name) / slug(model)
    experiment = Experiment(plan.named, plan.config, path, own_shard, reuse_test, use_cpu)
    if run_experiment(experiment, plan.systems, plan.baselines) and own_shard.index == 0:
        print("\n" + write_table(path, plan.named.task_type) + f"\n{path / 'table.md'}", flush=True)


def make_plan(model: str, config: TaskConfig) -> Plan:
    """Read the task and check the models that are to be fine-tuned on it."""
    named, config, systems, baselines = open_task(config)
    folder = Path(model.removeprefix(f"{RANDOM}:"))
    # The shape of the model, so that pretraining is the only difference.
    at_random = System("random_initialisation", folder, False)
    first = at_random if model.startswith(f"{RANDOM}:") else System("pretrained", folder, True)
    systems = [first, *[at_random] * config.baselines.count(RANDOM), *systems]
    # Before anything is trained: the last baseline may come after hours.
    for system in systems:
        check_checkpoint(system, config.max_seq_length or DEFAULT_LENGTH)
    names = [system.name for system in systems]
    if len({*names}) < len(names):
        raise InputError(f"model and baselines ({', '.join(names)}) name a system twice; name each once")
    return Plan(named, config, systems, baselines)


def open_task(config: TaskConfig) -> tuple[NamedTask, TaskConfig, list[System], list[str]]:
    """The task of a protocol, the protocol with the length of the rows, and the baselines: checkpoints and others."""
    named = read_named_task(config.name or "", Path(config.data) if config.data else None)
    # Before anything else, so that a dictionary knows no more sentences than the model.
    named = named.cut(config.max_train_examples, config.max_test_examples)
    length = config.max_seq_length or named.entry.max_seq_length or DEFAULT_LENGTH
    systems, baselines = [], []
    for word in config.baselines:
        # "dictionary" stands for every baseline whose name begins with it.
        matches = [name for name in named.task_type.baselines if name.startswith(word)]
        if matches:
            baselines += matches
        elif Path(word).is_dir():
            systems.append(System(slug(word), Path(word), True))
        elif word != RANDOM:
            known = ", ".join([RANDOM, *named.task_type.baselines])
            raise InputError(f"baseline {word!r} is not known; it takes {known} or a checkpoint folder")
    return named, replace(config, max_seq_length=length), systems, baselines


def check_checkpoint(system: System, max_seq_length: int) -> None:
    """Refuse a folder that is not a checkpoint, or whose model is too short for the rows."""
    folder = system.checkpoint
    for path in sorted(folder.glob("*")):
        refuse_special_file(path, "name a checkpoint, such as RUN/model")
    require_intact_folder(folder)
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: is missing; name a checkpoint with its tokenizer, such as RUN/model")
    if system.pretrained and not [*folder.glob("*.safetensors"), *folder.glob("*.bin")]:
        raise InputError(f"{folder}: contains no weights; {RANDOM}:{folder} starts from random ones")
    try:
        positions = read_json(folder / "config.json").get("max_position_embeddings", max_seq_length)
    except (ValueError, AttributeError):
        raise InputError(f"{folder / 'config.json'}: is not a JSON object; name a checkpoint, as RUN/model") from None
    if positions < max_seq_length:
        raise InputError(f"max_seq_length is {max_seq_length}, but {folder} has {positions} positions; lower it")


def slug(path: str) -> str:
    """A folder's name for a path or random:PATH: its last part, or the last two where the last is "model"."""
    # Without the prefix its results would be in the folder of the pretrained model.
    if path.startswith(f"{RANDOM}:"):
        return f"{RANDOM}-{slug(path.removeprefix(f'{RANDOM}:'))}"
    parts = [part for part in re.split(r"[/:\\]+", path) if part not in ("", ".", "..")]
    # RUN/model is named after its run: "model" alone would be the name of every one.
    kept = parts[-2:] if parts[-1:] == ["model"] else parts[-1:]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(kept)) or "model"


def parse_arguments(arguments: list[str]) -> dict:
    """Options of `domain-bert finetune` -> arguments of `finetune`."""
    parser = Parser(prog="domain-bert finetune")
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="checkpoint; random:DIR: a random initialisation of its shape")
    add("--task", required=True, metavar="NAME", help="name in tasks.yaml, embedded:nero, your own folder, hub:...")
    add("--data", type=Path, metavar="DIR", help="folder of the task's files; default: data/tasks/NAME")
    text = "blurb (default; PubMedBERT's grid and 5 seeds), small (for models of some layers) or quick (one run)"
    add("--protocol", default="blurb", metavar="NAME", help=text)
    add(
        "--baseline",
        action="append",
        default=[],
        metavar="X",
        help="random, dictionary, majority, ... or a checkpoint",
    )
    add("--output", type=Path, metavar="DIR", help="folder of all results; default: runs/tasks/TASK/MODEL")
    add("--shard", metavar="I/N", help="do only shard I of N of the runs")
    add("--reuse_test", action="store_true", help="allow, and record, a test evaluation after another selection")
    add("--use_cpu", action="store_true", help="stay on the CPU even where there is a GPU")
    for name, option in OPTIONS.items():
        lists = " (numbers with commas between them)" if "list" in str(option.type) else ""
        text = f"{option.metadata['help']}{lists} [default: the protocol's]"
        add(f"--{name}", metavar="VALUE", help=text.replace("%", "%%"))
    values = parser.parse_strictly(arguments)
    overrides = {name: text for name in OPTIONS if (text := values.pop(name)) is not None}
    return {**values, "overrides": overrides}
