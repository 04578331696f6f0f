"""The words of scripts/finetune.py -> an experiment; everything that a user can get wrong is found before torch is
imported.
"""

import re
from pathlib import Path

from recipe.errors import InputError
from recipe.files import read_json
from recipe.tasks.catalog import NamedTask, read_named_task, task_table
from recipe.tasks.experiments.protocol import load_protocol
from recipe.tasks.experiments.runs import Contestant
from recipe.tasks.experiments.shards import take_share

RANDOM = "random"
OUTPUT = Path("runs/tasks")


def finetune(
    model: str,
    task: str,
    data: Path | None,
    protocol: str,
    control: list[str],
    output: Path | None,
    part: str | None,
    another_look: bool,
    use_cpu: bool,
    overrides: dict[str, str],
) -> None:
    """Carry out a protocol on a task; the arguments are the options of scripts/finetune.py.

    Raises:
        InputError: for anything that cannot work, before anything is written.
    """
    share, settings = take_share(part), load_protocol(protocol, length_of(task) | overrides)
    contestants, wanted = contestants_of(model, control)
    for contestant in contestants:
        check_checkpoint(contestant, settings.max_seq_length)
    named = read_named_task(task, data)
    controls = controls_of(named, wanted)
    print(named.task.summary(), flush=True)
    from recipe.tasks.experiments.experiment import Experiment, carry_out
    from recipe.tasks.experiments.results import write_table

    folder = output or OUTPUT / slug(named.entry.name) / slug(model)
    experiment = Experiment(named, settings, folder, share, another_look, use_cpu)
    if carry_out(experiment, contestants, controls) and share.index == 0:
        print("\n" + write_table(folder, named.kind) + f"\n{folder / 'table.md'}", flush=True)


def length_of(task: str) -> dict[str, str]:
    """The max_seq_length that the table names for a task whose texts are long, as a value of the command line; none
    for other tasks.
    """
    entry = task_table().get(task)
    return {"max_seq_length": str(entry.max_seq_length)} if entry and entry.max_seq_length else {}


def contestants_of(model: str, controls: list[str]) -> tuple[list[Contestant], list[str]]:
    """The contestants with a model, the judged one first, and the words that are no checkpoint."""
    folder = Path(model.removeprefix(f"{RANDOM}:"))
    contestants, others = [Contestant("model", folder, not model.startswith(f"{RANDOM}:"))], []
    for control in controls:
        if control == RANDOM:
            contestants.append(Contestant("random_weights", folder, False))
        elif Path(control).is_dir():
            contestants.append(Contestant(slug(control), Path(control), True))
        else:
            others.append(control)
    names = [contestant.name for contestant in contestants]
    if len(set(names)) < len(names):
        raise InputError(f"--control: {', '.join(controls)} name a contestant twice; name each once")
    return contestants, others


def controls_of(named: NamedTask, wanted: list[str]) -> list[str]:
    """The kind's controls that the words mean: "dictionary" stands for all whose name begins with it."""
    found = {word: [name for name in named.kind.controls if name.startswith(word)] for word in wanted}
    for word, names in found.items():
        if not names:
            raise InputError(
                f"--control is {word!r}; it takes {', '.join([RANDOM, *named.kind.controls])} or a checkpoint folder"
            )
    return [name for names in found.values() for name in names]


def check_checkpoint(contestant: Contestant, max_seq_length: int) -> None:
    """Refuse a folder that is no checkpoint, or whose model is too short for the rows.

    Raises:
        InputError: for a missing file or too few positions.
    """
    folder = contestant.checkpoint
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name}: is missing; name the folder of a checkpoint with its tokenizer, such as RUN/model"
            )
    if contestant.pretrained and not [*folder.glob("*.safetensors"), *folder.glob("*.bin")]:
        raise InputError(f"{folder}: holds no weights; {RANDOM}:{folder} starts from random ones")
    try:
        positions = read_json(folder / "config.json").get("max_position_embeddings", max_seq_length)
    except (ValueError, AttributeError):
        raise InputError(
            f"{folder / 'config.json'}: is no JSON object; name the folder of a checkpoint, such as RUN/model"
        ) from None
    if positions < max_seq_length:
        raise InputError(f"--max_seq_length is {max_seq_length}, but {folder} has {positions} positions; lower it")


def slug(path: str) -> str:
    """A folder's name for a path: its last part, or the last two where the last is "model"."""
    parts = [part for part in re.split(r"[/:\\]+", path) if part not in ("", ".", "..")]
    kept = parts[-2:] if parts[-1:] == ["model"] else parts[-1:]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(kept)) or "model"
