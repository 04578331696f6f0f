import re

import numpy as np
import pytest
from conftest import small_recipe

from recipe.pairs import statistics as module
from recipe.pairs.sampling import PairRules, make_pairs
from recipe.pairs.statistics import count_pairs, describe
from recipe.pipeline import run_stage
from recipe.tokens.store import open_token_store

RULES = PairRules(45, short_seq_probability=0.5)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("window", [1 << 24, 500])
def test_tokens_that_no_pair_shows_are_counted(prepared, monkeypatch, passes, window):
    monkeypatch.setattr(module, "WINDOW", window)
    store = open_token_store(prepared.folder / "store" / "train")
    seen = set()
    for pass_index in range(passes):
        for pairs in make_pairs(
            store.sentence_offsets, store.document_offsets, RULES, 1, pass_index, 0, store.documents
        ):
            for segment in ("a", "b"):
                for start, length in zip(
                    getattr(pairs, segment + "_start"), getattr(pairs, segment + "_length"), strict=True
                ):
                    seen |= set(range(start, start + length))
    found = count_pairs(store, RULES, 1, passes).statistics(store, 0.5)
    looked_at = min(window, len(store.tokens))
    assert found["never_seen_of"] == looked_at
    assert found["never_seen_share"] == pytest.approx(
        1 - len([token for token in seen if token < looked_at]) / looked_at
    )
    assert found["never_seen_share"] < 0.2
    if passes == 1:
        assert found["never_seen_share"] > 0


def test_sentences_of_documents_are_counted(prepared, monkeypatch):
    store = open_token_store(prepared.folder / "store" / "train")
    sentences = np.diff(store.document_offsets)
    for at_once in (7, 1 << 20):
        monkeypatch.setattr(module, "DOCUMENTS_PER_BLOCK", at_once)
        found = count_pairs(store, RULES, 1, 1).statistics(store, 0.5)
        assert (found["one_sentence_documents"], found["longest_document_sentences"]) == (
            (sentences == 1).sum(),
            sentences.max(),
        )


LINES = [f"line {number} of a text with some words." for number in range(3000)]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("\n\n".join(LINES[:200]), "documents have one sentence only.*split into sentences, and are blank lines"),
        ("\n\n".join("\n".join(LINES[start : start + 60]) for start in range(0, 3000, 60)), "are blank lines missing"),
        ("\n\n".join("\n".join(LINES[start : start + 2]) for start in range(0, 3000, 2)), "pairs.balance_labels"),
        ("\n\n".join("\n".join(LINES[start : start + 40]) for start in range(0, 2000, 40)), None),
    ],
)
def test_suspicious_text_is_warned_of(tmp_path, capsys, monkeypatch, text, warning):
    monkeypatch.setattr(module, "MANY_SENTENCES", 50)
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    recipe = small_recipe(path, tmp_path / "run", **{"corpus.validation_share": "0.5"})
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(recipe, stage)
    printed = [line for line in capsys.readouterr().out.splitlines() if "pairs: warning: train" in line]
    if warning is None:
        assert not printed
    else:
        assert any(re.search(warning, line) for line in printed), printed


def test_the_line_for_the_terminal_names_what_was_made(prepared):
    store = open_token_store(prepared.folder / "store" / "train")
    found = count_pairs(store, RULES, 1, 1).statistics(store, 0.5)
    line = describe("train", found)
    assert line.startswith(f"train: {found['documents']:,} documents, ")
    for part in (
        f"-> {found['pairs']:,} pairs",
        f"({found['forced_random']:,} of them",
        f"cut {found['tokens_cut']:,} tokens",
        f"{found['never_seen_share']:.1%} of",
    ):
        assert part in line


@pytest.mark.parametrize(("unknown", "warned"), [(0, False), (2, False), (3, True)])
def test_unknown_tokens_are_warned_of_above_two_percent(unknown, warned):
    counts = {"documents": 9, "sentences": 40, "one_sentence_documents": 0, "pairs": 0, "label_1_share": 0}
    found = module.suspicions({**counts, "unknown_share": unknown / 100})
    assert [warning for warning in found if "[UNK]" in warning] == ([found[0]] if warned else [])
