"""The model card: metadata that the Hub reads, numbers as measured, and nothing that was not."""

import pytest
from huggingface_hub import ModelCard
from run_folder import make_recipe, task_scores, write_run_files

from recipe.files import write_json
from recipe.records import write_recipe
from recipe.report.model_card import write_model_card


@pytest.fixture
def recipe(tmp_path):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe)
    return recipe


def card_of(recipe) -> ModelCard:
    write_model_card(recipe.folder)
    return ModelCard.load(recipe.folder / "model" / "README.md")


def test_metadata(recipe):
    data = card_of(recipe).data
    assert (data.pipeline_tag, data.library_name, data.language, data.license) == (
        "fill-mask",
        "transformers",
        "en",
        "apache-2.0",
    )
    assert {"bert", "next-sentence-prediction", "open-access-biomedicine"} <= set(data.tags)
    results = {(result.task_type, result.metric_type): result.metric_value for result in data.eval_results}
    assert results[("fill-mask", "accuracy")] == 0.1331
    assert results[("token-classification", "f1")] == pytest.approx(0.3936, abs=1e-4)


@pytest.mark.parametrize(
    "line",
    [
        "| MLM loss, nats | 6.290 | 6.980, token frequencies only | `evaluation.json` |",
        "| NSP balanced accuracy | 60.2 % | 50.0 %, chance | `evaluation.json`, 1,240 pairs |",
        (
            "| NERO chemicals: strict IOB2 entity F1 on test | 39.4 ± 0.7 % | 30.3 ± 0.7 %, random initialisation |"
            " `task/scores.json`, 3 seeds, 1,000 sentences, 1,873 entities |"
        ),
        "| tokens | 810,300 | 18,330 |",
        "| steps × pairs a step | 3,000 × 16 |",
        'fill_mask = pipeline("fill-mask", model="NAME/MODEL")',
        'AutoModelForTokenClassification.from_pretrained("NAME/MODEL", num_labels=3)',
        "code at commit 77eaa0523be1a7c3d1b0d7a8a3f3f0c9e5b1d2a4",
    ],
)
def test_lines(recipe, line):
    text = card_of(recipe).text
    assert line in (text.splitlines() if line.startswith("|") else text)


def test_no_words_of_the_automatic_card(recipe):
    text = card_of(recipe).content
    for words in (
        "fine-tuned version of",
        "More information needed",
        "More Information Needed",
        "None dataset",
        "None",
    ):
        assert words not in text


def test_without_task_scores(recipe):
    (recipe.folder / "task" / "scores.json").unlink()
    card = card_of(recipe)
    assert "The model has not been scored on a task (`domain-bert finetune` has not run)." in card.text
    assert {result.task_type for result in card.data.eval_results} == {"fill-mask"}


def test_with_a_model_alone(tmp_path):
    recipe = make_recipe(tmp_path / "run", license=None, repo="someone/pubmed-bert")
    write_recipe(recipe.folder, recipe)
    card = card_of(recipe)
    assert card.data.license is None
    assert card.data.eval_results is None
    assert "No licence has been chosen" in card.text
    assert 'model="NAME/MODEL"' in card.text, "the name comes in with the upload"
    assert "None" not in card.content


def test_a_table_survives_a_bar_in_a_name(recipe):
    scores = task_scores() | {"task": "a|b"}
    write_json(recipe.folder / "task" / "scores.json", scores)
    assert "| a\\|b: strict" in card_of(recipe).text
