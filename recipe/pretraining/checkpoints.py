"""Checkpoints: a manifest of sha256 is written last, so a checkpoint without a matching one is incomplete."""

import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from recipe.errors import InputError
from recipe.files import read_json, sha256_of_file, write_json
from recipe.processes import exchange, is_first_process
from recipe.run_folder.settings import size_of
from recipe.run_folder.shared import PATIENCE, hosts_without

MANIFEST = "manifest.json"
# Room for a checkpoint of the size of the last one, with some for growth of its state.
_ROOM = 1.2
# Weights and two moments in float32, if there is no checkpoint yet.
_BYTES_PER_PARAMETER = 12


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Write the manifest of a checkpoint whose other files are all written: their sha256 and sizes, and `about`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of_file(path), "size": path.stat().st_size}
        for path in paths
    }
    write_json(folder / MANIFEST, {**about, "files": files})


def damage_of(folder: Path) -> str:
    """What is wrong with a checkpoint, "" if it is complete and all its weights and moments are finite."""
    if not (folder / MANIFEST).is_file():
        return "it has no manifest: the run was stopped while it was written"
    try:
        files = {
            name: (entry["sha256"], entry["size"]) for name, entry in read_json(folder / MANIFEST)["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    for name, (digest, size) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size or sha256_of_file(path) != digest:
            return f"{name} is not as it was written"
    for path in sorted(folder.glob("*.safetensors")):
        if name := not_finite_in(path):
            return f"{name} in {path.name} is not finite"
    return ""


def is_complete(folder: Path) -> bool:
    """Whether every file of the manifest is there with the bytes that were written, and the weights are finite."""
    return not damage_of(folder)


def newest_complete_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint-STEP of the highest step; others are named on the terminal with what is wrong."""
    # Trainer's own search takes the newest folder, and dies on one that a killed run left half written.
    for path in checkpoints_in(folder):
        damage = damage_of(path)
        if not damage:
            return path
        print(f"{path}: passed over, {damage}", flush=True)
    return None


def agreed_checkpoint(folder: Path, timeout: float) -> Path | None:
    """The newest complete checkpoint as the first rank sees it, which alone reads its files; every rank must call it.

    Args:
        timeout: seconds after which a rank that does not answer is given up.

    Raises:
        InputError: on all ranks, if some machine does not have the checkpoint with the same manifest.
    """
    # Each rank's own search would hash all files on each, and where a view of the folder lags, ranks would begin at
    # unlike steps.
    found = newest_complete_checkpoint(folder) if is_first_process() else None
    chosen = f"{found.name} {sha256_of_file(found / MANIFEST)}" if found is not None else ""
    chosen = exchange(chosen, timeout)[0]
    if not chosen:
        return None
    name, sha256 = chosen.split()
    path = folder / name
    if missing := hosts_without(lambda: _has_sha256(path / MANIFEST, sha256), timeout):
        raise InputError(
            f"{path}: rank 0 resumes from it, but {', '.join(missing)} did not see it with the same {MANIFEST} within"
            f" {PATIENCE:.0f} s; set run_dir to a folder that all machines share under one path"
        )
    return path


def checkpoints_in(folder: Path) -> list[Path]:
    """All folders checkpoint-STEP, the highest step first."""
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(found, key=_step_of, reverse=True)


def remove_old_checkpoints(folder: Path, newest: Path, kept: int) -> None:
    """Keep `newest` and the `kept` - 1 complete ones before it; incomplete ones before it are removed too."""
    # Only after the newest one has its manifest: with one kept, a run that dies in between would begin anew.
    older = [path for path in checkpoints_in(folder) if _step_of(path) < _step_of(newest)]
    complete = [path for path in older if (path / MANIFEST).is_file()]
    for path in {*older} - {*complete[: kept - 1]}:
        shutil.rmtree(path, ignore_errors=True)


def room_is_missing(folder: Path, parameters: int) -> str:
    """Why the disk cannot take another checkpoint, "" if it can."""
    last = next(iter(checkpoints_in(folder)), None)
    size = size_of(last) if last is not None else 0
    needed = int(_ROOM * (size or _BYTES_PER_PARAMETER * parameters))
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    return f"it needs {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free" if free < needed else ""


def recorded_precision(folder: Path) -> str | None:
    """The precision in which the newest checkpoint was trained, None if there is none."""
    for path in checkpoints_in(folder):
        try:
            return str(read_json(path / MANIFEST)["precision"])
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return None


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether no element is NaN or infinite."""
    floats = [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
    if not floats:
        return True
    # The largest element of each: one number per tensor is moved to the host, together.
    largest = torch.stack([tensor.abs().amax().float() for tensor in floats if tensor.numel()])
    return bool(torch.isfinite(largest).all())


def not_finite_in(path: Path) -> str:
    """The name of a tensor of a .safetensors file that is not finite, "" if there is none."""
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            return next((name for name in names if not all_finite([file.get_tensor(name)])), "")
    except (SafetensorError, OSError):
        # Its sha256 tells whether it is as it was written.
        return ""


def _has_sha256(path: Path, sha256: str) -> bool:
    with suppress(OSError):
        return sha256_of_file(path) == sha256
    return False


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1])
