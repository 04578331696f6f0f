import json

from recipe.pretraining.checkpoints import MANIFEST, is_complete, newest_complete_checkpoint, write_manifest


def checkpoint(folder, step):
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    for name in ("model.safetensors", "optimizer.pt", "trainer_state.json"):
        (path / name).write_bytes(f"{name} of step {step}".encode())
    write_manifest(path)
    return path


def test_the_newest_complete_checkpoint_is_found(tmp_path, capsys):
    for step in (90, 100, 1000):
        checkpoint(tmp_path, step)
    assert newest_complete_checkpoint(tmp_path).name == "checkpoint-1000"
    (tmp_path / "checkpoint-1000" / MANIFEST).unlink()  # stopped while it was written
    assert newest_complete_checkpoint(tmp_path).name == "checkpoint-100"
    assert "checkpoint-1000: incomplete" in capsys.readouterr().out
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
