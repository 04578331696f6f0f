"""How a model is fine-tuned and judged: a grid of settings, chosen on devel, then several seeds. Protocols are data:
protocols.yaml and the command line.
"""

from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from recipe.config import TaskConfig, check_ranges, key
from recipe.config_file import yaml_value
from recipe.errors import InputError

PROTOCOLS = Path(__file__).with_name("protocols.yaml")


@dataclass(frozen=True)
class Protocol:
    """Settings that are tried, and how. With one point in the grid there is nothing to choose, and only the seeds are
    run.
    """

    learning_rate: list[float] = key([5e-5], "Peak learning rates that are tried.", low=0, high=10)
    random_learning_rate: list[float] = key(
        [1e-3], "The same for a model with random weights, which wants larger ones.", low=0, high=10
    )
    batch_size: list[int] = key([32], "Rows per step that are tried.", low=1)
    selection_seeds: int = key(
        1, "How many of the seeds are run at each point of the grid; their mean on devel chooses.", low=1
    )
    seeds: list[int] = key(
        [1, 2, 3, 4, 5], "Seeds that are run at the chosen point; test is the mean over them.", low=0
    )
    num_train_epochs: float = key(10, "Most passes over the training rows.", low=0.01, high=1000)
    patience: int | None = key(None, "Stop after so many epochs without a better devel score; null: never.", low=1)
    warmup_share: float = key(0.1, "Share of the steps over which the learning rate rises.", low=0, high=1)
    weight_decay: float = key(0.01, "Weight decay.", low=0, high=1)
    max_seq_length: int = key(128, "Most tokens of a row.", low=8, high=65536)

    def __post_init__(self) -> None:
        check_ranges(self, "--")
        for name in ("learning_rate", "random_learning_rate", "batch_size", "seeds"):
            values = getattr(self, name)
            limits = next(entry for entry in fields(self) if entry.name == name).metadata
            if not values or len(set(values)) < len(values) or any(value < limits["low"] for value in values):
                raise InputError(
                    f"--{name} is {values}; it takes one or more different numbers from {limits['low']} up, such as"
                    " 1e-5,3e-5"
                )

    def grid(self, pretrained: bool) -> list[TaskConfig]:
        """The points that are tried, without their seeds."""
        rates = self.learning_rate if pretrained else self.random_learning_rate
        shared = {
            name: getattr(self, name)
            for name in ("num_train_epochs", "patience", "warmup_share", "weight_decay", "max_seq_length")
        }
        return [
            TaskConfig(learning_rate=rate, batch_size=size, **shared) for rate, size in product(rates, self.batch_size)
        ]


def load_protocol(name: str, overrides: dict[str, str]) -> Protocol:
    """A protocol of protocols.yaml with values of the command line over it.

    Raises:
        InputError: for an unknown protocol, or a value of the wrong kind or out of range.
    """
    table = yaml.safe_load(PROTOCOLS.read_text(encoding="utf-8"))
    if name not in table:
        raise InputError(f"--protocol is {name!r}; it takes one of {', '.join(table)}")
    texts = {place: "null" if value is None else str(value) for place, value in table[name].items()} | overrides
    types = {field.name: field.type for field in fields(Protocol)}
    return Protocol(**{place: _value(text, types[place], f"--{place}") for place, text in texts.items()})


def option_help() -> dict[str, str]:
    """What each value means, by its name, for a command line."""
    return {
        field.name: (
            f"{field.metadata['help']} (numbers with commas between them)"
            if _is_list(field.type)
            else field.metadata["help"]
        )
        for field in fields(Protocol)
    }


def _is_list(wanted: Any) -> bool:
    return str(wanted).startswith("list")


def _value(text: str, wanted: Any, place: str) -> Any:
    is_list = _is_list(wanted)
    value = yaml_value(f"[{text.strip('[]')}]" if is_list else text, place)
    numbers = value if is_list else [value]
    whole = "int" in str(wanted)
    for number in numbers:
        is_number = (
            isinstance(number, (int, float)) and not isinstance(number, bool) and (not whole or number == int(number))
        )
        if not is_number and not (number is None and "None" in str(wanted)):
            raise InputError(
                f"{place} is {text!r}; it takes"
                f" {'whole ' if whole else ''}numbers{', with commas between them' if is_list else ''}"
            )
    converted = [number if number is None else int(number) if whole else float(number) for number in numbers]
    return converted if is_list else converted[0]
