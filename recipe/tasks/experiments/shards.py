"""Which of many runs a process takes: a part of a job array, or a rank of `accelerate launch`."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from recipe.errors import InputError

Item = TypeVar("Item")
# What launchers leave behind; each run trains in one process, so a Trainer must not see it.
_LAUNCHER = re.compile(
    r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)|(TORCHELASTIC|ACCELERATE|FSDP)_.*"
)


@dataclass(frozen=True)
class Share:
    """Part `index` (from 0) of `number`; `together`: the other parts run at the same time, so they can be waited for."""

    index: int = 0
    number: int = 1
    together: bool = False

    def of(self, items: Sequence[Item]) -> list[Item]:
        """This part's items; all parts together take each once."""
        return list(items[self.index :: self.number])


def take_share(part: str | None) -> Share:
    """The share of `--part I/N` (I from 1), or of this process under a launcher, whose marks are taken out of the
    environment.

    A rank of a launcher keeps one GPU. To be called before torch is imported.

    Raises:
        InputError: for a part that is not of the form I/N with I from 1 to N.
    """
    rank, number, local = (
        int(os.environ.get(name, default))
        for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    for name in [name for name in os.environ if _LAUNCHER.fullmatch(name)]:
        del os.environ[name]
    if part is not None:
        match = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", part)
        if number > 1 or match is None or int(match[1]) > int(match[2]):
            raise InputError(
                f"--part is {part!r}; it takes I/N with I from 1 to N, such as 2/8, and no launcher that starts"
                " several processes"
            )
        return Share(int(match[1]) - 1, int(match[2]))
    if number > 1:
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[local] if local < len(devices) and devices[local] else str(local)
    return Share(rank, number, together=number > 1)
