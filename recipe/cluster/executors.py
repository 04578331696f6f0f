"""A phase as a step of datatrove, and its executors: this machine, Slurm or Ray. No other module knows datatrove."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from recipe.cluster.phases import PHASES, Phase
from recipe.config import Recipe
from recipe.errors import InputError


@dataclass(frozen=True)
class Resources:
    """What a phase may use.

    tasks: of each parallel phase. workers: how many tasks run at once, -1 for all. partition, time: of Slurm.
    mem_per_cpu_gb, cpus_per_task: of each task on Slurm and Ray.
    """

    tasks: int
    workers: int = -1
    partition: str = ""
    time: str = "24:00:00"
    mem_per_cpu_gb: int = 4
    cpus_per_task: int = 1


class PhaseStep(PipelineStep):
    """One task of a phase; an `InputError` becomes a file in `errors`, and status 2 of a job of a cluster."""

    type = "domain-bert"

    def __init__(self, phase: Phase, recipe: Recipe, errors: Path, is_job: bool) -> None:
        self.name = phase.name
        super().__init__()
        self.recipe, self.errors, self.is_job = recipe, errors, is_job

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> None:
        """Run the task; documents pass through files, not through datatrove."""
        phase = next(phase for phase in PHASES if phase.name == self.name)
        try:
            phase.call(self.recipe, rank, world_size)
        except InputError as error:
            # A file, for whoever started the tasks: this one may run on another machine.
            self.errors.mkdir(parents=True, exist_ok=True)
            (self.errors / f"{rank:05d}.txt").write_text(str(error), encoding="utf-8")
            if self.is_job:
                print(f"error: {error}", file=sys.stderr)
                sys.exit(2)


def run_here(recipe: Recipe, phases: list[Phase], resources: Resources) -> None:
    """Run the phases one after another, the parallel ones in processes; raises a phase's first InputError."""
    workers = resources.tasks if resources.workers == -1 else min(resources.workers, resources.tasks)

    def executor_of(step: PhaseStep, logs: str) -> PipelineExecutor:
        return LocalPipelineExecutor([step], tasks=resources.tasks, workers=workers, logging_dir=logs)

    _run(recipe, phases, executor_of)


def run_on_ray(recipe: Recipe, phases: list[Phase], resources: Resources) -> None:
    """As `run_here`, with the parallel phases on the Ray cluster of RAY_ADDRESS, or one of this machine's cores."""
    import ray

    ray.init(ignore_reinit_error=True)

    def executor_of(step: PhaseStep, logs: str) -> PipelineExecutor:
        return RayPipelineExecutor(
            [step],
            tasks=resources.tasks,
            workers=resources.workers,
            logging_dir=logs,
            cpus_per_task=resources.cpus_per_task,
            mem_per_cpu_gb=resources.mem_per_cpu_gb,
        )

    _run(recipe, phases, executor_of)


def submit_to_slurm(recipe: Recipe, phases: list[Phase], resources: Resources) -> list[str]:
    """Submit each phase as an array of jobs that waits for the one before; give the ids of the jobs."""
    executors: list[SlurmPipelineExecutor] = []
    for phase in phases:
        logs = _fresh_logs(recipe, phase)
        step = PhaseStep(phase, recipe, logs / "errors", is_job=True)
        executors.append(_slurm(step, logs, phase, resources, executors[-1] if executors else None))
        executors[-1].run()
    return [executor.job_id for executor in executors]


def _run(recipe: Recipe, phases: list[Phase], executor_of: Callable[[PhaseStep, str], PipelineExecutor]) -> None:
    for phase in phases:
        if not phase.is_parallel:
            # Not in a pool's process, which may not start those that write the rows.
            phase.call(recipe, 0, 1)
            continue
        logs = _fresh_logs(recipe, phase)
        executor = executor_of(PhaseStep(phase, recipe, logs / "errors", is_job=False), str(logs))
        executor.run()
        for path in sorted((logs / "errors").glob("*.txt")):
            raise InputError(path.read_text(encoding="utf-8"))
        if failed := executor.get_incomplete_ranks():
            tasks = f"{len(failed)} of {executor.world_size} tasks"
            raise InputError(
                f"{logs}: {tasks} of the phase {phase.name} failed, such as {failed[0]}; see its log there"
            )


def _fresh_logs(recipe: Recipe, phase: Phase) -> Path:
    # datatrove's notes of finished tasks are removed: shards tell what is done, and a note would outlive a change of
    # settings.
    logs = (recipe.folder / "cluster" / "logs" / phase.name).absolute()
    shutil.rmtree(logs, ignore_errors=True)
    return logs


def _slurm(
    step: PhaseStep, logs: Path, phase: Phase, resources: Resources, before: SlurmPipelineExecutor | None
) -> SlurmPipelineExecutor:
    activate = Path(sys.prefix, "bin", "activate")
    # The last phase writes rows in pairs.num_proc processes, in one task.
    cpus = resources.cpus_per_task if phase.is_parallel else max(resources.cpus_per_task, step.recipe.pairs.num_proc)
    return SlurmPipelineExecutor(
        [step],
        tasks=resources.tasks if phase.is_parallel else 1,
        workers=resources.workers if phase.is_parallel else -1,
        time=resources.time,
        partition=resources.partition,
        mem_per_cpu_gb=resources.mem_per_cpu_gb,
        cpus_per_task=cpus,
        job_name=f"bert-{phase.name}",
        qos=None,
        logging_dir=str(logs),
        venv_path=str(activate) if activate.is_file() else None,
        # Else the jobs after one that failed would wait for ever.
        sbatch_args={"kill-on-invalid-dep": "yes"},
        depends=before,
    )
