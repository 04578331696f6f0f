"""The table of tasks, and the fetching of a task from a server on loopback."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SHARED, run_script

from recipe.errors import InputError
from recipe.files import sha256_of_file
from recipe.tasks import catalog
from recipe.tasks.catalog import TASK_TYPES, TaskEntry, find_entry, read_named_task, task_table
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.fetch import fetch_task

GOOD = "Zinc\tB-Chemical\nion\tI-Chemical\n.\tO\n\nrats\tO\n"
COUNTS = {"sentences": dict.fromkeys(TASK_SPLITS, 2), "entities": dict.fromkeys(TASK_SPLITS, 1)}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """Address of a server on loopback and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", folder
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def published(server, monkeypatch) -> TaskEntry:
    """A made-up task, served at its place and in the table."""
    url, folder = server
    (folder / "abc" / "data").mkdir(parents=True)
    for split in TASK_SPLITS:
        (folder / "abc" / "data" / f"{split}.tsv").write_text(GOOD)
    files = {f"{split}.tsv": sha256_of_file(folder / "abc" / "data" / f"{split}.tsv") for split in TASK_SPLITS}
    entry = TaskEntry("made-up", "ner", "made up", url, "abc/data", "no licence", files, COUNTS)
    return in_table(monkeypatch, entry)


def in_table(monkeypatch, entry: TaskEntry) -> TaskEntry:
    monkeypatch.setattr(catalog, "task_table", lambda: {entry.name: entry})
    return entry


def changed(entry: TaskEntry, **values) -> TaskEntry:
    return TaskEntry(**{**vars(entry), **values})


def test_every_entry_has_a_type_files_and_a_pinned_commit():
    ner = ["bc5-chem", "bc5-disease", "ncbi-disease", "bc2gm", "jnlpba"]
    assert list(task_table()) == [*ner, "ebm-nlp", "chemprot", "ddi", "gad", "biosses", "hoc", "pubmedqa", "bioasq"]
    for entry in task_table().values():
        assert TASK_TYPES[entry.type].metric
        assert entry.counts or entry.published
        assert entry.title
        if not entry.url:
            assert f"data/tasks/{entry.name}" in entry.how_to_obtain
            continue
        assert len({*entry.files}) == 3
        assert re.search(r"(?:^|/)[0-9a-f]{40}/", entry.path)
        assert {*entry.paths} <= {*entry.files}
        assert entry.licence


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("bc5-chem", "BC5CDR-chem-IOB"),
        ("bc5-disease", "BC5CDR-disease-IOB"),
        ("ncbi-disease", "NCBI-disease-IOB"),
        ("bc2gm", "BC2GM-IOB"),
    ],
)
def test_the_files_at_hand_are_the_published_ones(name, folder):
    data = SHARED / "data" / "tasks" / folder
    if not data.is_dir():
        pytest.skip(f"{data} is absent")
    named = read_named_task(name, data)
    assert named.task.counts() == task_table()[name].counts
    assert {file: sha256_of_file(data / file) for file in named.entry.files} == named.entry.files


def test_a_task_is_fetched_and_checked(published, tmp_path, capsys):
    folder = tmp_path / "data" / "made-up"
    line = fetch_task("made-up", folder)
    assert line == f"{folder}: made-up: 2 / 2 / 2 sentences, 1 / 1 / 1 entities (train / devel / test); no licence"
    assert "already there" in fetch_task("made-up", folder)
    assert capsys.readouterr().out == ""
    assert read_named_task("made-up", folder).task.name == "made-up"


def test_a_file_without_a_known_sha256_is_warned_of(published, tmp_path, capsys, monkeypatch):
    in_table(
        monkeypatch,
        changed(
            published,
            files=dict.fromkeys(published.files),
            counts={},
            published={"entities": dict.fromkeys(TASK_SPLITS, 7)},
        ),
    )
    fetch_task("made-up", tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.count("warning: ") == 3
    assert "not checked" in printed
    assert "note: test of made-up contains 1 entities; the paper counts 7" in printed


def test_another_file_is_refused_and_nothing_is_left(published, server, tmp_path):
    (server[1] / "abc" / "data" / "test.tsv").write_text(GOOD + "\nmore\tO\n")
    with pytest.raises(InputError, match=r"test\.tsv of made-up: has sha256 .* instead of"):
        fetch_task("made-up", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_missing_file_and_an_absent_server_are_named(published, server, tmp_path):
    (server[1] / "abc" / "data" / "devel.tsv").unlink()
    with pytest.raises(InputError, match=r"abc/data/devel\.tsv: cannot be fetched \(404 Client Error.*--base_url"):
        fetch_task("made-up", tmp_path / "out")
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch_task("made-up", tmp_path / "out", base_url="http://127.0.0.1:1")
    assert not (tmp_path / "out").exists()


def test_counts_that_differ_from_the_table_are_refused(published, server, tmp_path, monkeypatch):
    in_table(monkeypatch, changed(published, counts={"entities": {"train": 1, "devel": 1, "test": 3}}))
    with pytest.raises(InputError, match="test contains 1 entities, but made-up has 3"):
        read_named_task("made-up", server[1] / "abc" / "data")


def test_names_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"'bc5-chm' is not a task; it takes bc5-chem, .*did you mean bc5-chem\?"):
        find_entry("bc5-chm")
    with pytest.raises(InputError, match=r"fetch the task by `domain-bert get-task bc5-chem`"):
        read_named_task("bc5-chem", tmp_path / "absent")
    for split in TASK_SPLITS:
        (tmp_path / f"{split}.tsv").write_text(GOOD)
    own = read_named_task(str(tmp_path), None)
    assert own.task.name == tmp_path.name
    (tmp_path / "test.tsv").write_text(GOOD.replace("Zinc", "Iron"))
    assert read_named_task(str(tmp_path), None).key != own.key


def test_the_script_says_what_is_wrong(tmp_path):
    done = run_script("get_task", "bc5-chem", "--output", str(tmp_path / "out"), TASKS_BASE_URL="http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: http://127.0.0.1:1/d62961c")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_parquet_of_the_hub_is_fetched_from_its_paths(server, monkeypatch, tmp_path, capsys):
    url, folder = server
    place = "some/data/resolve/0123456789012345678901234567890123456789/pairs"
    rows = [
        {"id": "0", "text_1": "zinc", "text_2": "iron", "label": "1.5"},
        {"id": "1", "text_1": "zinc", "text_2": "zinc", "label": "4.0"},
    ]
    for split in ("train", "validation", "test"):
        (folder / place / split).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / place / split / "0000.parquet")
    paths = {
        "train.parquet": "train/0000.parquet",
        "dev.parquet": "validation/0000.parquet",
        "test.parquet": "test/0000.parquet",
    }
    files = {name: sha256_of_file(folder / place / found) for name, found in paths.items()}
    counts = {"pairs": dict.fromkeys(TASK_SPLITS, 2)}
    entry = in_table(
        monkeypatch,
        TaskEntry(
            "likeness", "similarity", "made up", url, place, "no licence", paths=paths, files=files, counts=counts
        ),
    )
    assert (
        fetch_task("likeness", tmp_path / "out")
        == f"{tmp_path / 'out'}: likeness: 2 / 2 / 2 pairs (train / devel / test); no licence"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(files)
    in_table(monkeypatch, changed(entry, files={**files, "test.parquet": "0" * 64}))
    with pytest.raises(InputError, match=r"test\.parquet of likeness: has sha256"):
        fetch_task("likeness", tmp_path / "again")
    in_table(monkeypatch, changed(entry, counts={"pairs": dict.fromkeys(TASK_SPLITS, 3)}))
    with pytest.raises(InputError, match="train contains 2 pairs, but likeness has 3"):
        fetch_task("likeness", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_task_without_an_address_says_how_to_get_it(tmp_path):
    done = run_script("get_task", "bioasq", "--output", str(tmp_path / "out"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(
        "error: bioasq: cannot be fetched by a program; register at participants-area.bioasq.org"
    )
    with pytest.raises(
        InputError, match=r"absent: is not a folder; register at .* or name the folder of its files by --data"
    ):
        read_named_task("bioasq", tmp_path / "absent")
