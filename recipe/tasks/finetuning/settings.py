"""The grid of a protocol -> the settings of single runs."""

from dataclasses import dataclass, fields
from itertools import product

from recipe.config import TaskConfig

DEFAULT_LENGTH = 128


@dataclass(frozen=True)
class RunSettings:
    """One point of the grid; `recipe.config.TaskConfig` says what the values mean."""

    learning_rate: float = 5e-5
    batch_size: int = 32
    num_train_epochs: float = 10
    patience: int | None = None
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_seq_length: int = DEFAULT_LENGTH

    @property
    def title(self) -> str:
        """What the grid varies, in words."""
        return f"learning rate {self.learning_rate:g}, batch {self.batch_size}"


def grid_of(config: TaskConfig, pretrained: bool) -> list[RunSettings]:
    """The points that are tried; a recipe's own grid mostly has one."""
    # A good rate for pretrained weights is often too low for a model that starts from nothing, so it has its own grid.
    rates = config.learning_rate if pretrained else config.random_learning_rate or config.learning_rate
    values = {field.name: getattr(config, field.name) for field in fields(RunSettings)}
    values["max_seq_length"] = config.max_seq_length or DEFAULT_LENGTH
    points = product(rates, config.batch_size)
    return [RunSettings(**{**values, "learning_rate": rate, "batch_size": size}) for rate, size in points]
