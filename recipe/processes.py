"""Which of the processes of a run this one is."""

import os
import re
import socket
from contextlib import suppress
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import yaml

from recipe.errors import InputError

# What torchrun and `accelerate launch` set for every process, and a number of processes that others set: mpirun
# (Open MPI, MPICH and Intel, MVAPICH) and srun. sbatch alone does not set the last one.
_GROUP = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_OTHER_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
_REMEDY = "start by torchrun or `accelerate launch`, which set them all, or unset it"


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


def exchange(text: str, timeout: float) -> list[str]:
    """What each rank says, in the order of ranks; every rank must call it, as often as the others.

    It goes through the store of the launcher: no process group must be open, and no GPU is used.

    Args:
        timeout: seconds after which a rank that says nothing is given up, 60 at least.

    Raises:
        InputError: if a rank says nothing, or the store is gone.
    """
    rank, ranks = process_index(), world_size()
    if ranks == 1:
        return [text]
    from torch.distributed import rendezvous

    seconds = max(timeout, _LEAST_TIMEOUT)
    try:
        if not _stores:
            _stores.append(next(rendezvous("env://", timeout=timedelta(seconds=seconds)))[0])
        store, name = _stores[0], f"domain-bert/{next(_exchanges)}"
        store.set(f"{name}/{rank}", text)
        said = [store.get(f"{name}/{other}").decode() for other in range(ranks)]
        # Rank 0 may be the server: it must not end before all have read.
        if store.add(f"{name}/read", 1) == ranks:
            store.set(f"{name}/done", "")
        if rank == 0:
            store.wait([f"{name}/done"])
    except RuntimeError as error:
        raise InputError(
            f"rank {rank} on {socket.gethostname()} did not hear of all {ranks} ranks within {seconds:.0f} s"
            f" ({' '.join(str(error).split())[:100]}); see the logs of the others, then run the same command again"
        ) from None
    return said


# Kept open: a rank that serves the store for the others also serves it for the process group.
_stores: list[Any] = []
_exchanges = count()
# Machines may need this long to import torch one after another.
_LEAST_TIMEOUT = 60.0


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


def check_launcher(is_one_world: bool) -> None:
    """Refuse variables of a launcher that do not fit together, such as a RANK that is left over in a shell.

    Args:
        is_one_world: whether the processes must know of each other; then those of mpirun or srun are refused, too.

    Raises:
        InputError: for the first variable that cannot be; it names the variable and its value.
    """
    found = {name: os.environ[name] for name in (*_GROUP[:3], "LOCAL_WORLD_SIZE") if name in os.environ}
    for name, text in found.items():
        least = 1 if name.endswith("SIZE") else 0
        if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < least:
            raise InputError(
                f"{name} is {text[:40]!r} in the environment; it takes a whole number from {least}; {_REMEDY}"
            )
    # A rank without its group would write nothing, or wait for the others without end.
    missing = [name for name in _GROUP if not os.environ.get(name)]
    if found and missing:
        name, text = next(iter(found.items()))
        raise InputError(f"{name} is {text} in the environment without {', '.join(missing)}; {_REMEDY}")
    for rank, size in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE"), ("LOCAL_RANK", "WORLD_SIZE")):
        if rank in found and size in found and int(found[rank]) >= int(found[size]):
            raise InputError(f"{rank} is {found[rank]}, but {size} is {found[size]}, in the environment; {_REMEDY}")
    port = os.environ.get("MASTER_PORT", "")
    if found and not (re.fullmatch(r"[0-9]{1,5}", port) and int(port) < 2**16):
        raise InputError(f"MASTER_PORT is {port[:40]!r} in the environment; it takes a port up to 65535; {_REMEDY}")
    for name in _OTHER_LAUNCHERS:
        if is_one_world and not found and os.environ.get(name, "1").strip() not in ("", "1"):
            raise InputError(
                f"{name} is {os.environ[name][:40]}, but the processes that mpirun or srun starts do not know of each"
                " other; start one on each machine, and in it torchrun or `accelerate launch`"
            )
