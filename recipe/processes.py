"""Which of the processes of a run this one is."""

import os
import socket


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
