"""Fine-tuned models as ONNX: the same predictions, for any batch and length; and what is refused."""

import importlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from made_up_task import LABELS, build_config, build_tokenizer, write_checkpoint
from transformers import BertConfig

from recipe.errors import InputError
from recipe.tasks.finetuning.sequence_classifier import BertForSequenceClassification
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification
from recipe.tasks.finetuning.training import save_model
from recipe.tasks.prediction import export as export_module
from recipe.tasks.prediction.export import export
from recipe.tasks.prediction.onnx_model import ONNX_FILE, OnnxModel, require_onnx

needs_onnx = pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra [onnx] is not installed: 120 MB for one command",
)
TEXT = "Aspirin carbonate was given.  The rats of renal fever and zinc (lithium) ended! Glucose-zinc in cells?\n"
PAIRS = "the rats with fever\taspirin was given\nzinc\tthe cell of rats with renal fever and lithium\n"


def fine_tuned(folder: Path, model_class, labels: list[str], **changes) -> Path:
    """A model with random initialisation, whose answers are therefore of all kinds."""
    tokenizer = build_tokenizer()
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    config = BertConfig(**{**build_config(len(tokenizer)).to_dict(), **names, "initializer_range": 0.5, **changes})
    torch.manual_seed(3)
    tokenizer.model_max_length = config.max_position_embeddings
    save_model(model_class(config), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def tagger(tmp_path_factory) -> Path:
    return fine_tuned(tmp_path_factory.mktemp("tagger") / "model", BertForTokenClassification, LABELS)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    changes = {"problem_type": "single_label_classification", "text_pairs": True}
    folder = tmp_path_factory.mktemp("classifier") / "model"
    return fine_tuned(folder, BertForSequenceClassification, ["no", "yes", "maybe"], **changes)


def predictions(model: Path, file: Path) -> list[dict]:
    code = "import sys; from recipe.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "predict", str(model), str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def rounded(value):
    """Numbers to three digits: those of ONNX differ in the seventh."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


@needs_onnx
@pytest.mark.parametrize(("kind", "text"), [("tagger", TEXT), ("classifier", PAIRS)])
def test_predictions_are_those_of_torch(kind, text, request, tmp_path):
    model, output, file = request.getfixturevalue(kind), tmp_path / "onnx", tmp_path / "texts.txt"
    file.write_text(text)
    told = export(model, output, str(file))
    assert told.startswith(f"{output / ONNX_FILE}: ")
    assert "rows of 3 to " in told
    assert sorted(path.name for path in output.iterdir()) == sorted(
        [ONNX_FILE, *(path.name for path in model.iterdir() if path.suffix == ".json" or path.name == "vocab.txt")]
    )
    theirs = predictions(model, file)
    assert predictions(output, file) == rounded(theirs)
    assert any(line.get("entities") or line.get("label") for line in theirs)


@needs_onnx
def test_batch_and_length_are_free_and_padding_changes_nothing(tagger, tmp_path):
    export(tagger, tmp_path / "onnx", None)
    model = BertForTokenClassification.from_pretrained(tagger).eval()
    onnx = OnnxModel(tmp_path / "onnx", model.config)
    generator = torch.Generator().manual_seed(0)
    for rows, length in ((1, 1), (1, 32), (5, 9), (3, 2)):
        ids = torch.randint(5, model.config.vocab_size, (rows, length), generator=generator)
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.inference_mode():
            expected = model(**batch).logits
        assert onnx(**batch).logits.shape == (rows, length, 3)
        torch.testing.assert_close(onnx(**batch).logits, expected, rtol=0, atol=1e-4)
        padded = {name: torch.nn.functional.pad(value, (0, 32 - length)) for name, value in batch.items()}
        torch.testing.assert_close(onnx(**padded).logits[:, :length], expected, rtol=0, atol=1e-4)


@needs_onnx
def test_another_result_than_that_of_torch_is_not_kept(tagger, tmp_path, monkeypatch):
    class Wrong(OnnxModel):
        def __call__(self, **batch):
            found = super().__call__(**batch)
            # Only a row of its own is wrong: the first one that is compared is right.
            found.logits[..., 0] += 1e-3 if len(found.logits) == 1 else 0
            return found

    monkeypatch.setattr(export_module, "OnnxModel", Wrong)
    with pytest.raises(InputError, match=r"differ from torch's by 0.001, more than 0.0001, so nothing was written"):
        export(tagger, tmp_path / "onnx", None)
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_what_cannot_be_exported_is_one_line(tagger, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    pretrained = write_checkpoint(tmp_path / "pretrained")
    other = shutil.copytree(tagger, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    for model, output, message in (
        (tagger, tmp_path / "full", "is there already; name a new folder by --output"),
        (pretrained, tmp_path / "new", "lacks the weights classifier.bias; fine-tune the model first"),
        (other, tmp_path / "new", "is of the model type 'roberta'; export takes BERT"),
    ):
        with pytest.raises(InputError) as refused:
            export(model, output, None)
        assert message in str(refused.value)
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "new").exists()
    broken = shutil.copytree(tagger, tmp_path / "broken")
    (broken / ONNX_FILE).write_bytes(b"no model")
    with pytest.raises(InputError, match=r"model.onnx: is no ONNX model that loads"):
        OnnxModel(broken, None)


def test_a_missing_package_is_named_with_the_extra_that_has_it(tagger, tmp_path, monkeypatch):
    def without(name: str):
        raise ImportError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError) as refused:
        export(tagger, tmp_path / "onnx", None)
    assert str(refused.value) == (
        "ONNX needs the package onnx, which is not installed; pip install onnx onnxscript onnxruntime"
    )
    with pytest.raises(InputError, match="needs the package onnxruntime"):
        require_onnx("onnxruntime")


def test_rows_that_are_compared_are_those_of_the_text(tmp_path):
    tokenizer, file = build_tokenizer(), tmp_path / "text.txt"
    file.write_text(TEXT)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    rows = export_module._rows(tokenizer, 16, str(file))
    assert (len(rows[0]), len(rows[-1])) == (3, 16)
    assert len({len(row) for row in rows}) == len(rows) == 8
    assert all(row == [2, *ids[: len(row) - 2], 3] for row in rows)
    random = export_module._rows(tokenizer, 16, None)
    assert len(np.unique(random[-1])) > 8
