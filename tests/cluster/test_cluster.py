"""Many tasks make what one machine makes, byte for byte; what is done is not done again, and what is killed leaves
nothing half-written.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_corpus import write_mixed_corpus
from conftest import ROOT, run_script, small_recipe, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scripts import assert_refused, config_of

from recipe import corpus
from recipe.cluster import launch as launching
from recipe.cluster.launch import launch
from recipe.cluster.phases import merge_file_shards, pending_phases, write_file_shards
from recipe.config_file import load_recipe
from recipe.corpus.prepare import prepare_corpus
from recipe.errors import InputError
from recipe.pipeline import is_done, run_stage
from recipe.tokens import store as token_store

pytest.importorskip("datatrove", reason="the extra [datatrove] is not installed")
pytest.importorskip("datasketch", reason="the extra [dedup] is not installed")
STAGES = ("corpus", "tokenizer", "tokens", "pairs")


def files_of(folder: Path) -> dict[str, bytes]:
    """What the three stages left, but for locks."""
    paths = [path for name in ("corpus", "tokenizer", "store", "pairs") for path in (folder / name).rglob("*")]
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file() and path.suffix != ".lock"
    }


def assert_same(one: Path, other: Path) -> None:
    expected, found = files_of(one), files_of(other)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def finished_shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix != ".partial")


def shards_of(recipe) -> dict[str, int]:
    """The finished shards by the files that they were made of, and when."""
    return {
        json.loads((path / "shard.json").read_text())["source"]: (path / "shard.json").stat().st_mtime_ns
        for path in finished_shards(recipe.folder / "cluster" / "files")
    }


def redone(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {Path(name).name for name in after if before.get(name) != after[name]}


@contextmanager
def small_cuts():
    """Many groups of rows, files and blocks, documents cut in the middle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus.prepared, "CHARACTERS_PER_GROUP", 3000)
        patch.setattr(corpus.prepared, "CHARACTERS_PER_FILE", 10_000)
        patch.setattr(token_store, "CHARACTERS_PER_BLOCK", 700)
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The mixed corpus, its settings, and the run that one machine made of it."""
    folder = tmp_path_factory.mktemp("mixed")
    chosen = write_mixed_corpus(folder)
    one = small_recipe(folder / "in", folder / "one", **chosen)
    with small_cuts():
        for name in STAGES:
            run_stage(one, name)
    return folder, chosen, one


def test_every_step_has_something_to_do_over_the_files(mixed):
    _, _, one = mixed
    statistics = json.loads((one.folder / "corpus" / "statistics.json").read_text())
    removed = statistics["removed_documents"]
    assert set(removed) == {
        "boilerplate",
        "sentence_length",
        "document_length",
        "script",
        "exact_duplicates",
        "near_duplicates",
        "decontaminate",
    }
    assert removed["exact_duplicates"] >= 6 + 1
    assert removed["decontaminate"] == 2
    reading = statistics["reading"]
    assert reading == {
        **{"documents_without_text": 1, "null_texts": 1, "null_records": 1, "empty_lists": 1, "nulls_in_lists": 1},
        **{"records_superseded": 5, "records_without_abstract": 1, "replaced_bytes": 1, "passages_without_text": 1},
        **{"lists_split_as_paragraphs": 1, "files_without_documents": 1},
    }
    assert statistics["deleted_parts"] == {"boilerplate": 1, "sentence_length": 1}
    assert statistics["samples_of_deleted_parts"]["boilerplate"] == ["Copyright 2001 Elsevier."]
    lines = (one.folder / "corpus" / "removed.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [(entry["filter"], entry["kind"]) for entry in map(json.loads, lines)]
    assert {name: kinds.count((name, "part")) for name, kind in kinds if kind == "part"} == statistics["deleted_parts"]
    assert {name: kinds.count((name, "document")) for name, kind in kinds if kind == "document"} == removed
    assert len(list((one.folder / "corpus").glob("*.parquet"))) > 3


@pytest.mark.parametrize("tasks", [1, 2, 5, 11])
def test_any_number_of_tasks_makes_the_same_files(mixed, tasks):
    folder, chosen, one = mixed
    many = small_recipe(folder / "in", folder / f"many{tasks}", **chosen)
    with small_cuts():
        launch(many, "local", tasks=tasks, workers=1)
    assert_same(one.folder, many.folder)
    assert all(is_done(many, name) for name in STAGES)
    assert not (many.folder / "cluster" / "tokens").exists()
    assert not list(many.folder.rglob("*.partial"))
    assert pending_phases(many) == []


def test_pretraining_goes_on_from_there(tmp_path, corpus_file, capsys):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    launch(recipe, "local", tasks=2, workers=1)
    capsys.readouterr()
    for name in (*STAGES, "pretrain"):
        run_stage(recipe, name)
    assert capsys.readouterr().out.count("done and unchanged, skipped") == 4
    assert (recipe.folder / "model" / "model.safetensors").is_file()


def refusal_of(call) -> str | None:
    try:
        call()
    except InputError as error:
        return str(error)
    return None


TEXTS = [
    f"{first} {second} words of this text stand here."
    for first in ("Some", "More", "Other")
    for second in ("long", "short")
]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.sampled_from([*TEXTS, "Few.", "©"]), min_size=1, max_size=3), max_size=6),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_any_files_and_any_order_of_tasks_give_the_same_corpus(tmp_path_factory, files, data):
    folder = tmp_path_factory.mktemp("any")
    (folder / "in").mkdir()
    for number, documents in enumerate(files):
        (folder / "in" / f"{number}.txt").write_text("\n\n".join("\n".join(lines) for lines in documents) or "\n")
    (folder / "task.txt").write_text(TEXTS[0] + TEXTS[1])
    chosen = {"corpus.decontaminate": str(folder / "task.txt"), "corpus.min_document_words": "2"}
    one, many = (small_recipe(folder / "in", folder / name, **chosen) for name in ("one", "many"))
    tasks = data.draw(st.integers(1, 6))
    for rank in data.draw(st.permutations(range(tasks))):
        write_file_shards(many, rank, tasks)
    assert refusal_of(lambda: merge_file_shards(many, 0, 1)) == refusal_of(lambda: prepare_corpus(one))
    assert_same(one.folder, many.folder)


def test_what_is_done_is_not_done_again(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_corpus(tmp_path / "in" / f"{number}.txt", 20, seed=number)
    recipe = small_recipe(tmp_path / "in", tmp_path / "run")

    def again(**overrides: str) -> tuple[set[str], list[str]]:
        """The files whose shards are made anew, and the phases that had something to do."""
        changed = small_recipe(tmp_path / "in", tmp_path / "run", **overrides)
        before, phases = shards_of(changed), [phase.name for phase in pending_phases(changed)]
        launch(changed, "local", tasks=3, workers=1)
        assert all(is_done(changed, name) for name in STAGES)
        return redone(before, shards_of(changed)), phases

    launch(recipe, "local", tasks=2, workers=1)
    assert again() == (set(), [])
    assert again(**{"pairs.max_seq_length": "40"}) == (set(), ["pairs"])
    write_corpus(tmp_path / "in" / "1.txt", 20, seed=9)
    assert again() == ({"1.txt"}, ["files", "merge", "tokenizer", "tokens", "pairs"])
    assert again(**{"corpus.min_document_words": "20"})[0] == {f"{number}.txt" for number in range(4)}
    assert again(**{"corpus.validation_share": "0.3", "corpus.min_document_words": "20"}) == (
        set(),
        ["tokenizer", "tokens", "pairs"],
    )


def test_a_missing_shard_is_made_again_and_a_merge_without_it_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_corpus(tmp_path / "in" / f"{number}.txt", 20, seed=number)
    recipe = small_recipe(tmp_path / "in", tmp_path / "run")
    write_file_shards(recipe, 0, 1)
    before = shards_of(recipe)
    lost = next(
        path
        for path in (recipe.folder / "cluster" / "files").iterdir()
        if json.loads((path / "shard.json").read_text())["source"].endswith("2.txt")
    )
    shutil.rmtree(lost)
    with pytest.raises(InputError, match=r"the shard of .*2\.txt is missing"):
        merge_file_shards(recipe, 0, 1)
    launch(recipe, "local", tasks=2, workers=1)
    assert redone(before, shards_of(recipe)) == {"2.txt"}


def test_a_later_deletion_redoes_only_the_files_whose_records_it_takes(tmp_path):
    write_mixed_corpus(tmp_path)
    recipe = small_recipe(tmp_path / "in" / "*", tmp_path / "run", **{"corpus.errors": "replace"})
    launch(recipe, "local", tasks=2, workers=1)
    before = shards_of(recipe)
    (tmp_path / "in" / "p4.xml").write_text(
        "<PubmedArticleSet><DeleteCitation><PMID>22</PMID></DeleteCitation></PubmedArticleSet>"
    )
    launch(recipe, "local", tasks=2, workers=1)
    assert redone(before, shards_of(recipe)) == {"p3.xml.gz", "p4.xml"}


def test_data_sets_of_the_hub_are_shards_too(tmp_path):
    texts = write_corpus(tmp_path / "texts.txt", 20)
    (tmp_path / "data").mkdir()
    rows = [{"text": text} for text in write_corpus(tmp_path / "more.txt", 20, seed=1).read_text().split("\n\n")]
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = {"corpus.path": f"[{texts}, hub:{tmp_path / 'data'}]"}
    one, many = (small_recipe(texts, tmp_path / name, **paths) for name in ("one", "many"))
    for rank in (1, 0):
        write_file_shards(many, rank, 2)
    merge_file_shards(many, 0, 1)
    prepare_corpus(one)
    assert_same(one.folder, many.folder)
    assert set(shards_of(many)) == {str(texts), f"hub:{tmp_path / 'data'}"}


def started(config: str, *options: str) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "scripts" / "prepare_cluster.py"), config, *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def test_a_killed_run_goes_on(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(8):
        # The signatures of near copies take a second for the long file: the run is not over when it is killed.
        write_corpus(tmp_path / "in" / f"{number}.txt", 1200 if number == 2 else 20, seed=number)
    config = config_of(tmp_path, str(tmp_path / "in"), **{"corpus.near_duplicates": "0.9"})
    recipe = load_recipe(config)
    shards = recipe.folder / "cluster" / "files"
    process = started(config, "--tasks", "8", "--workers", "2")
    while len(finished_shards(shards)) < 3 and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # What was unfinished depends on the moment. This one always is: it lacks the last rename, and its host is gone.
    unfinished = finished_shards(shards)[0].rename(shards / "0123.host-1.partial")
    source = json.loads((unfinished / "shard.json").read_text())["source"]
    before = shards_of(recipe)
    assert len(before) in range(2, 8)
    assert source not in before
    done = run_script("prepare_cluster", config, "--tasks", "5", "--workers", "1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not redone(before, shards_of(recipe)) & {Path(name).name for name in before}
    assert Path(source).name in redone(before, shards_of(recipe))
    assert len(list(shards.iterdir())) == 8
    one = small_recipe(tmp_path / "in", tmp_path / "one", **{"corpus.near_duplicates": "0.9"})
    for name in STAGES:
        run_stage(one, name)
    assert_same(one.folder, recipe.folder)


def test_bad_files_are_refused_in_one_line(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_corpus(tmp_path / "in" / f"{number}.txt", 10, seed=number)
    (tmp_path / "in" / "1.txt").write_bytes(b"A text\xff.\n\nAnother.")
    (tmp_path / "in" / "2.txt").write_bytes(b"\xfe\xfe")
    done = run_script("prepare_cluster", config_of(tmp_path, str(tmp_path / "in")), "--tasks", "3", "--workers", "2")
    assert_refused(done, "1.txt", "not UTF-8")
    assert not (tmp_path / "run" / "corpus").exists()
    assert not list((tmp_path / "run").rglob("*.partial"))


@pytest.mark.parametrize(
    ("executor", "options", "message"),
    [
        ("local", {"partition": "cpu"}, "--partition cpu is an option of --executor slurm"),
        ("local", {"tasks": 0}, "--tasks is 0"),
        ("slurm", {"tasks": 2}, "needs --partition"),
    ],
)
def test_options_that_cannot_serve_are_refused(prepared, executor, options, message):
    with pytest.raises(InputError, match=message):
        launch(prepared, executor, **options)


@pytest.mark.parametrize(
    ("executor", "package", "extra"), [("local", "datatrove.executor", "datatrove"), ("ray", "ray", "ray")]
)
def test_a_missing_package_is_named_with_the_remedy(prepared, monkeypatch, executor, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "recipe.cluster.executors", raising=False)
    with pytest.raises(InputError, match=rf"needs {extra}, .*pip install {extra}$"):
        launching._executors(executor)


SBATCH = """#!{python}
import os, re, subprocess, sys
from pathlib import Path
home = Path(__file__).parent
script = Path(sys.argv[-1]).read_text()
number = len(list(home.glob("*.job"))) + 1
(home / f"{{number}}.job").write_text(" ".join(sys.argv[1:-1]) + "\\n" + script)
needed = re.findall(r"afterok:(\\d+)", " ".join(sys.argv) + script)
status = max([int((home / f"{{job}}.status").read_text()) for job in needed], default=0)
is_run = "launch_pickled_pipeline" in script and not status
tasks = range(int(re.search(r"--array=0-(\\d+)", script)[1]) + 1) if is_run else []
for task in tasks:
    variables = {{**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_NODELIST": "here"}}
    with open(home / f"{{number}}_{{task}}.out", "w") as out:
        status |= subprocess.run(["bash", sys.argv[-1]], env=variables, stdout=out, stderr=out).returncode
(home / f"{{number}}.status").write_text(str(status))
print("Submitted batch job", number)
"""
SRUN = '#!/bin/bash\nwhile [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done\nexec "$@"\n'
SCONTROL = "#!/bin/bash\necho here\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands of Slurm's names, of which sbatch runs the script at once, each task of the array in turn, and never
    behind a job that failed.
    """
    home = tmp_path / "slurm"
    home.mkdir()
    for name, text in (("sbatch", SBATCH.format(python=sys.executable)), ("srun", SRUN), ("scontrol", SCONTROL)):
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return home


def jobs_of(slurm: Path) -> list[str]:
    """What was submitted but for datatrove's own sums of statistics, in order."""
    texts = [path.read_text() for path in sorted(slurm.glob("*.job"), key=lambda path: int(path.stem))]
    return [text for text in texts if "launch_pickled_pipeline" in text]


def test_slurm_jobs_wait_for_each_other_and_make_the_same_files(tmp_path, slurm, prepared):
    one = small_recipe(prepared.corpus.path[0], tmp_path / "one")
    for name in STAGES:
        run_stage(one, name)
    recipe = small_recipe(prepared.corpus.path[0], tmp_path / "run", **{"pairs.num_proc": "3"})
    launch(recipe, "slurm", tasks=2, partition="cpu", time="1:00:00", mem_per_cpu_gb=3, cpus_per_task=2)
    jobs = jobs_of(slurm)
    assert [job.split("--job-name=")[1].split()[0] for job in jobs] == [
        "bert-files",
        "bert-merge",
        "bert-tokenizer",
        "bert-tokens",
        "bert-pairs",
    ]
    assert ["--array=0-1" in job for job in jobs] == [True, False, False, True, False]
    assert ["--cpus-per-task=2" in job for job in jobs] == [True, False, False, True, False]
    assert "--dependency" not in jobs[0]
    assert all("--dependency=afterok:" in job.split("\n")[0] for job in jobs[1:])
    for option in ("--partition=cpu", "--time=1:00:00", "--mem-per-cpu=3G", "--kill-on-invalid-dep=yes"):
        assert all(f"#SBATCH {option}" in job for job in jobs)
    assert_same(one.folder, recipe.folder)


def test_a_slurm_job_with_bad_input_fails_in_one_line_and_stops_those_behind_it(tmp_path, slurm):
    (tmp_path / "bad.txt").write_bytes(b"A text.\n\nAnother\xff.")
    recipe = small_recipe(tmp_path / "bad.txt", tmp_path / "run")
    launch(recipe, "slurm", tasks=1, partition="cpu")
    assert {path.read_text() for path in slurm.glob("*.status")} == {"2"}
    out = (slurm / "1_0.out").read_text()
    assert "Traceback" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert "not UTF-8" in line
    assert [path.name for path in slurm.glob("*.out")] == ["1_0.out"]
    assert not (recipe.folder / "corpus").exists()
