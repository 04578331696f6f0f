"""Broken files of every task of BLURB: one clear line or a task whose parts are whole, never anything else."""

from pathlib import Path
from random import Random

import pytest
from made_up_texts import SIZES, WRITERS, write_texts

from recipe.errors import InputError
from recipe.tasks.catalog import TASK_TYPES, task_table

PIECES = [
    b"",
    b"\t",
    b"\n",
    b'"',
    b"\xff",
    b"{",
    b"[",
    b"nan",
    b"\x00",
    b"@",
    b"9_9",
    b"\\ud800",
    b"-DOCSTART-",
    "\u2028".encode(),
]


@pytest.mark.parametrize("name", WRITERS)
def test_150_broken_files_give_one_line_or_a_whole_task(name, tmp_path):
    (path,) = (path for path in write_texts(name, tmp_path).iterdir() if path.name.startswith("test"))
    whole, refused = path.read_bytes(), 0
    for seed in range(150):
        path.write_bytes(broken(whole, Random(seed)))
        message, task = read_or_refuse(name, tmp_path)
        assert "\n" not in message
        assert task is not None or str(tmp_path) in message
        if task is not None:
            sizes = next(iter(task.counts().values()))
            assert (sizes["train"], sizes["devel"]) == (SIZES["train"], SIZES["dev"])
            assert sizes["test"] > 0
        refused += bool(message)
    assert refused > 15, "nearly nothing was broken"


def broken(content: bytes, draw: Random) -> bytes:
    """Some bytes changed, removed or doubled."""
    for _ in range(draw.choice([1, 2, 5])):
        place = draw.randrange(len(content))
        piece = draw.choice([*PIECES, content[place : place + 30]])
        content = content[:place] + piece + content[place + draw.randrange(4) :]
    return content


def read_or_refuse(name: str, folder: Path):
    entry = task_table()[name]
    try:
        return "", TASK_TYPES[entry.type].read(folder, **entry.options)
    except InputError as error:
        return str(error), None
