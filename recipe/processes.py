"""Which of the processes of a run this one is."""

import os
import socket


def is_first_process() -> bool:
    """Whether this is the first of the processes that torchrun or `accelerate launch` started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def this_process() -> str:
    """A name of this process among those of all machines at this moment."""
    return f"{socket.gethostname()}-{os.getpid()}"
