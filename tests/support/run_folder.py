"""A run folder as the stages leave it, with made-up but plausible numbers, for the tests of the report, the model card
and the Hub.
"""

import json
import math
from pathlib import Path
from typing import Any

from recipe.config import (
    CorpusConfig,
    HubConfig,
    MaskingConfig,
    ModelConfig,
    PairsConfig,
    Recipe,
    TaskConfig,
    TokenizerConfig,
    TrainingConfig,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,()%"
WORDS = (
    "patients cells expression study protein analysis data treatment genes groups model risk mice clinical levels"
    " infection samples health population disease signaling dna species response effects months activity cancer women"
    " mortality binding blood receptor sequence hiv virus malaria plasma brain exposure"
).split()


def make_recipe(folder: Path, **hub: Any) -> Recipe:
    """The recipe of the made-up run."""
    return Recipe(
        run_dir=str(folder),
        corpus=CorpusConfig(path=["embedded:allofplos"]),
        tokenizer=TokenizerConfig(vocab_size=8192),
        pairs=PairsConfig(max_seq_length=128),
        masking=MaskingConfig(mlm_probability=0.2),
        model=ModelConfig(
            num_hidden_layers=2,
            hidden_size=128,
            num_attention_heads=2,
            intermediate_size=512,
            max_position_embeddings=128,
        ),
        training=TrainingConfig(
            max_steps=3000, global_batch_size=16, per_device_batch_size=16, learning_rate=3e-3, eval_steps=250
        ),
        task=TaskConfig(name="embedded:nero", seeds=[1, 2, 3]),
        hub=HubConfig(**{"domain": "open-access biomedicine", "license": "apache-2.0", **hub}),
    )


def write_run_files(recipe: Recipe, *names: str) -> None:
    """Write the files of the named stages, of all of them if none is named; `recipe.yaml` is always there."""
    contents = {
        "corpus/statistics.json": corpus_statistics(),
        "pairs/statistics.json": {"train": pair_statistics(119, 27_010), "validation": pair_statistics(3, 611)},
        "tokenizer/statistics.json": tokenizer_statistics(),
        "fertility.json": fertility_record(),
        "training.json": training_record(),
        "evaluation.json": evaluation_record(),
        "task/scores.json": task_scores(),
        "stages.json": stages_record(),
    }
    recipe.folder.mkdir(parents=True, exist_ok=True)
    (recipe.folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    for name, content in contents.items():
        if not names or name in names:
            path = recipe.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content), encoding="utf-8")


def write_model(folder: Path) -> None:
    """A tiny BertForPreTraining with a WordPiece tokenizer, saved as the pretraining stage saves its own."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(1)
    vocabulary = [*SPECIAL, *LETTERS, *("##" + letter for letter in LETTERS), *WORDS]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    backend = BertWordPieceTokenizer(vocab={piece: index for index, piece in enumerate(vocabulary)}, lowercase=True)
    BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=64).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertForPreTraining(config).save_pretrained(folder)


def corpus_statistics() -> dict[str, Any]:
    """The cleaning report of a small corpus."""
    left = {
        "read": (130, 28_411, 3_912_004, 0),
        "white_space": (130, 28_411, 3_911_870, 12),
        "document_length": (124, 28_400, 3_911_002, 0),
    }
    left |= {"exact_duplicates": (123, 27_950, 3_850_331, 0), "decontaminate": (122, 27_621, 3_799_118, 0)}
    names = ("documents", "sentences", "characters", "changed_documents")
    filters = [{"filter": name, **dict(zip(names, numbers, strict=True))} for name, numbers in left.items()]
    removed = {"document_length": 6, "exact_duplicates": 1, "decontaminate": 1}
    return {
        "filters": filters,
        "removed_documents": removed,
        "deleted_parts": {"boilerplate": 12},
        "samples_of_deleted_parts": {"boilerplate": ["© 2019 The Authors <x>."]},
        "reading": {"documents_without_text": 3, "replaced_bytes": 17},
    }


def pair_statistics(documents: int, sentences: int) -> dict[str, Any]:
    """What the pair builder counts in one split."""
    pairs = sentences * 33 // 122
    edges = list(range(0, 129, 8))
    shape = [
        3 * math.exp(-((edge - 60) ** 2) / 6000) + (26 if edge >= 112 else 9 if edge >= 104 else 0)
        for edge in edges[:-1]
    ]
    return {
        "documents": documents,
        "sentences": sentences,
        "tokens": sentences * 30,
        "empty_sentences": 14,
        "pairs": pairs,
        "label_1_share": 0.618,
        "forced_random": int(0.236 * pairs),
        "tokens_used": sentences * 30 - 11 * pairs // 3,
        "tokens_cut": 11 * pairs // 3,
        "mean_length": 106.4,
        "length_histogram": {"edges": edges, "counts": [round(pairs * part / sum(shape)) for part in shape]},
        "segment_a_mean_length": 51.7,
        "segment_b_mean_length": 51.7,
    }


def tokenizer_statistics() -> dict[str, Any]:
    """What the tokenizer stage counts."""
    words = [[word, round(9200 / (rank + 2.5) ** 0.62)] for rank, word in enumerate(WORDS)]
    return {
        "vocab_size": 8192,
        "documents": 119,
        "words": 671_204,
        "top_whole_words": words,
        "mean_pieces_per_word": 1.273,
    }


def fertility_record() -> dict[str, Any]:
    """How two tokenizers cut two texts."""
    rows = []
    for text, words in (("validation text", 34_120), ("NERO chemicals: entities", 9_771)):
        for name, size, share in (("this", 8192, 0.812), ("bert-base-uncased", 30_522, 0.643)):
            longest = [["phosphatidylinositol", ["phosphatid", "##yl", "##inositol"]]]
            row = {
                "words": words,
                "distinct_words": words // 9,
                "pieces_per_word": 2 - share,
                "whole_share": share,
                "whole_share_of_distinct": share / 2,
            }
            rows.append(
                {
                    "text": text,
                    "tokenizer": name,
                    "vocab_size": size,
                    **row,
                    "unknown_share": 0.00021,
                    "longest": longest,
                }
            )
    return {"rows": rows, "coverage": coverage_rows(), "warnings": []}


def coverage_rows() -> list[dict[str, Any]]:
    """How much of a task two files, and all text, know."""
    rows = []
    for source, words, mentions in (
        ("labels.txt", 1_386_515, 0.403),
        ("trials.txt", 18_172_369, 0.611),
        ("all", 19_558_884, 0.667),
    ):
        shares = {
            "task_words": [0.98, 0.97, 0.95],
            "mentions": [0.86, 0.79, mentions],
            "distinct_mentions": [0.72, 0.62, 0.475],
        }
        rows.append({"source": source, "words": words, **shares, "per_1000": 17.2})
    return rows


def training_record() -> dict[str, Any]:
    """The log of 3,000 steps: a line every 50 and a validation every 250."""
    lines: list[dict[str, Any]] = []
    for step in range(50, 3001, 50):
        lines.append(_training_line(step))
        if step % 250 == 0:
            lines.append(_validation_line(step))
    return {"log_history": lines, "parameters": 1_586_690, "world_size": 1, "seconds": 341.2, "device": "cpu"}


def evaluation_record() -> dict[str, Any]:
    """What the evaluation stage writes."""
    return {
        "mlm_loss": 6.29,
        "perplexity": math.exp(6.29),
        "mlm_accuracy": 0.1331,
        "nsp_loss": 0.6412,
        "nsp_accuracy": 0.6583,
        "nsp_balanced_accuracy": 0.6024,
        "label_1_share": 0.618,
        "unigram_cross_entropy": 6.98,
        "masked_tokens": 26_107,
        "pairs": 1240,
        "examples": [example_pair(), {**example_pair(), "label": 1, "predicted_label": 0}],
    }


def example_pair() -> dict[str, Any]:
    """One pair before and after masking: a right guess, wrong ones, a random piece and a kept one."""
    text = (
        "[CLS] the expression of the receptor was measured in plasma samples of 42 patients with severe malaria ."
        " [SEP] levels of par ##asit ##emia fell within two days of treatment ( p < 0 . 01 ) and no patient died ."
        " [SEP]"
    )
    tokens = text.split()
    masked = list(tokens)
    guesses = {}
    for piece, shown, found in (
        ("expression", "[MASK]", "expression level presence number role"),
        ("plasma", "[MASK]", "blood plasma serum the these"),
        ("malaria", "[MASK]", "disease malaria infection and ."),
        ("par", "[MASK]", "the par plasma these hiv"),
        ("##asit", "[MASK]", "##asit ##as ##ticip ##am ##ent"),
        ("##emia", "[MASK]", "##es ##ic ##emia ##ism ##e"),
        ("days", "brain", "weeks days hours months years"),
        ("treatment", "treatment", "treatment the infection diagnosis therapy"),
    ):
        position = tokens.index(piece)
        masked[position] = shown
        guesses[str(position)] = [[guess, 0.31 / (rank + 1)] for rank, guess in enumerate(found.split())]
    return {"label": 0, "predicted_label": 0, "tokens": tokens, "masked": masked, "guesses": guesses}


def task_scores() -> dict[str, Any]:
    """What the task stage writes."""
    return {
        "task": "NERO chemicals",
        "task_type": "ner",
        "title": "named entity recognition",
        "hub_task": "token-classification",
        "metric": "strict IOB2 entity F1 on test",
        "score": "f1",
        "columns": ["precision", "recall", "seen.recall"],
        "counts": {
            "sentences": {"train": 4000, "devel": 1000, "test": 1000},
            "entities": {"train": 7500, "devel": 1850, "test": 1873},
        },
        "systems": {
            "pretrained": _system_scores([0.3871, 0.4012, 0.3926]),
            "random_initialisation": _system_scores([0.3104, 0.2961, 0.3039]),
        },
        "settings": {"learning_rate": [5e-4], "batch_size": [32], "num_train_epochs": 5},
    }


def stages_record() -> dict[str, Any]:
    """What every stage adds to."""
    spent = {"tokenizer": 9.4, "pairs": 4.1, "pretrain": 341.2, "evaluate": 12.9, "task": 118.7}
    packages = {"domain-bert": "0.2.0", "torch": "2.13.0", "transformers": "5.23.0", "tokenizers": "0.23.3"}
    shared = {"settings": {}, "packages": packages, "git_commit": "77eaa0523be1a7c3d1b0d7a8a3f3f0c9e5b1d2a4"}
    stages = {
        name: {"seconds": seconds, "finished": f"2025-11-22T21:0{index}:17+00:00", "key": "ab" * 32, **shared}
        for index, (name, seconds) in enumerate(spent.items())
    }
    return {"stages": stages}


def _training_line(step: int) -> dict[str, Any]:
    wobble = (math.sin(step * 1.7) + math.sin(step * 0.613) + math.sin(step * 2.41)) * 0.03
    mlm_loss = 6.21 + 0.83 * math.exp(-step / 700) + wobble
    nsp = 1 / (1 + math.exp(-(step - 1700) / 250))
    return {
        "step": step,
        "epoch": step * 16 / 7306,
        "loss": mlm_loss + 0.69 - 0.05 * nsp,
        "mlm_loss": mlm_loss,
        "nsp_loss": 0.69 - 0.055 * nsp + wobble / 6,
        "mlm_accuracy": 0.142 - 0.09 * math.exp(-step / 900) + wobble / 30,
        "nsp_accuracy": 0.612 + 0.055 * nsp + wobble / 3,
        "learning_rate": 3e-3 * min(step / 300, (3000 - step) / 2700),
        "grad_norm": 0.8 + wobble,
        "tokens_seen": step * 1790,
        "pairs_seen": step * 16,
        "tokens_per_second": 15_800 + 900 * wobble,
    }


def _validation_line(step: int) -> dict[str, Any]:
    mlm_loss = 6.285 + 0.78 * math.exp(-step / 720)
    nsp = 1 / (1 + math.exp(-(step - 1800) / 260))
    return {
        "step": step,
        "tokens_seen": step * 1790,
        "eval_mlm_loss": mlm_loss,
        "eval_nsp_loss": 0.688 - 0.047 * nsp,
        "eval_mlm_accuracy": 0.134 - 0.085 * math.exp(-step / 900),
        "eval_nsp_accuracy": 0.618 + 0.04 * nsp,
        "eval_nsp_balanced_accuracy": 0.5 + 0.103 * nsp,
        "eval_perplexity": math.exp(mlm_loss),
    }


def _system_scores(scores: list[float]) -> dict[str, Any]:
    mean = sum(scores) / len(scores)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1))
    runs = [
        {
            "seed": seed,
            "f1": f1,
            "precision": f1 + 0.021,
            "recall": f1 - 0.019,
            "seen": {"recall": f1 + 0.2, "support": 900},
            "devel_score": f1 + 0.008,
            "best_epoch": 4,
            "seconds": 19.8,
        }
        for seed, f1 in enumerate(scores, start=1)
    ]
    columns = {"precision": mean + 0.021, "recall": mean - 0.019, "seen.recall": mean + 0.2}
    return {"mean": mean, "deviation": deviation, "columns": columns, "test_evaluations": 1, "runs": runs}
