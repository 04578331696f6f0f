"""Which of many runs a process takes: a shard of a job array, or of a rank of `accelerate launch`."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from recipe.errors import InputError

Item = TypeVar("Item")
_LAUNCHER = re.compile(
    r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)|(TORCHELASTIC|ACCELERATE|FSDP)_.*"
)


@dataclass(frozen=True)
class Shard:
    """Shard `index` (from 0) of `number`; `together`: the others run at the same time, so they can be waited for."""

    index: int = 0
    number: int = 1
    together: bool = False

    def of(self, items: Sequence[Item]) -> list[Item]:
        """This shard's items; all shards together take each item once."""
        return list(items[self.index :: self.number])


def take_shard(text: str | None) -> Shard:
    """The shard of `--shard I/N` (I from 1) or of this rank, which keeps one GPU; call it before importing torch."""
    defaults = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    rank, number, local = (int(os.environ.get(name, default)) for name, default in defaults.items())
    # Each run trains in one process: a Trainer that sees the launcher's variables would wait for the other ranks.
    for name in [name for name in os.environ if _LAUNCHER.fullmatch(name)]:
        del os.environ[name]
    if text is not None:
        match = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
        if number > 1 or match is None or int(match[1]) > int(match[2]):
            form = "I/N with I from 1 to N, such as 2/8, and no launcher of several ranks"
            raise InputError(f"--shard is {text!r}; it takes {form}")
        return Shard(int(match[1]) - 1, int(match[2]))
    # Otherwise every rank would train on the first GPU.
    if number > 1:
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[local] if local < len(devices) and devices[local] else str(local)
    return Shard(rank, number, together=number > 1)
