import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from recipe.pretraining.checkpoints import (
    MANIFEST,
    all_finite,
    damage_of,
    is_complete,
    newest_complete_checkpoint,
    remove_old_checkpoints,
    room_is_missing,
    write_manifest,
)


def checkpoint(folder, step, weight=1.0):
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    for name in ("optimizer.pt", "trainer_state.json"):
        (path / name).write_bytes(f"{name} of step {step}".encode())
    save_file({"weight": torch.full((3,), float(weight))}, path / "model.safetensors")
    write_manifest(path, {"step": step})
    return path


def test_the_newest_complete_checkpoint_is_found(tmp_path, capsys):
    for step in (90, 100, 1000):
        checkpoint(tmp_path, step)
    assert newest_complete_checkpoint(tmp_path).name == "checkpoint-1000"
    (tmp_path / "checkpoint-1000" / MANIFEST).unlink()  # stopped while it was written
    assert newest_complete_checkpoint(tmp_path).name == "checkpoint-100"
    assert "checkpoint-1000: passed over, it has no manifest" in capsys.readouterr().out
    assert newest_complete_checkpoint(tmp_path / "absent") is None


def test_any_damage_is_seen(tmp_path):
    for number, damage in enumerate(("flip", "cut", "remove", "manifest")):
        path = checkpoint(tmp_path, number)
        assert is_complete(path)
        weights = path / "model.safetensors"
        content = bytearray(weights.read_bytes())
        if damage == "flip":
            content[3] ^= 1
            weights.write_bytes(content)
        elif damage == "cut":
            weights.write_bytes(content[:-1])
        elif damage == "remove":
            (path / "optimizer.pt").unlink()
        else:
            (path / MANIFEST).write_text(json.dumps({"model.safetensors": ""})[:-3])
        assert not is_complete(path), damage


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_checkpoint_with_a_weight_that_is_not_finite_is_passed_over(tmp_path, capsys, value):
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, weight=float(value))
    assert newest_complete_checkpoint(tmp_path).name == "checkpoint-5"
    assert "checkpoint-10: passed over, weight in model.safetensors is not finite" in capsys.readouterr().out


def test_the_manifest_names_what_it_stands_for(tmp_path):
    path = checkpoint(tmp_path, 7)
    manifest = json.loads((path / MANIFEST).read_text())
    assert manifest["step"] == 7
    assert {name: entry["size"] for name, entry in manifest["files"].items()} == {
        file.name: file.stat().st_size for file in path.iterdir() if file.name != MANIFEST
    }


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", '{"files": 3}', '{"files": {"optimizer.pt": 1}}', '{"files": {"absent": {}}}']
)
def test_a_damaged_manifest_is_one_line(tmp_path, damage):
    path = checkpoint(tmp_path, 1)
    (path / MANIFEST).write_text(damage)
    assert damage_of(path)


def test_old_checkpoints_go_when_the_new_one_is_complete(tmp_path):
    for step in (1, 2, 3):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-2" / MANIFEST).unlink()
    newest = checkpoint(tmp_path, 4)
    later = checkpoint(tmp_path, 9)
    remove_old_checkpoints(tmp_path, newest, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3", "checkpoint-4", "checkpoint-9"]
    remove_old_checkpoints(tmp_path, later, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-9"]


def test_room_is_that_of_the_last_checkpoint_and_a_fifth(tmp_path, monkeypatch):
    size = sum(path.stat().st_size for path in checkpoint(tmp_path, 1).iterdir())
    for free, missing in ((int(1.2 * size) + 1, False), (int(1.2 * size) - 1, True)):
        monkeypatch.setattr("shutil.disk_usage", lambda folder, free=free: SimpleNamespace(free=free))
        assert bool(room_is_missing(tmp_path, 10)) == missing
    assert "needs 12 MB" in room_is_missing(tmp_path / "new", 830_000)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_bad_element_is_found(value, dtype):
    sound = [torch.ones(3, 4, dtype=dtype), torch.zeros(0), torch.tensor(5), torch.tensor(1.5)]
    assert all_finite(sound)
    assert all_finite([])
    for place in (0, 11):
        bad = torch.ones(12, dtype=dtype)
        bad[place] = float(value)
        assert not all_finite([*sound, bad])
