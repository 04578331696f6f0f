"""Seeded bugs in what keeps a run safe: bad numbers, checkpoints, signals, heartbeats."""

from mutations import Mutation

TRAINER, CHECKPOINTS, GUARD, RUN, LINES = (
    f"recipe/pretraining/{name}.py" for name in ("guarded_trainer", "checkpoints", "guard", "run", "lines")
)
_GUARD_TESTS = ["tests/pretraining/test_guard.py"]
TESTS = {
    TRAINER: _GUARD_TESTS,
    CHECKPOINTS: ["tests/pretraining/test_checkpoints.py"],
    GUARD: _GUARD_TESTS,
    RUN: _GUARD_TESTS,
    LINES: _GUARD_TESTS,
}

MUTATIONS = (
    Mutation(
        "a bad update is applied",
        TRAINER,
        "found = (is_bad | self._is_over.bool()).float()",
        "found = (is_bad & ~is_bad).float()",
    ),
    Mutation("a bad step does not end the run", TRAINER, "        if is_over:\n", "        if is_over < 0:\n"),
    Mutation(
        "one bad step too many is allowed",
        TRAINER,
        "self._skipped > self._max_skipped_steps",
        "self._skipped > self._max_skipped_steps + 1",
    ),
    Mutation(
        "the message names the step before", TRAINER, 'f"step {step + 1}: the gradient', 'f"step {step}: the gradient'
    ),
    Mutation(
        "a checkpoint is written without a look at the weights",
        TRAINER,
        "        self.end_if_not_finite()\n        parent",
        "        parent",
    ),
    Mutation(
        "older checkpoints go before the manifest is written",
        TRAINER,
        "                self.args.save_total_limit = None\n",
        "",
    ),
    Mutation(
        "a failed save stays", TRAINER, "            shutil.rmtree(folder, ignore_errors=True)\n", "            pass\n"
    ),
    Mutation(
        "a run without any checkpoint goes on",
        TRAINER,
        "        if not any((path / MANIFEST)",
        "        if False and not any((path / MANIFEST)",
    ),
    Mutation(
        "a signal saves nothing",
        TRAINER,
        "if self.state.global_step > self._saved_step:",
        "if self.state.global_step < 0:",
    ),
    Mutation(
        "RUN/model takes a bad weight", RUN, "    if not all_finite(trainer", "    if False and not all_finite(trainer"
    ),
    Mutation(
        "a checkpoint with NaN is taken up",
        CHECKPOINTS,
        '            return f"{name} in {path.name} is not finite"',
        "            pass",
    ),
    Mutation("a flipped byte is not seen", CHECKPOINTS, "or sha256_of_file(path) != digest", ""),
    Mutation("one checkpoint too few is kept", CHECKPOINTS, "complete[: kept - 1]", "complete[: max(kept - 2, 0)]"),
    Mutation(
        "only the first element is looked at",
        CHECKPOINTS,
        "tensor.abs().amax().float()",
        "tensor.abs().flatten()[0].float()",
    ),
    Mutation(
        "the launcher's copy of a signal counts as a second one",
        GUARD,
        "_SAME_SIGNAL_SECONDS = 1.0",
        "_SAME_SIGNAL_SECONDS = -1.0",
    ),
    Mutation("a second signal is ignored", GUARD, "            os.kill(os.getpid(), number)\n", "            pass\n"),
    Mutation(
        "handlers stay after training",
        GUARD,
        "            signal.signal(number, handler)  # type: ignore[arg-type]\n",
        "            pass\n",
    ),
    Mutation(
        "the rank that is behind is not named", GUARD, 'if beat["step"] < farthest', 'if beat["step"] > farthest'
    ),
    Mutation("divergence is never said", LINES, "DIVERGED = 3", "DIVERGED = 3000"),
)
