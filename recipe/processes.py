"""Which of the processes of a run this one is."""

import os
import socket
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import yaml


def is_first_process() -> bool:
    """Whether this is the first of the processes that torchrun or `accelerate launch` started, or the only one."""
    return process_index() == 0


def process_index() -> int:
    """Which of them this is, from 0 (its rank)."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes the launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def this_process() -> str:
    """A name of this process among those of all machines at this moment."""
    return f"{socket.gethostname()}-{os.getpid()}"


def processes_asked_for() -> int:
    """How many processes `accelerate launch` was asked for, 0 if it is not the launcher or does not say.

    `accelerate launch --cpu --num_processes 2` starts one, without a word.
    """
    if "ACCELERATE_MIXED_PRECISION" not in os.environ:
        return 0
    # It tells its processes by their rank; of a single one only its own command line says what was asked.
    with suppress(OSError, ValueError, IndexError, AttributeError, yaml.YAMLError):
        words = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")
        options = dict(pairwise(words)) | dict(
            word.split("=", 1) for word in words if word.startswith("--") and "=" in word
        )
        for name in ("--num_processes", "--num-processes", "-n"):
            if name in options:
                return int(options[name])
        if "--config_file" in options:
            return int(yaml.safe_load(Path(options["--config_file"]).read_text()).get("num_processes", 0))
    return 0
