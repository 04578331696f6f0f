import getpass
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folder import make_recipe

from recipe.privacy.traces import hidden, public_path, public_settings, traces_in

NAMES = st.text("abcdefg.-_ é", min_size=1, max_size=8).map(str.strip).filter(lambda name: name.strip(". "))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/anna/pubmed/*.xml.gz", "*.xml.gz"),
        ("/home/anna", "~"),
        ("/Users/anna/", "~"),
        ("~/texts/a.txt", "a.txt"),
        ("~anna", "~"),
        ("../a.txt", "a.txt"),
        ("..", "~"),
        ("../../data/a.txt", "a.txt"),
        ("texts/../../x/a.txt", "a.txt"),
        ("C:\\Users\\anna\\a.txt", "a.txt"),
        ("\\\\server\\share\\a.txt", "a.txt"),
        ("file:///home/anna/a.txt", "a.txt"),
        ("zip://a.txt::file:///data/anna/x.zip", "zip://a.txt::x.zip"),
        ("hub:/data/anna/set?split=train", "hub:set?split=train"),
        ("random:/data/anna/model", "random:model"),
        ("texts/*.txt", "texts/*.txt"),
        ("s3://bucket/a/b.txt", "s3://bucket/a/b.txt"),
        ("embedded:allofplos", "embedded:allofplos"),
        ("open-access biomedicine", "open-access biomedicine"),
        ("and/or: law", "and/or: law"),
        ("/", "~"),
        ("", ""),
    ],
)
def test_a_path_is_told_by_its_last_part(path, shown):
    assert public_path(path) == shown


@given(folders=st.lists(NAMES, min_size=1, max_size=4), name=NAMES)
def test_no_folder_of_an_absolute_path_is_told(folders, name):
    shown = public_path("/" + "/".join([*folders, name]))
    assert "/" not in shown
    assert shown in (name, "~")


def test_settings_and_texts_are_cleaned(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.chdir(tmp_path)
    recipe = make_recipe(Path("/scratch/anna/run"))
    recipe.corpus.path = ["/home/anna/pubmed/*.xml.gz", "texts"]
    assert public_settings(recipe).corpus.path == ["*.xml.gz", "texts"]
    assert public_settings(recipe).run_dir == "run"
    text = f"<b>/scratch/anna/run</b>, {tmp_path}/a/b.txt, /home/anna/x, </home/anna>, a/scratch/anna/run"
    assert hidden(text, ["/scratch/anna/run"]) == "<b>run</b>, a/b.txt, ~/x, </home/anna>, a/scratch/anna/run"


@pytest.mark.parametrize(
    "text",
    [
        "/home/anna/texts",
        "'/Users/anna'",
        "C:\\Users\\anna\\x",
        '"C:\\\\Users\\\\anna"',
        "/root/x",
        f"{getpass.getuser()}@node",
        f"on {socket.gethostname()}, yesterday",
        f"ran in {Path(__file__).parent}",
    ],
)
def test_traces_are_found(text):
    assert list(traces_in(text.encode()))


@pytest.mark.parametrize(
    "text", ["</div></p>", "and/or", "https://example.org/home/x", "/usr/bin/env", "a /b/c d", ":root{x}"]
)
def test_what_tells_nothing_is_no_trace(text):
    assert not list(traces_in(text.encode()))
