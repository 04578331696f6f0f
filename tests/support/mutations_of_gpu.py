"""Seeded bugs in what a GPU runs and in what measures it, all of which are caught without one."""

from mutations import Mutation

ATTENTION, GUARDED, TRAINER = (
    "recipe/model/attention.py",
    "recipe/pretraining/guarded_trainer.py",
    "recipe/pretraining/trainer.py",
)
PROGRAM, TRAINING, DEVICE = (f"benchmarks/{name}.py" for name in ("gpu", "gpu_training", "gpu_device"))
_REHEARSAL, _BENCHMARK = ["tests/test_gpu_rehearsal.py"], ["tests/test_gpu_benchmark.py"]
TESTS = {
    ATTENTION: [*_REHEARSAL, "tests/model/test_attention.py"],
    GUARDED: _REHEARSAL,
    TRAINER: ["tests/pretraining/test_loading.py"],
    PROGRAM: _BENCHMARK,
    TRAINING: _BENCHMARK,
    DEVICE: _BENCHMARK,
}

MUTATIONS = (
    Mutation(
        "flash gets the bounds of the queries for the keys",
        ATTENTION,
        "bounds = rows.query_bounds, rows.key_bounds\n    found = torch.ops.aten._flash",
        "bounds = rows.query_bounds, rows.query_bounds\n    found = torch.ops.aten._flash",
    ),
    Mutation("efficient serves with dropout", ATTENTION, "if not has_dropout and (dtype", "if (dtype"),
    Mutation(
        "what the backward pass drops is not compared",
        ATTENTION,
        "if not ((forward - backward).abs() <=",
        "if not ((forward - forward).abs() <=",
    ),
    Mutation(
        "a kernel is tried without gradients in an evaluation",
        ATTENTION,
        "@torch.inference_mode(False)\n@torch.enable_grad()\n",
        "",
    ),
    Mutation(
        "flash sees only tokens before its query",
        ATTENTION,
        "*bounds, *rows.longest, dropout, False, False)",
        "*bounds, *rows.longest, dropout, True, False)",
    ),
    Mutation(
        "flash drops twice as much as asked for",
        ATTENTION,
        "*rows.longest, dropout, False, False)",
        "*rows.longest, 2 * dropout if dropout < 0.5 else dropout, False, False)",
    ),
    Mutation(
        "efficient keeps nothing for the backward pass",
        ATTENTION,
        "compute_log_sumexp=query.requires_grad",
        "compute_log_sumexp=False",
    ),
    Mutation(
        "a step reads whether its loss is finite",
        GUARDED,
        "        self._loss_is_bad |= ~is_finite\n",
        "        self._loss_is_bad |= not bool(is_finite)\n",
    ),
    Mutation(
        "the optimizer reads whether its step is bad",
        GUARDED,
        "        self._skipped += is_bad\n",
        "        self._skipped += int(is_bad)\n",
    ),
    Mutation(
        "a bad update is applied on the device",
        GUARDED,
        "found = (is_bad | self._is_over.bool()).float()",
        "found = (is_bad & ~is_bad).float()",
    ),
    Mutation(
        "workers are two batches ahead whatever a step needs",
        TRAINER,
        "prefetch_factor=max(2, -(-ahead // workers)) if workers else None",
        "prefetch_factor=2 if workers else None",
    ),
    Mutation("the warm-up is measured too", TRAINING, "                self._trainer.throughput.restart()\n", ""),
    Mutation(
        "the profiler runs while it is measured",
        TRAINING,
        "        if step <= self._warm:\n            if step",
        "        if step <= self._warm:\n            self._activity.start()\n            if step",
    ),
    Mutation(
        "a training does not end when the time is over",
        TRAINING,
        "(step == self._last or is_over)",
        "step == self._last",
    ),
    Mutation(
        "part of an epoch is measured",
        TRAINING,
        "last = warm + self.epoch * self.measured",
        "last = warm + self.measured",
    ),
    Mutation("attention weights are dropped", TRAINING, "layer.attention.self.dropout.p = 0.0", "pass"),
    Mutation("eager is compiled", TRAINING, 'if setting.mode == "compiled":', "if True:"),
    Mutation("kernels that overlap count twice", DEVICE, "end - max(start, reached)", "end - start"),
    Mutation("copies count as kernels", DEVICE, ' and not event.name.startswith(("Memcpy", "Memset"))', ""),
    Mutation("without a profiler a device is never idle", DEVICE, "if spans else None", "if spans else 0.0"),
    Mutation("shares are of the product of the first row", PROGRAM, 'max((row["peak"]', 'min((row["peak"]'),
    Mutation(
        "a failed row ends the program",
        PROGRAM,
        "except (RuntimeError, ImportError, InputError)",
        "except (ImportError, InputError)",
    ),
    Mutation(
        "rows begin when the time is over",
        PROGRAM,
        "if time.monotonic() > ends_at:",
        "if time.monotonic() > ends_at + 1e12:",
    ),
    Mutation(
        "failures do not show in the exit status", PROGRAM, 'sys.exit("; ".join(results["notes"]) or 0)', "sys.exit(0)"
    ),
    Mutation(
        "results are written at the end only",
        PROGRAM,
        '        results[name].append(found)\n        save(arguments.results, "gpu", results, markdown(results))\n',
        "        results[name].append(found)\n",
    ),
)
