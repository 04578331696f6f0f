"""Imports go down only: a module may import lower floors, and on its own floor only what stands before it."""

import ast
from itertools import chain
from pathlib import Path

from recipe.provenance import imported_modules

TASKS = """
schemes columns nero dictionary windows kinds scores ner pico records examples shortening encoded_texts relations similarity documents questions table fetch
protocol shares runs collation token_classifier sequence_classifier heads inference loading finetuning stage results comparison experiment entry texts tagger
highlights prediction blurb
""".split()
FLOORS = (
    ("errors", "sentences", "entities", "randomness", "provenance", "pairs", "wording", "report_page", "run_files"),
    (
        "config",
        "config_file",
        *(
            f"corpus.{name}"
            for name in ("document", "files", "text_blocks", "plain_text", "records", "xml", "pubmed", "jats", "bioc", "hub", "formats", "reading")
        ),
        "corpus",
        "corpus.prepared",
        *(f"cleaning.{name}" for name in ("step", "characters", "boilerplate", "limits", "hash_set", "duplicates", "decontamination", "funnel")),
        "cleaning",
        "prepare",
        "encoding",
        "alphabet",
        "wordpiece",
        "fertility",
        "tokenizer",
    ),
    ("token_blocks", "token_store", "pair_passes", "pair_statistics", "pair_dataset", "batches"),
    ("masking", "dropout", "unpadded", "vocabulary_loss", "model", "throughput", "metrics", "checkpoints"),
    (
        "trainer",
        "pretrain",
        "evaluation",
        "tasks",
        *(f"tasks.{name}" for name in TASKS),
        "plots",
        "inspection",
        "key_numbers",
        "shown_pairs",
        "report",
        "model_card",
        "hub",
    ),
    ("stages", "cluster", *(f"cluster.{name}" for name in ("parts", "units", "phases", "executors", "launch")), "command_line"),
)
ORDER = {f"recipe.{name}": place for place, name in enumerate(chain(*FLOORS))}
PACKAGE = Path(__file__).parent.parent / "recipe"


def modules() -> dict[str, Path]:
    names = {path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")}
    return {name: path for path, name in names.items() if name != "recipe"}


def test_every_module_has_its_floor():
    assert set(modules()) == set(ORDER)


def test_imports_go_down_only():
    upwards = [
        f"{name} imports {imported}"
        for name, path in modules().items()
        for imported in imported_modules(ast.parse(path.read_text()))
        if ORDER[imported] >= ORDER[name] and not imported.startswith(name + ".")
    ]
    assert not upwards


def test_pairs_need_numpy_only():
    imports = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse((PACKAGE / "pairs.py").read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert {name.split(".")[0] for name in imports} <= {"numpy", "recipe", "dataclasses", "enum", "collections"}


def test_only_the_executors_know_datatrove():
    knowing = {
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for imported in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if imported.split(".")[0] in ("datatrove", "ray")
    }
    assert knowing == {"recipe.cluster.executors"}
