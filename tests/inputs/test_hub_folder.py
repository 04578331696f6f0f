"""hub:NAME of a model -> a local folder: what is fetched, and the one line for what cannot be."""

from pathlib import Path

import huggingface_hub
import pytest

from recipe.errors import InputError
from recipe.inputs import hub_folder
from recipe.inputs.hub_folder import local_folder

COMMIT = "c0ffee" * 6 + "abcd"


class RepositoryNotFoundError(Exception):
    """Of this name in every version of huggingface_hub."""


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list[tuple]:
    """What was asked of the Hub, which has model.safetensors."""
    calls: list[tuple] = []
    folder = tmp_path / COMMIT
    folder.mkdir()

    def snapshot_download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        calls.append((name, revision, tuple(allow_patterns)))
        if any(Path("model.safetensors").match(pattern) for pattern in allow_patterns):
            (folder / "model.safetensors").touch()
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    hub_folder._fetched.cache_clear()
    yield calls
    hub_folder._fetched.cache_clear()


def test_a_folder_is_itself():
    assert local_folder("runs/a", "training.init_from", with_weights=True) == Path("runs/a")


def test_weights_are_fetched_only_for_training_and_at_the_same_commit(asked):
    assert local_folder("hub:who/bert?revision=v2", "tokenizer.path").name == COMMIT
    ((name, revision, small),) = asked
    assert (name, revision) == ("who/bert", "v2")
    assert not [pattern for pattern in small if "safetensors" in pattern or "bin" in pattern or "*" in pattern]
    local_folder("hub:who/bert?revision=v2", "training.init_from", with_weights=True)
    assert [call[:2] for call in asked[1:]] == [("who/bert", "v2"), ("who/bert", COMMIT)]
    assert asked[2][2] == ("model*.safetensors*",), "a pickle is fetched although there is a safetensors file"
    local_folder("hub:who/bert?revision=v2", "training.init_from", with_weights=True)
    assert len(asked) == 3, "the Hub is asked twice"


def test_a_pickle_is_fetched_where_there_is_nothing_else(asked, monkeypatch):
    monkeypatch.setattr(hub_folder, "_WEIGHTS", (("other*.safetensors",), ("pytorch_model*.bin*",)))
    local_folder("hub:who/bert", "training.init_from", with_weights=True)
    assert asked[-1] == ("who/bert", COMMIT, ("pytorch_model*.bin*",))


@pytest.mark.parametrize("query", ["?rev=1", "?revision=", "?v2", "?revision=a&split=train"])
def test_an_unknown_option_is_one_line(asked, query):
    with pytest.raises(InputError, match=r"^training.init_from: hub:who/bert\?.*; it takes revision, as in"):
        local_folder(f"hub:who/bert{query}", "training.init_from")
    assert not asked


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RepositoryNotFoundError("404"), "does not exist on the Hub, or is private or gated"),
        (ConnectionError("no route\nto host"), "cannot be reached (ConnectionError); check the network"),
        (ValueError("a\nb"), "cannot be read (ValueError: a b)"),
    ],
)
def test_a_failure_is_one_line(asked, monkeypatch, error, message):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError) as refused:
        local_folder("hub:who/bert", "tokenizer.path")
    assert str(refused.value).startswith(f"tokenizer.path: hub:who/bert {message}")
    assert "\n" not in str(refused.value)
