"""What ends a run before its last step: a signal, a launcher that died, a rank that hangs."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import torch

from recipe.errors import InputError
from recipe.files import read_json, write_json
from recipe.formatting import count, duration
from recipe.run_folder.events import log_event

# As a scheduler sees it: a checkpoint was written, so the same command goes on (configs/slurm/pretrain.sbatch).
EXIT_STATUS = 85
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
# A scheduler signals the launcher and the ranks, and the launcher passes it on: that is one signal, not two.
_SAME_SIGNAL_SECONDS = 1.0
# A launcher that died takes its ranks with it; without a step that ends in this time they end without a checkpoint.
_LAUNCHER_SECONDS = 8.0


class Preempted(Exception):
    """The run ends at a step boundary with a checkpoint, since a signal came to one of its ranks."""


class Guard:
    """Signals as a flag that is read between steps, and a heartbeat file; a context around training.

    Args:
        run: the run folder, which gets heartbeats/rank-N.json.
        timeout: seconds after which a rank that does not answer ends the job; ranks beat some times as often.
    """

    def __init__(self, run: Path, rank: int, ranks: int, timeout: float) -> None:
        self.run, self.reason = run, ""
        self.step, self.phase = 0, "starting"
        self._folder, self._rank, self._ranks = run / "heartbeats", rank, ranks
        self._timeout, self._interval = timeout, min(10.0, timeout / 5)
        self._signalled_at = 0.0
        self._before: dict[signal.Signals, object] = {}
        self._ended = threading.Event()

    def __enter__(self) -> "Guard":
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C is the launcher's where there is one. Loader processes inherit the handler, and so outlive it too.
            mine = SIGNALS if self._is_launched() else (*SIGNALS, signal.SIGINT)
            self._before = {number: signal.signal(number, self._on_signal) for number in mine}
        # Only where there are other ranks: a shell that ends shall not end the run that it started with nohup.
        if self._is_launched():
            threading.Thread(target=self._watch, args=(os.getppid(),), daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _is_launched(self) -> bool:
        return "TORCHELASTIC_RUN_ID" in os.environ or self._ranks > 1

    def slow_ranks(self) -> str:
        """Which ranks have not been heard of, or are behind, by their heartbeats."""
        found = {}
        for rank in range(self._ranks):
            with suppress(OSError, ValueError):
                found[rank] = read_json(self._folder / f"rank-{rank}.json")
        if not found:
            return "no rank left a heartbeat"
        newest, farthest = (max(beat[name] for beat in found.values()) for name in ("time", "step"))
        silent = {rank: beat for rank, beat in found.items() if newest - beat["time"] > 2.5 * self._interval}
        behind = {rank: beat for rank, beat in found.items() if beat["step"] < farthest}
        waited_for = {rank: beat for rank, beat in found.items() if beat["phase"] != "in a step"}
        for ranks, what in ((silent, "was last heard of"), (behind, "is behind"), (waited_for, "is busy")):
            if ranks and len(ranks) < len(found):
                names = [
                    f"rank {rank} ({beat['host']}, process {beat['pid']}) {what} {beat['phase']} after step"
                    f" {count(beat['step'])}, {duration(newest - beat['time'])} before the others"
                    for rank, beat in sorted(ranks.items())
                ]
                return "; ".join(names)
        return f"all ranks are alive after step {count(farthest)}"

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.reason and now - self._signalled_at > _SAME_SIGNAL_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not self.reason:
            self.reason, self._signalled_at = signal.Signals(number).name, now

    def _watch(self, launcher: int) -> None:
        beaten = 0.0
        # What each rank said last, and when it was first seen here: clocks of machines differ.
        heard: dict[int, tuple[str, float]] = {}
        while not self._ended.wait(1.0):
            now = time.monotonic()
            if now - beaten >= self._interval:
                beaten = now
                self._beat()
                for rank in range(self._ranks):
                    with suppress(OSError):
                        text = (self._folder / f"rank-{rank}.json").read_text()
                        heard[rank] = (text, heard[rank][1] if heard.get(rank, ("",))[0] == text else now)
                # Not every wait for another rank ends by the time-out of its library.
                if any(now - since > self._timeout for _, since in heard.values()):
                    self._end_for_silence()
            if os.getppid() != launcher:
                self.reason = self.reason or "the launcher ended"
                if not self._ended.wait(_LAUNCHER_SECONDS):
                    os._exit(EXIT_STATUS)

    def _end_for_silence(self) -> None:
        why = f"a rank did not answer for {duration(self._timeout)} (training.ddp_timeout): {self.slow_ranks()}"
        log_event(self.run, "fault", stage="pretrain", step=self.step, error=why)
        print(f"error: {why}; the run ends, run the same command again to resume", file=sys.stderr, flush=True)
        os._exit(2)

    def _beat(self) -> None:
        beat = {"step": self.step, "phase": self.phase, "time": time.time()}
        # A full disk must not end a run here, where nothing is lost.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_json(
                self._folder / f"rank-{self._rank}.json", {**beat, "host": socket.gethostname(), "pid": os.getpid()}
            )


class StepFlags:
    """Flags that all ranks read at the same step boundary.

    On a GPU these are the flags of the boundary before: to read the newest would make the host wait for the device at
    every step.
    """

    def __init__(self) -> None:
        self._previous: tuple[torch.Tensor, torch.cuda.Event] | None = None

    def read(self, reduced: torch.Tensor) -> list[int]:
        """The flags, summed over ranks.

        Args:
            reduced: int64 of shape (flags,), as they were just reduced.
        """
        if reduced.device.type != "cuda":
            return reduced.tolist()
        host = torch.empty(reduced.shape, dtype=reduced.dtype, pin_memory=True)
        host.copy_(reduced, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        previous, self._previous = self._previous, (host, event)
        if previous is None:
            return [0] * len(reduced)
        previous[1].synchronize()
        return previous[0].tolist()


def explain_lost_rank(error: RuntimeError, guard: Guard, timeout: float) -> InputError | None:
    """What a failed collective means to a person; None for any other error."""
    message = str(error).lower()
    if not any(sign in message for sign in ("timed out", "timeout", "connection closed", "connection reset", "gloo")):
        return None
    return InputError(
        f"a rank did not answer for {duration(timeout)} (training.ddp_timeout), or ended: {guard.slow_ranks()}; see"
        " its log, then run the same command again to resume"
    )
