"""Run folder -> model/README.md, the card that the Hub shows: what was measured, and what was not."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from recipe.config import Recipe
from recipe.corpus.languages import check_card_language
from recipe.files import atomic_write
from recipe.formatting import NOT_KNOWN, compact, count, duration, model_name, percent, plus_minus
from recipe.privacy.traces import hidden, public_settings
from recipe.records import paths_of, recorded_recipe
from recipe.report.key_numbers import baseline_of, reason_of
from recipe.report.run_files import FILES, RunFiles, read_run_files
from recipe.report.templates import render
from recipe.tasks.experiments.results import dashes

# Stands in the card; recipe/publishing/ puts the name in at the upload, since a run may go to several repositories.
PLACEHOLDER = "NAME/MODEL"


def write_model_card(run: Path) -> None:
    """Write `model/README.md` into the run folder.

    Raises:
        InputError: as `model_card`.
    """
    text = model_card(run)
    with atomic_write(run / "model" / "README.md") as partial:
        partial.write_text(text, encoding="utf-8")


def model_card(run: Path) -> str:
    """The card of a run's model; its metadata carry the results as a model-index.

    Raises:
        InputError: if the folder is not a run folder, or a file of the run cannot be read.
    """
    recorded, files = recorded_recipe(run), read_run_files(run)
    recipe = public_settings(recorded)
    card = ModelCard(
        f"---\n{_metadata(recipe, files).to_yaml()}\n---\n\n{_body(recipe, files)}", ignore_metadata_errors=False
    )
    return hidden(str(card), paths_of(recorded))


def _metadata(recipe: Recipe, files: RunFiles) -> ModelCardData:
    language = recipe.hub.language or recipe.corpus.language
    check_card_language(language)
    return ModelCardData(
        model_name=_name(recipe),
        language=language,
        license=recipe.hub.license,
        library_name="transformers",
        pipeline_tag="fill-mask",
        tags=["bert", "fill-mask", "next-sentence-prediction", "pretrained-from-scratch", slug(recipe.hub.domain)],
        eval_results=[*_pretraining_results(recipe, files.evaluation or {}), *task_results(files.task or {})] or None,
    )


def _pretraining_results(recipe: Recipe, evaluation: dict[str, Any]) -> list[EvalResult]:
    measures = (("mlm_accuracy", "accuracy", "MLM accuracy"), ("perplexity", "perplexity", "MLM perplexity"))
    return [
        EvalResult(
            task_type="fill-mask",
            task_name="Masked language modelling",
            dataset_type=slug(recipe.hub.domain),
            dataset_name=f"documents about {recipe.hub.domain}, held out of training",
            dataset_split="validation",
            metric_type=metric_type,
            metric_name=metric_name,
            metric_value=round(evaluation[key], 4),
        )
        for key, metric_type, metric_name in measures
        if evaluation.get(key) is not None
    ]


def task_results(task: dict[str, Any]) -> list[EvalResult]:
    """The scores of RUN/task/scores.json for the metadata of a card."""
    system = task.get("systems", {}).get("pretrained")
    if not system:
        return []
    # Scores inside of others, such as the recall of seen mentions, would stand here under the name of the main one.
    values = {task["score"]: system["mean"]} | {k: v for k, v in system["columns"].items() if "." not in k}
    return [
        EvalResult(
            task_type=task["hub_task"],
            task_name=f"{task['title'][0].upper()}{task['title'][1:]}, after fine-tuning",
            dataset_type=slug(task["task"]),
            dataset_name=task["task"],
            dataset_split="test",
            metric_type=name,
            metric_name=f"{name} ({task['metric']}; mean of {len(system['runs'])} seeds)",
            metric_value=round(value, 4),
        )
        for name, value in values.items()
        # A score over nothing is not a result.
        if value is not None
    ]


def _body(recipe: Recipe, files: RunFiles) -> str:
    return render(
        "model_card.md.j2",
        name=_name(recipe),
        repo=PLACEHOLDER,
        domain=recipe.hub.domain,
        license=recipe.hub.license,
        model=recipe.model,
        pairs=recipe.pairs,
        parameters=compact((files.training or {}).get("parameters")),
        start=(
            f"continued from {recipe.training.init_from}" if recipe.training.init_from else "pretrained from scratch"
        ),
        prompt=_prompt(files),
        results=[
            [cell(value) for value in row]
            for row in (*_evaluation_rows(files.evaluation or {}), *task_rows(files.task or {}))
        ],
        not_measured=_not_measured(recipe, files),
        data=_data_rows(files.pairs or {}),
        split_note=(
            "Validation documents were set aside, by a hash of their text, before the vocabulary and the pairs were"
            " made."
        ),
        settings=[[cell(value) for value in row] for row in _settings(recipe, files)],
        made_with=_made_with(files.stages or {}),
        limitations=_limitations(recipe, files),
        citation=citation(_name(recipe), PLACEHOLDER, (files.stages or {}).get("stages", {}).get("pretrain", {})),
        run_files=FILES,
    )


def _name(recipe: Recipe) -> str:
    return f"BERT of {recipe.hub.domain}"


def _prompt(files: RunFiles) -> str:
    # Made up from a frequent word: a sentence of the corpus may not be ours to publish.
    words = [word for word, _ in (files.tokenizer or {}).get("top_whole_words", []) if word.isalpha()]
    return f"the [MASK] of {words[0]} was studied." if words else "the [MASK] was studied."


def _evaluation_rows(evaluation: dict[str, Any]) -> list[tuple[str, ...]]:
    if not evaluation:
        return []
    source, share = f"`{FILES['evaluation'].path}`", evaluation["label_1_share"]
    of_tokens, of_pairs = f"{count(evaluation['masked_tokens'])} masked tokens", f"{count(evaluation['pairs'])} pairs"
    unigram = f"{evaluation['unigram_cross_entropy']:.3f}, token frequencies only"
    commoner = f"{percent(max(share, 1 - share))}, always the commoner label"
    balanced = percent(evaluation["nsp_balanced_accuracy"])
    if evaluation["nsp_balanced_accuracy"] is None:
        commoner = f"all pairs have label {share:.0f}"
    return [
        ("MLM loss, nats", f"{evaluation['mlm_loss']:.3f}", unigram, source),
        ("MLM perplexity", f"{evaluation['perplexity']:,.1f}", NOT_KNOWN, source),
        ("MLM accuracy", percent(evaluation["mlm_accuracy"]), NOT_KNOWN, f"{source}, {of_tokens}"),
        ("NSP balanced accuracy", balanced, "50.0 %, chance", f"{source}, {of_pairs}"),
        ("NSP accuracy", percent(evaluation["nsp_accuracy"]), commoner, source),
    ]


def task_rows(task: dict[str, Any]) -> list[tuple[str, ...]]:
    """The scores of RUN/task/scores.json for the table of a card: measure, value, to beat, measured with."""
    system = task.get("systems", {}).get("pretrained")
    if not system:
        return []
    # A score alone says nothing: it stands next to the cheapest system that it has to beat.
    to_beat = NOT_KNOWN
    if name := baseline_of(task):
        baseline = task["systems"][name]
        to_beat = f"{plus_minus(baseline['mean'], baseline['deviation'])}, {model_name(name)}"
    sizes = ", ".join(f"{count(splits['test'])} {what}" for what, splits in task["counts"].items())
    times = f", {system['test_evaluations']} test evaluations" if system["test_evaluations"] > 1 else ""
    source = f"`{FILES['task'].path}`, {len(system['runs'])} seeds, {sizes}{times}"
    value = plus_minus(system["mean"], system["deviation"])
    return [(f"{task['task']}: {task['metric']}", value, to_beat, source)]


def _not_measured(recipe: Recipe, files: RunFiles) -> list[str]:
    sentences = []
    if not files.evaluation:
        sentences.append(
            "The pretraining losses on held-out text have not been measured"
            f" (`{FILES['evaluation'].command}` has not run)."
        )
    if not files.task:
        wanted = f"`{FILES['task'].command}` has not run" if recipe.task.name else "the recipe names no task"
        sentences.append(f"The model has not been scored on a task ({wanted}).")
    else:
        score, systems = files.task["score"], files.task["systems"].items()
        sentences += dashes({name: {score: reason_of(one, score)} for name, one in systems if one["mean"] is None})
    return sentences


def _data_rows(pairs: dict[str, Any]) -> list[list[str]]:
    splits = [pairs.get("train") or {}, pairs.get("validation") or {}]
    if not any(splits):
        return []
    names = (("documents", "documents"), ("sentences", "sentences"), ("tokens", "tokens"), ("pairs a pass", "pairs"))
    shares = (("tokens that are [UNK]", "unknown_share"), ("pairs with a random second segment", "label_1_share"))
    rows = [[name, *(count(split.get(key)) for split in splits)] for name, key in names]
    return [*rows, *([name, *(percent(split.get(key)) for split in splits)] for name, key in shares)]


def _settings(recipe: Recipe, files: RunFiles) -> list[tuple[str, ...]]:
    training, masking, run = recipe.training, recipe.masking, files.training or {}
    vocab_size = (files.tokenizer or {}).get("vocab_size") or recipe.tokenizer.vocab_size
    adam = f"betas {training.adam_beta1:g} and {training.adam_beta2:g}, epsilon {training.adam_epsilon:g}"
    optimizer = {"adamw": "AdamW", "muon": "Muon for the encoder's matrices, AdamW for the rest"}[training.optimizer]
    steps = files.last("step") or training.max_steps
    unit = "whole words" if masking.whole_word_mask else "single pieces"
    warmup = f"{percent(training.warmup_share, 0)} warm-up"
    kept = 1 - masking.mask_replace_prob - masking.random_replace_prob
    replacement = (
        f"{percent(masking.mask_replace_prob, 0)} [MASK], {percent(masking.random_replace_prob, 0)} random,"
        f" {percent(abs(kept), 0)} kept"
    )
    return [
        ("vocabulary", f"{count(vocab_size)} pieces, {'un' if recipe.tokenizer.lowercase else ''}cased"),
        ("steps × pairs a step", f"{count(steps)} × {count(training.global_batch_size)}"),
        ("tokens seen", count(files.last("tokens_seen"))),
        ("masking", f"{percent(masking.mlm_probability, 0)} of the tokens, {unit}; {replacement}"),
        ("optimizer", f"{optimizer}, {adam}, weight decay {training.weight_decay:g}"),
        ("learning rate", f"peak {training.learning_rate:g}, {warmup}, {training.lr_scheduler_type}"),
        ("dropout while pretraining", f"{training.dropout:g}"),
        ("precision", files.precision()),
        ("time", f"{duration(run.get('seconds'))} on {run.get('world_size') or 1} × {run.get('device') or NOT_KNOWN}"),
        ("seed", str(recipe.seed)),
    ]


def _made_with(stages: dict[str, Any]) -> str:
    # Of pretraining: another version may have evaluated the model or written this card.
    made_by = stages.get("stages", {}).get("pretrain", {})
    versions = ", ".join(f"{name} {version}" for name, version in made_by.get("packages", {}).items())
    commit = f"code at commit {made_by['git_commit']}" if made_by.get("git_commit") else ""
    return "; ".join(part for part in (f"made with {versions}" if versions else "", commit) if part)


def _limitations(recipe: Recipe, files: RunFiles) -> list[str]:
    domain, tokens = recipe.hub.domain, ((files.pairs or {}).get("train") or {}).get("tokens")
    read = f"{count(tokens)} tokens of" if tokens else "text about"
    sentences = [
        f"It has read {read} {domain} and no other text: expect little on other subjects and languages.",
        "It is an encoder without any fine-tuning: it does not answer questions or write text, and its guesses are not"
        " statements of fact.",
        "It repeats the errors and biases of its corpus, and may reproduce phrases of it.",
    ]
    # Published domain models read 3 billion tokens and more.
    if tokens and tokens < 100_000_000:
        sentences.append(
            "The corpus is small: published domain models of this kind read billions of tokens, this one"
            f" {compact(tokens)}."
        )
    if files.evaluation and files.evaluation["mlm_loss"] >= files.evaluation["unigram_cross_entropy"]:
        sentences.append("On held-out text it is no better than token frequencies: it has not learned to use context.")
    return sentences


def citation(title: str, repo: str, record: dict[str, Any]) -> str:
    """How to cite what a run made, as BibTeX.

    Args:
        repo: as in the address of the Hub, such as datasets/NAME/DATA. record: of the stage that made it.
    """
    version = record.get("packages", {}).get("domain-bert", "")
    fields = {
        "title": title,
        "year": record.get("finished", "")[:4],
        "url": f"https://huggingface.co/{repo}",
        "note": f"Made with domain-bert {version}".rstrip(),
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return "@misc{" + ",\n".join([slug(title), *lines]) + "\n}"


def slug(text: str) -> str:
    """A text as a name in metadata: "open-access biomedicine" -> "open-access-biomedicine"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "domain"


def cell(text: str) -> str:
    """A text in a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
