"""The small odd inputs beside the repository give what their README expects; the same cases made by code are in the
tests of each reader and filter.
"""

import json

import pytest
from conftest import ROOT, small_recipe

from recipe.corpus.prepare import prepare_corpus
from recipe.corpus.prepared import read_prepared

FOLDER = ROOT.parent / "shared" / "data" / "odd_inputs"
# Documents and sentences that are left, and what is counted in reading.
EXPECTED = {
    "bioc_sentences.json": (4, 28, {}),
    "pubtator3.json": (4, 28, {}),
    "json_array.json": (40, 240, {}),
    "list_with_null.jsonl": (40, 120, {"nulls_in_lists": 40}),
    "list_of_paragraphs.jsonl": (33, 1320, {"lists_split_as_paragraphs": 33}),
    "lone_cr.txt": (60, 360, {}),
    "law.txt": (80, 480, {}),
    "pubmed_with_books.xml": (3, 11, {"records_superseded": 0, "records_without_abstract": 0}),
    "pubmed_books_only.xml": (2, 6, {"records_superseded": 0, "records_without_abstract": 0}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_user_expects(tmp_path, name):
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there; it is no part of the product")
    recipe = small_recipe(FOLDER / name, tmp_path / "run", **{"corpus.exact_duplicates": "false"})
    prepare_corpus(recipe)
    statistics = json.loads((recipe.folder / "corpus" / "statistics.json").read_text(encoding="utf-8"))
    documents = list(read_prepared(recipe.folder / "corpus"))
    sentences = sum(len(document.sentences) for document in documents)
    assert (len(documents), sentences, statistics["reading"]) == EXPECTED[name]
    assert (recipe.folder / "corpus" / "removed.jsonl").read_text() == ""
