"""Seeded bugs in the order of rows, in the passes that are made ahead, and in what keeps many machines together."""

from mutations import Mutation

RNG, PASSES, ROWS, SAMPLER = (
    "recipe/rng.py",
    "recipe/pairs/passes.py",
    *(f"recipe/pretraining/{name}.py" for name in ("rows", "sampler")),
)
CHECKPOINTS, PROCESSES, SHARED = (
    "recipe/pretraining/checkpoints.py",
    "recipe/processes.py",
    "recipe/run_folder/shared.py",
)
BATCH = "recipe/configs/slurm/pretrain.sbatch"
_SHARED_TESTS = ["tests/run_folder/test_shared.py"]
TESTS = {
    RNG: ["tests/test_rng.py"],
    PASSES: ["tests/pairs/test_passes.py"],
    ROWS: ["tests/pretraining/test_sampler.py"],
    SAMPLER: ["tests/pretraining/test_sampler.py"],
    CHECKPOINTS: _SHARED_TESTS,
    PROCESSES: _SHARED_TESTS,
    SHARED: _SHARED_TESTS,
    BATCH: ["tests/test_slurm.py"],
}

MUTATIONS = (
    Mutation("a permutation of too few rounds", RNG, "_PERMUTATION_ROUNDS = 16", "_PERMUTATION_ROUNDS = 2"),
    Mutation(
        "numbers out of range stay there",
        RNG,
        "while (outside := where >= number).any():",
        "while (outside := where < 0).any():",
    ),
    Mutation(
        "a digit gets a hash of itself",
        RNG,
        "random_below(high_base, key, number, low)",
        "random_below(high_base, key, number, high)",
    ),
    Mutation("the note has another number", PASSES, "            number += len(pairs)", "            number += 1"),
    Mutation("every rank makes passes", PASSES, "os.getpid() if is_first_process() else 0", "os.getpid()"),
    Mutation("a builder outlives its parent", PASSES, "while os.getppid() == parent:", "while os.getppid():"),
    Mutation("a builder runs at full priority", PASSES, "    os.nice(19)\n", ""),
    Mutation("a pass is made twice at once", PASSES, "            self._in_background[1].wait()\n", ""),
    Mutation("the bytes of a pass are not compared", PASSES, "or note[1] == sha256_once(path)", "or note[1]"),
    Mutation("the partial file lacks its host", PASSES, "atomic_write(path, this_process())", "atomic_write(path)"),
    Mutation("partial files of live builders go", PASSES, "_ABANDONED = 600.0", "_ABANDONED = -1.0"),
    Mutation("lengths of a chunk are those of the one before", ROWS, 'indexes, "right") - 1', 'indexes, "left") - 1'),
    Mutation("all lengths come from the first file", ROWS, "chunk_of[places[0]]", "chunk_of[order[0]]"),
    Mutation(
        "all epochs have one order",
        SAMPLER,
        'derive_key(self._seed, "row order", epoch)',
        'derive_key(self._seed, "row order")',
    ),
    Mutation(
        "batches of a pool come from long to short",
        SAMPLER,
        'rows[permuted(np.arange(len(rows)), len(rows), derive_key(key, "batch order", pool))]',
        "rows",
    ),
    Mutation("a pool is kept for another epoch", SAMPLER, "if which != (epoch, pool):", "if which[1] != pool:"),
    Mutation("the next pass is made after the last epoch", SAMPLER, "end < self._max_steps)", "end <= 10**9)"),
    Mutation("a pass goes while a rank may read it", SAMPLER, "step - MOST_STEPS_APART", "step"),
    Mutation(
        "every rank reads the checkpoints",
        CHECKPOINTS,
        "newest_complete_checkpoint(folder) if is_first_process() else None",
        "newest_complete_checkpoint(folder)",
    ),
    Mutation(
        "another checkpoint of the name will do",
        CHECKPOINTS,
        "return sha256_of_file(path) == sha256",
        "return path.exists()",
    ),
    Mutation(
        "ranks are heard in another order",
        PROCESSES,
        "for other in range(ranks)]",
        "for other in reversed(range(ranks))]",
    ),
    Mutation(
        "a host that sees nothing does not say so",
        SHARED,
        'exchange("" if seen else socket.gethostname(), timeout)',
        'exchange("", timeout)',
    ),
    Mutation(
        "tokens of killed starts stay", SHARED, "            old.unlink(missing_ok=True)\n", "            pass\n"
    ),
    Mutation("a failed run is put back without end", BATCH, '-gt "$BEFORE"', "-gt 0"),
    Mutation("the script dies of the signal", BATCH, "trap : TERM\n", ""),
    Mutation("all jobs of a machine have one port", BATCH, "$((20000 + SLURM_JOB_ID % 20000))", "29500"),
)
