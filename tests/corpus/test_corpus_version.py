"""The content of RUN/corpus changes only together with the VERSION of its stage."""

import hashlib
import json

import pytest
from cluster_corpus import write_mixed_corpus
from conftest import small_recipe

from recipe.corpus import prepare
from recipe.corpus.prepared import read_prepared

# VERSION of recipe/corpus/prepare.py -> hash of what the mixed corpus becomes.
GOLDEN = {2: "3428e515a695f2a4e327cb9d4c2f1a7cb4f70169971943befc3cc8ba07bca1ee"}


def test_the_clean_documents_change_with_the_version_only(tmp_path):
    pytest.importorskip("datasketch", reason="the extra [dedup] is not installed")
    settings = write_mixed_corpus(tmp_path)
    recipe = small_recipe(tmp_path / "in", tmp_path / "run", **settings)
    prepare.prepare_corpus(recipe)
    folder = recipe.folder / "corpus"
    # Not the bytes of the Parquet files, which are Arrow's; and no path of this machine.
    documents = [vars(document) for document in read_prepared(folder)]
    removed = (folder / "removed.jsonl").read_text(encoding="utf-8")
    statistics = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    content = json.dumps([documents, removed, statistics], sort_keys=True).replace(str(tmp_path), "")
    found = hashlib.sha256(content.encode()).hexdigest()
    assert found == GOLDEN[prepare.VERSION], (
        "the stage corpus makes other documents: raise VERSION of recipe/corpus/prepare.py and write the new hash here"
    )
