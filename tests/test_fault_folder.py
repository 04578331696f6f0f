"""A short form of benchmarks/fault_folder.py."""

import importlib.util
from pathlib import Path

import pytest
from conftest import ROOT

_SPEC = importlib.util.spec_from_file_location("fault_folder", ROOT / "benchmarks" / "fault_folder.py")
assert _SPEC is not None
assert _SPEC.loader is not None
fault_folder = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fault_folder)

NUMBERS = {"flipped_bytes": 12, "cut_files": 8, "two_jobs": 2, "corpus_inside": 5, "start_with_a_store": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", fault_folder.FAULTS)
def test_every_injected_fault_ends_as_it_should(tmp_path: Path, name: str):
    found = fault_folder.FAULTS[name](NUMBERS[name], tmp_path / name)
    assert found["wrong"] == []
    assert found["right"] == found["injected"] == NUMBERS[name]
