"""Run the study of docs/results.md: pretrain every arm, fine-tune it on every task; what is done is skipped.

`python scripts/study.py --data FOLDER` runs it all, two processes at once with one thread each; `--part 1/3` does a
third of the jobs, so that three machines with a common runs/study/ share it. `--gpu --jobs 12` runs the jobs on a GPU,
which such small models share. `--list` shows the jobs and their state.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from recipe.config_file import load_recipe

PROGRAMS = {"run": "run_recipe.py", "finetune": "finetune.py"}
ROOT = Path(__file__).resolve().parent.parent
STUDY = Path("runs/study")
DATA = Path("data/study")
PRETRAINING_SEEDS = (1, 2)

# In the order in which they are run: first, for both seeds, what the claim needs. An arm is a file of configs/study/;
# general-half is the first half of `continued`, and no arm of its own.
CLAIM_ARMS = ("domain", "general", "general-half", "continued", "no-pairs")
ARMS = (*CLAIM_ARMS, "single-pieces", "general-vocabulary", "poor-in-mentions")
FIRST_HALF = "general-half"
# Arm (a) with other settings, one seed each. After one step: what is counted before any training.
COUNTS_ONLY = "counts-only"
VARIANTS = {
    COUNTS_ONLY: ("--training.max_steps=1",),
    "adamw": ("--training.optimizer=adamw", "--training.learning_rate=1.5e-3"),
    "random-start": ("--model.initialization=random",),
    "adamw-random-start": (
        "--training.optimizer=adamw",
        "--training.learning_rate=1.5e-3",
        "--model.initialization=random",
    ),
}
RANDOM = "random"
# The best model, and the checkpoints of its run that are fine-tuned too, in percent of the steps.
BEST = "two-cores"
BEST_LONGER = "two-cores-longer"
CHECKPOINTS = (1, 3, 10, 30)
# What a GPU made of the same text.
ON_GPU = "one-gpu"

# Fixed on arm (a)'s development scores before any other arm was fine-tuned, and the same for all; see docs/results.md.
USE_CPU = "--use_cpu"
# All models of the study have 128 positions; PubMedQA would take 512.
_PROTOCOL = ("--protocol", "small", "--patience", "null", "--max_seq_length", "128")
_FIXED = ("--seeds", "1,2,3", *_PROTOCOL, USE_CPU, "--batch_size", "16")
SETTINGS = (*_FIXED, "--learning_rate", "5e-4")
# The rate that suits random initialisation.
RANDOM_SETTINGS = (*_FIXED, "--random_learning_rate", "1e-3")
# Epochs of each task.
TASKS = {
    "bc5-chem": ("BC5CDR-chem-IOB", 4),
    "bc5-disease": ("BC5CDR-disease-IOB", 4),
    "ncbi-disease": ("NCBI-disease-IOB", 4),
    "biosses": ("biosses", 20),
    "pubmedqa": ("pubmedqa", 5),
}
# The two large models choose between these on devel.
EPOCHS_OF_GRID, EPOCHS_OF_LONGER = 6, 12
GRID = (*_FIXED, "--learning_rate", "1e-4,1.5e-4", "--num_train_epochs", str(EPOCHS_OF_GRID))
# On devel 12 epochs at the better rate were better than 6 and than 20.
LONGER = (*_FIXED, "--learning_rate", "1.5e-4", "--num_train_epochs", str(EPOCHS_OF_LONGER))
GPU_GRID = (*_PROTOCOL, "--batch_size", "32", "--learning_rate", "1e-4,2e-4")
GPU_SEEDS = (1, 2, 3)
RESULT = Path("pretrained/result.json")
FIT = "fertility.json"
# Sentences of the training set in the few-shot curve, by share: of 4,560.
FEW = {10: 456, 30: 1368}
FEW_ARMS = ("domain", "general", RANDOM)
_MORE_ARMS = (*FEW_ARMS, "no-pairs")
# The arms that are fine-tuned on a share, in percent, of the training set of each task.
FINETUNED = {
    ("bc5-chem", 100): (*(arm for arm in ARMS if arm != FIRST_HALF), RANDOM, COUNTS_ONLY),
    ("bc5-disease", 100): FEW_ARMS,
    ("biosses", 100): _MORE_ARMS,
    ("pubmedqa", 100): _MORE_ARMS,
    ("bc5-chem", 10): FEW_ARMS,
    ("bc5-chem", 30): FEW_ARMS,
    ("ncbi-disease", 100): _MORE_ARMS,
}
# The arms whose text is searched for the mentions of BC5-chem.
FIT_ARMS = ("domain", "poor-in-mentions", "general")


@dataclass(frozen=True)
class Job:
    """A command, the file that it leaves when it is done, and the files that it needs."""

    name: str
    command: tuple[str, ...]
    result: Path
    needs: tuple[Path, ...] = ()

    def on_gpu(self) -> "Job":
        """The same on a GPU: the recipes of the study, and its fine-tuning, ask for the CPU."""
        program, *rest = (part for part in self.command if part != USE_CPU)
        more = ("--training.use_cpu=false",) if program == "run" else ()
        return replace(self, command=(program, *rest, *more))

    def is_done(self) -> bool:
        """Whether its result is there."""
        return self.result.is_file()

    def is_ready(self) -> bool:
        """Whether what it needs is there."""
        return all(path.is_file() for path in self.needs)


def pretraining(arm: str, seed: int) -> Job:
    """One pretraining run: the file of the arm, with the paths of this seed."""
    run, half = STUDY / f"{arm}-{seed}", STUDY / f"{FIRST_HALF}-{seed}"
    overrides, needs, file = [f"--run_dir={run}", f"--seed={seed}"], [], arm
    if arm in VARIANTS:
        file, overrides = "domain", [*overrides, *VARIANTS[arm]]
    if arm == "continued":
        overrides += [f"--tokenizer.path={half}/tokenizer", f"--training.init_from={half}/model"]
        needs = [half / "evaluation.json"]
    if arm == "general-vocabulary":
        general = STUDY / f"general-{seed}"
        overrides += [f"--tokenizer.path={general}/tokenizer"]
        needs = [general / "evaluation.json"]
    command = ("run", f"configs/study/{file}.yaml", "--until", "evaluate", *overrides)
    return Job(f"pretrain {arm}-{seed}", command, run / "evaluation.json", tuple(needs))


def finetuning(arm: str, seed: int, task: str, share: int = 100) -> Job:
    """Three fine-tuning seeds of one pretrained model (or of none) on one task, or on a share of its training text."""
    epochs = TASKS[task][1]
    # The shape and the vocabulary of arm (a), so that pretraining is the only difference.
    run = STUDY / f"{'domain' if arm == RANDOM else arm}-{seed}"
    name = task if share == 100 else f"{task}-{share}"
    output = STUDY / "tasks" / name / f"{arm}-{seed}"
    model = f"random:{run}/model" if arm == RANDOM else f"{run}/model"
    more = () if share == 100 else ("--max_train_examples", str(FEW[share]))
    settings = RANDOM_SETTINGS if arm == RANDOM else SETTINGS
    # As many steps as with a third of the sentences.
    epochs = epochs * 3 if share == min(FEW) else epochs
    result = output / ("random_initialisation/result.json" if arm == RANDOM else RESULT)
    command = _finetune(model, task, output, *settings, "--num_train_epochs", str(epochs), *more)
    return Job(f"{name} {arm}-{seed}", command, result, (run / "evaluation.json",))


def _finetune(model: str, task: str, output: Path, *settings: str) -> tuple[str, ...]:
    return ("finetune", "--model", model, "--task", task, "--data", _data(task), "--output", str(output), *settings)


def _data(task: str) -> str:
    return str(DATA / "tasks" / TASKS[task][0])


def fit(arm: str) -> Job:
    """Whether the text of an arm fits BC5-chem: what the stage `inspect` counts."""
    made, run = STUDY / f"{arm}-{PRETRAINING_SEEDS[0]}", STUDY / f"fit-{arm}"
    task = ("--task.name=bc5-chem", f"--task.data={_data('bc5-chem')}")
    paths = (f"--run_dir={run}", "--corpus.path=[]", f"--corpus.prepared_from={made}")
    command = ("run", f"configs/study/{arm}.yaml", "--until", "inspect", *paths, *task)
    return Job(f"fit {arm}", command, run / FIT, (made / "evaluation.json",))


def of_best_model() -> Iterator[Job]:
    """The best model, whose run is started by hand, on BC5CDR, and on BC5-chem for longer; then its checkpoints."""
    run = STUDY.parent / BEST
    for task in ("bc5-chem", "bc5-disease"):
        output = STUDY / "tasks" / task / f"{BEST}-1"
        command = _finetune(f"{run}/model", task, output, *GRID)
        yield Job(f"{task} {BEST}", command, output / RESULT, (run / "evaluation.json",))
    output = STUDY / "tasks" / "bc5-chem" / f"{BEST_LONGER}-1"
    command = _finetune(f"{run}/model", "bc5-chem", output, *LONGER)
    yield Job(f"bc5-chem {BEST_LONGER}", command, output / RESULT, (run / "evaluation.json",))
    epochs = TASKS["bc5-chem"][1]
    for share in CHECKPOINTS:
        steps = load_recipe(ROOT / "configs" / f"{BEST}.yaml").training.max_steps * share // 100
        output = STUDY / "tasks" / "bc5-chem" / f"{BEST}-at-{share}"
        for checkpoint in run.glob(f"checkpoints/*/checkpoint-{steps}"):
            # A curve needs no spread: one seed.
            settings = (*SETTINGS, "--seeds", "1", "--num_train_epochs", str(epochs))
            command = _finetune(str(checkpoint), "bc5-chem", output, *settings)
            yield Job(f"bc5-chem {BEST} at {share} %", command, output / RESULT, (checkpoint / "model.safetensors",))


def of_gpu_model() -> Iterator[Job]:
    """The model of a GPU on all tasks, a job for each fine-tuning seed; its run is started by hand."""
    run = STUDY.parent / ON_GPU
    for task, (_, epochs) in TASKS.items():
        for seed in GPU_SEEDS:
            output = STUDY / "tasks" / task / f"{ON_GPU}-{seed}"
            settings = (*GPU_GRID, "--seeds", str(seed), "--num_train_epochs", str(max(epochs, 6)))
            command = _finetune(f"{run}/model", task, output, *settings)
            yield Job(f"{task} {ON_GPU}-{seed}", command, output / RESULT, (run / "evaluation.json",))


def jobs() -> Iterator[Job]:
    """All jobs, each after those that it needs."""
    yield from of_best_model()
    yield from of_gpu_model()
    for arms in (CLAIM_ARMS, ARMS[len(CLAIM_ARMS) :], VARIANTS):
        yield from (pretraining(arm, seed) for seed in PRETRAINING_SEEDS for arm in arms if has_seed(arm, seed))
    yield from (fit(arm) for arm in FIT_ARMS)
    for (task, share), arms in FINETUNED.items():
        for seed in PRETRAINING_SEEDS:
            yield from (finetuning(arm, seed, task, share) for arm in arms if has_seed(arm, seed))


def has_seed(arm: str, seed: int) -> bool:
    """Whether an arm is run with this pretraining seed: what is not pretrained has only one."""
    return arm not in (RANDOM, *VARIANTS) or seed == PRETRAINING_SEEDS[0]


def run(job: Job) -> bool:
    """Run one job with one thread; its output goes to runs/study/logs. True if it succeeded."""
    log = STUDY / "logs" / f"{job.name.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    # One thread each: two such jobs at once are faster on two cores than one job after the other with two threads.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("a") as output:
        command = [sys.executable, f"scripts/{PROGRAMS[job.command[0]]}", *job.command[1:]]
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    outcome = "done" if done.returncode == 0 else f"FAILED with status {done.returncode}, see {log}"
    print(f"{job.name}: {outcome} in {(time.time() - started) / 60:.1f} min", flush=True)
    return done.returncode == 0


def main() -> None:
    """Run what is missing of this part, until nothing that is left can be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder with biomedical/, general/ and tasks/; linked as {DATA}")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="do only every N-th job, from the I-th one on")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--gpu", action="store_true", help="run the jobs on a GPU, not on CPUs")
    parser.add_argument("--only", default="", help="only jobs whose name contains this text")
    parser.add_argument("--list", action="store_true", help="show the jobs and their state, run nothing")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.data and not DATA.exists():
        DATA.parent.mkdir(exist_ok=True)
        DATA.symlink_to(arguments.data.resolve())
    index, number = map(int, arguments.part.split("/"))
    mine = [job for job in list(jobs())[index - 1 :: number] if arguments.only in job.name]
    if arguments.gpu:
        mine = [job.on_gpu() for job in mine]
    if arguments.list:
        for job in mine:
            print(f"{'done' if job.is_done() else 'ready' if job.is_ready() else 'waits':5}  {job.name}")
        return
    failed: list[str] = []
    running: dict[Future, Job] = {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        while True:
            begun = {*failed, *(job.name for job in running.values())}
            ready = [job for job in mine if not job.is_done() and job.is_ready() and job.name not in begun]
            running |= {pool.submit(run, job): job for job in ready[: arguments.jobs - len(running)]}
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                failed += [] if future.result() else [job.name]
    if left := [job.name for job in mine if not job.is_done()]:
        print(f"{len(left)} jobs are not done: they failed or wait for jobs of other parts; the first is {left[0]}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
