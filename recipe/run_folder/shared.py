"""Whether the ranks of a launch, which may run on several machines, all work in one run folder."""

import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recipe.errors import InputError
from recipe.processes import exchange, is_first_process, world_size

# Seconds for which another machine may not see a new file: its view of a shared folder lags behind.
PATIENCE = 30.0


def require_shared_folder(run: Path, timeout: float) -> None:
    """Check that every rank sees a file that the first rank writes now; every rank must call it.

    Args:
        timeout: seconds after which a rank that does not answer is given up.

    Raises:
        InputError: on all ranks; it names the hosts that do not see the file.
    """
    if world_size() == 1:
        return
    # A new name at each start: the other machines cannot have looked for it before and remember what they found.
    token = f"token-{uuid.uuid4().hex}"
    if is_first_process() and run.is_dir():
        (run / "heartbeats").mkdir(exist_ok=True)
        for old in (run / "heartbeats").glob("token-*"):
            old.unlink(missing_ok=True)
        (run / "heartbeats" / token).touch()
    # Where the first machine has no folder, nothing is shared, and the stage says what is missing.
    first_host, is_there, token = exchange(f"{socket.gethostname()} {run.is_dir()} {token}", timeout)[0].split()
    if is_there == "False":
        return
    path = run / "heartbeats" / token
    missing = hosts_without(path.exists, timeout)
    if is_first_process():
        with suppress(OSError):
            path.unlink()
    if missing:
        raise InputError(
            f"{run}: {', '.join(missing)} did not see within {PATIENCE:.0f} s what rank 0 on {first_host} wrote there;"
            " set run_dir to a folder that all machines share under one path"
        )


def hosts_without(sees: Callable[[], bool], timeout: float) -> list[str]:
    """The hosts of the ranks that do not see something within `PATIENCE` seconds; every rank must call it."""
    until = time.monotonic() + PATIENCE
    while not (seen := sees()) and time.monotonic() < until:
        time.sleep(0.2)
    return sorted({host for host in exchange("" if seen else socket.gethostname(), timeout) if host})
