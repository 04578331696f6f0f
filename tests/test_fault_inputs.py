"""The short forms of benchmarks/fault_inputs.py, fault_uploads.py and fault_passes.py."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(("program", "number"), [("fault_inputs", 80), ("fault_uploads", 24), ("fault_passes", 3)])
def test_no_fault_of_a_sample_goes_wrong(program, number, tmp_path):
    code = (
        f"import sys, json, pathlib; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); import {program};"
        f" print(json.dumps([each({number}, pathlib.Path({str(tmp_path)!r}) / 'scratch')"
        f" for each in {program}.FAULTS.values()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert f'"injected": {number}, "right": {number}, "wrong": []' in done.stdout
