"""Faults that are injected into real runs, and what became of them: how many, how many right, and which were not.

python benchmarks/faults.py                     # a few of each
python benchmarks/faults.py --full              # the numbers of the issue; hours
python benchmarks/faults.py kills bad_numbers   # only these

Writes faults.{md,json} after each fault. A row stays until its fault is injected again: the hours can be shared out.
"""

import importlib
import json
import shutil
import tempfile
import time
from pathlib import Path

from reporting import machine, markdown_table, program_parser, save

# Module of this folder -> its faults: how many in the short and in the full form.
NUMBERS = {
    "fault_training": {
        "kills": (8, 200),
        "bad_numbers": (6, 60),
        "signals": (9, 60),
        "hangs": (2, 10),
        "full_disks": (3, 20),
    },
    "fault_passes": {"next_pass": (3, 20)},
    "fault_folder": {
        "flipped_bytes": (5, 200),
        "cut_files": (5, 40),
        "two_jobs": (2, 10),
        "corpus_inside": (5, 35),
        "start_with_a_store": (1, 10),
    },
    "fault_inputs": {"bad input": (40, 412)},
    "fault_uploads": {"secrets and names planted": (12, 332)},
}
COLUMNS = {
    "fault": "fault",
    "injected": "injected",
    "right": "right",
    "seconds": "seconds",
    "commit": "commit",
    "wrong": "what went wrong",
}


def main() -> None:
    """Inject and write."""
    parser = program_parser(__doc__)
    parser.add_argument("faults", nargs="*", help="names; default: all")
    parser.add_argument("--full", action="store_true", help="as many as the targets name")
    parser.add_argument("--number", type=int, help="so many of each")
    arguments = parser.parse_args()
    for module, numbers in NUMBERS.items():
        functions = importlib.import_module(module).FAULTS
        for name, (few, many) in numbers.items():
            if arguments.faults and name not in arguments.faults:
                continue
            number = arguments.number or (many if arguments.full else few)
            folder, started = Path(tempfile.mkdtemp(prefix="fault-")) / name.replace(" ", "_"), time.monotonic()
            found = functions[name](number, folder)
            shutil.rmtree(folder.parent, ignore_errors=True)
            print(
                f"{found['fault']}: {found['right']} of {found['injected']} right {found['wrong'] or ''}", flush=True
            )
            keep(arguments.results, {**found, "name": name, "seconds": time.monotonic() - started})


def keep(results: Path, row: dict) -> None:
    """Put a row among those of earlier runs, in the order of NUMBERS."""
    path = results / "faults.json"
    kept = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = {old["name"]: old for old in kept} | {row["name"]: {**row, "machine": machine()}}
    order = [name for numbers in NUMBERS.values() for name in numbers]
    ordered = [rows[name] for name in order if name in rows]
    shown = [{**one, "wrong": "; ".join(one["wrong"]), "commit": one["machine"]["commit"][:7]} for one in ordered]
    title = "# Faults\n\nInjected into runs of a small model on two cores; seconds are of the whole row.\n\n"
    save(results, "faults", {"rows": ordered}, title + markdown_table(COLUMNS, shown))


if __name__ == "__main__":
    main()
