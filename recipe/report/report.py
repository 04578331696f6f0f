"""Run folder -> report.html, one file that loads nothing from anywhere, and plots/*.png."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recipe.config import Recipe
from recipe.files import atomic_write
from recipe.formatting import NOT_KNOWN, compact, count, duration, fixed, model_name, percent, plus_minus, score_name
from recipe.privacy.traces import hidden, public_settings
from recipe.records import paths_of, recorded_recipe
from recipe.report import coverage, plots
from recipe.report.answers import answers
from recipe.report.charts import line_chart
from recipe.report.inspection import HEADINGS, longest_splits, table_of
from recipe.report.key_numbers import key_numbers
from recipe.report.run_files import FILES, RunFiles, read_run_files
from recipe.report.shown_pairs import shown_pair
from recipe.report.templates import render
from recipe.tasks.experiments.results import dashes, score_in

SHOWN_WORDS = 20
SHOWN_EXAMPLES = 3


def write_report(run: Path) -> None:
    """Write RUN/report.html and RUN/plots/*.png; a stage that has not run is named in its section.

    Raises:
        InputError: if the folder is not a run folder, or a file of the run cannot be read.
    """
    recipe, files = recorded_recipe(run), read_run_files(run)
    drawn = {name: plots.png_of(figure) for name, figure in _figures(recipe, files)}
    with atomic_write(run / "plots") as folder:
        folder.mkdir()
        for name, png in drawn.items():
            (folder / f"{name}.png").write_bytes(png)
    # As base64 text inside the page, which then is one file that loads nothing.
    shown = {name: png for name, png in drawn.items() if name not in plots.CURVES}
    pictures = {name: base64.b64encode(png).decode("ascii") for name, png in shown.items()}
    # A page is made to be shown, so it tells what the files are called but not where they are.
    page = hidden(_page(public_settings(recipe), files, pictures), paths_of(recipe))
    with atomic_write(run / "report.html") as partial:
        partial.write_text(page, encoding="utf-8")


def _figures(recipe: Recipe, files: RunFiles) -> Iterator[tuple[str, Figure]]:
    """The plots of what has run, by name; their titles and captions are in templates/report.html.j2."""
    training, validation = files.training_log(), files.validation_log()
    if training or validation:
        evaluation = files.evaluation or {}
        yield from ((name, plots.training_figure(name, training, validation, evaluation)) for name in plots.CURVES)
    if files.corpus:
        yield "cleaning", plots.cleaning_figure(files.corpus["filters"])
    pairs = _splits(files)
    train = pairs.get("train") or {}
    if histogram := train.get("length_histogram"):
        longest = recipe.pairs.max_seq_length
        yield "pair_lengths", plots.pair_lengths_figure(histogram, train.get("mean_length"), longest)
    shares = {}
    for split, found in pairs.items():
        if found.get("pairs"):
            random = found["label_1_share"]
            forced = min(random, found.get("forced_random", 0) / found["pairs"])
            shares[split] = (1 - random, random - forced, forced)
    if shares:
        yield "label_balance", plots.label_balance_figure(shares)
    if fertility := (files.fertility or {}).get("rows"):
        yield "fertility", plots.fertility_figure(fertility)
    if files.task:
        score, systems = files.task["score"], files.task["systems"].items()
        scores = {model_name(name): [score_in(run, score) for run in system["runs"]] for name, system in systems}
        yield "task_scores", plots.task_scores_figure(scores, files.task["metric"])


def _charts(files: RunFiles) -> dict[str, Any]:
    """The curves of training as charts that show values; the same as pictures are in RUN/plots."""
    logs = {"training": files.training_log(), "validation": files.validation_log()}
    charts = {}
    for name, (label, scale, lines) in plots.CURVES.items():
        points = {
            title: [
                (line["tokens_seen"], scale * line[field])
                for line in logs["validation" if field.startswith("eval") else "training"]
                if line.get(field) is not None
            ]
            for field, title, _ in lines
        }
        if chart := line_chart(points, label, plots.baseline_of_curve(name, files.evaluation or {})):
            charts[name] = chart
    return charts


def _splits(files: RunFiles) -> dict[str, dict[str, Any]]:
    return {name: split for name, split in (files.pairs or {}).items() if isinstance(split, dict)}


def _page(recipe: Recipe, files: RunFiles, pictures: dict[str, str]) -> str:
    fertility, reading = (files.fertility or {}).get("rows", []), (files.corpus or {}).get("reading", {})
    covered = [coverage.Coverage(**row) for row in (files.fertility or {}).get("coverage", [])]
    return render(
        "report.html.j2",
        title=f"A BERT of {recipe.hub.domain}",
        lead=_lead(recipe, files),
        facts=_facts(recipe, files),
        numbers=key_numbers(files),
        warnings=_warnings(files),
        evaluation=files.evaluation,
        training=files.training,
        training_table=_training_table(recipe, files),
        corpus=files.corpus,
        cleaning_table=_cleaning_table(files.corpus or {"filters": []}),
        reading_table=[(name.replace("_", " "), count(number)) for name, number in reading.items()],
        deleted_parts=_deleted_parts(files.corpus or {}),
        pairs=_splits(files),
        pairs_table=_pairs_table(_splits(files)),
        tokenizer=files.tokenizer,
        vocabulary_table=_vocabulary_table(recipe, files.tokenizer or {}),
        whole_words=_whole_words(files.tokenizer or {}),
        fertility_headings=HEADINGS,
        fertility_table=table_of(fertility),
        longest_splits=longest_splits(fertility),
        coverage_headings=coverage.HEADINGS,
        coverage_table=coverage.table_of(covered),
        coverage_line=coverage.line_of(covered) if covered else "",
        least=coverage.LEAST[-1],
        examples=[shown_pair(example) for example in (files.evaluation or {}).get("examples", [])[:SHOWN_EXAMPLES]],
        task=_task(files.task) if files.task else None,
        task_wanted=recipe.task.name is not None,
        stages=_stages(files.stages or {}),
        versions=_versions(files.stages or {}),
        recipe_yaml=recipe.to_yaml(),
        run_dir=recipe.run_dir,
        plots=pictures,
        charts=_charts(files),
        answers=answers(files, _warnings(files)),
        run_files=FILES,
    )


def _warnings(files: RunFiles) -> list[str]:
    """What the data stages found odd, each with the name of its stage."""
    found = {"corpus": files.corpus, "tokenizer": files.tokenizer, "inspect": files.fertility, **_splits(files)}
    return [f"{name}: {warning}" for name, stage in found.items() for warning in (stage or {}).get("warnings", [])]


def _lead(recipe: Recipe, files: RunFiles) -> str:
    train, training = (files.pairs or {}).get("train") or {}, files.training or {}
    start = f"continued from {recipe.training.init_from}" if recipe.training.init_from else "pretrained from scratch"
    parts = [f"A {recipe.model.num_hidden_layers}-layer BERT, {recipe.model.hidden_size} wide, {start}"]
    if train:
        parts.append(f"on {count(train.get('documents'))} documents of {recipe.hub.domain}")
    if files.last("step"):
        parts.append(f"for {count(files.last('step'))} steps")
    if training.get("seconds"):
        parts.append(f"in {duration(training['seconds'])} on {_devices(training)}")
    return " ".join(parts) + "." + ("" if training else " Pretraining has not run yet.")


def _facts(recipe: Recipe, files: RunFiles) -> list[dict[str, str]]:
    train, training, tokenizer = (files.pairs or {}).get("train") or {}, files.training or {}, files.tokenizer or {}
    model, speed = recipe.model, files.last("tokens_per_second")
    shape = f"{model.num_hidden_layers} layers × {model.hidden_size}, {model.num_attention_heads} heads"
    steps = f"{count(recipe.training.max_steps)} planned"
    if training:
        seen = compact(files.last("tokens_seen"))
        steps = f"{count(recipe.training.global_batch_size)} pairs a step, {seen} tokens seen"
    texts = f"{count(train.get('documents'))} documents, {count(train.get('sentences'))} sentences"
    pieces = f"{fixed(tokenizer.get('mean_pieces_per_word'), 2)} pieces a word"
    device = _devices(training) + (f", {compact(speed)} tokens/s" if speed else "")
    entries = (
        ("Corpus", compact(train.get("tokens")) + " tokens", texts),
        ("Vocabulary", count(tokenizer.get("vocab_size") or recipe.tokenizer.vocab_size), pieces),
        ("Parameters", compact(training.get("parameters")), shape),
        ("Steps", count(files.last("step")), steps),
        ("Pretraining time", duration(training.get("seconds")), device),
    )
    return [{"name": name, "value": value, "note": note} for name, value, note in entries]


def _devices(training: dict[str, Any]) -> str:
    size = training.get("world_size") or 1
    return f"{size} × {training.get('device')}" if size > 1 else str(training.get("device") or NOT_KNOWN)


def _training_table(recipe: Recipe, files: RunFiles) -> list[tuple[str, str]]:
    training, masking = recipe.training, recipe.masking
    unit = "whole words" if masking.whole_word_mask else "single pieces"
    warmup = f"{percent(training.warmup_share, 0)} warm-up"
    return [
        ("steps done / planned", f"{count(files.last('step'))} / {count(training.max_steps)}"),
        ("pairs a step", count(training.global_batch_size)),
        ("pairs seen", count(files.last("pairs_seen"))),
        ("tokens seen", count(files.last("tokens_seen"))),
        ("peak learning rate", f"{training.learning_rate:g}, {training.lr_scheduler_type}, {warmup}"),
        ("masking", f"{percent(masking.mlm_probability, 0)} of the tokens, {unit}"),
        ("dropout / weight decay", f"{training.dropout:g} / {training.weight_decay:g}"),
        ("precision", files.precision()),
    ]


def _cleaning_table(corpus: dict[str, Any]) -> list[list[str]]:
    """Each filter: documents, sentences and characters left after it, documents that it removed and changed."""
    rows = corpus["filters"]
    return [
        [
            row["filter"].replace("_", " "),
            *(count(row[unit]) for unit in ("documents", "sentences", "characters")),
            count(before["documents"] - row["documents"]),
            count(row["changed_documents"]),
        ]
        for before, row in zip([*rows[:1], *rows], rows, strict=False)
    ]


def _deleted_parts(corpus: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Each filter that deleted parts of documents that went on: its name, how many parts, and samples of them."""
    samples = corpus.get("samples_of_deleted_parts", {})
    parts = corpus.get("deleted_parts", {})
    return [(name.replace("_", " "), count(number), samples.get(name, [])) for name, number in parts.items()]


def _vocabulary_table(recipe: Recipe, tokenizer: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("entries, special tokens included", count(tokenizer.get("vocab_size"))),
        ("learned from", recipe.tokenizer.path or f"{count(tokenizer.get('documents'))} documents"),
        ("words counted", count(tokenizer.get("words"))),
        ("pieces a word (1.00: all words whole)", fixed(tokenizer.get("mean_pieces_per_word"), 2)),
        ("letters", "lower case" if recipe.tokenizer.lowercase else "as written"),
        *_accents(tokenizer),
    ]


def _accents(tokenizer: dict[str, Any]) -> list[tuple[str, str]]:
    # A given tokenizer has rules of its own.
    if "strip_accents" not in tokenizer:
        return []
    return [
        ("accents", "taken off" if tokenizer["strip_accents"] else "stay"),
        ("why", tokenizer["strip_accents_because"]),
    ]


def _whole_words(tokenizer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Word, occurrences, and width of its bar in percent. As text: a browser has letters for every language."""
    words = tokenizer.get("top_whole_words", [])[:SHOWN_WORDS]
    return [(word, count(times), f"{100 * times / words[0][1]:.0f}") for word, times in words]


def _pairs_table(pairs: dict[str, Any]) -> list[tuple[str, list[str]]]:
    rows = (
        ("documents", "documents", count),
        ("sentences", "sentences", count),
        ("empty documents, left out", "empty_documents", count),
        ("empty sentences, left out", "empty_sentences", count),
        ("tokens", "tokens", count),
        ("share of [UNK], never masked", "unknown_share", percent),
        ("tokens used in pairs", "tokens_used", count),
        ("tokens cut by truncation", "tokens_cut", count),
        ("tokens in no pair", "never_seen_share", percent),
        ("documents of one sentence", "one_sentence_documents", count),
        ("pairs", "pairs", count),
        ("label 1 (B is random)", "label_1_share", percent),
        ("random because nothing follows", "forced_random", count),
        ("mean length of a pair, tokens", "mean_length", fixed),
        ("mean length of segment A, tokens", "segment_a_mean_length", fixed),
        ("mean length of segment B, tokens", "segment_b_mean_length", fixed),
    )
    splits = list(pairs.values())
    return [
        (name, [form(split.get(key)) for split in splits])
        for name, key, form in rows
        if any(split.get(key) is not None for split in splits)
    ]


def _task(task: dict[str, Any]) -> dict[str, Any]:
    sizes = "; ".join(
        f"{what}: " + ", ".join(f"{count(size)} {split}" for split, size in splits.items())
        for what, splits in task["counts"].items()
    )
    columns = [score_name(name) for name in task["columns"]]
    systems = [
        [
            model_name(name),
            plus_minus(system["mean"], system["deviation"]),
            *(percent(system["columns"][column]) for column in task["columns"]),
            str(len(system["runs"])),
            str(system["test_evaluations"]),
        ]
        for name, system in task["systems"].items()
    ]
    score = score_name(task["score"])
    return {
        "name": task["task"],
        "dashes": dashes({model_name(name): system.get("reasons", {}) for name, system in task["systems"].items()}),
        "note": f"{task['metric']}; {sizes}. Mean ± standard deviation over the seeds.",
        "headings": ["system", score, *columns, "seeds", "test evaluations"],
        "systems": systems,
        "run_headings": ["system", "seed", f"test {score}", *columns, f"devel {score}", "best epoch", "time"],
        "runs": [_task_run(task, name, run) for name, system in task["systems"].items() for run in system["runs"]],
        "settings": json.dumps(task["settings"], indent=1, ensure_ascii=False),
    }


def _task_run(task: dict[str, Any], system: str, run: dict[str, Any]) -> list[str]:
    scores = [percent(score_in(run, name)) for name in (task["score"], *task["columns"])]
    # A baseline without a model has neither epochs nor a devel score.
    epoch = str(run.get("best_epoch", NOT_KNOWN))
    return [
        model_name(system),
        str(run["seed"]),
        *scores,
        percent(run.get("devel_score")),
        epoch,
        duration(run.get("seconds")),
    ]


def _stages(stages: dict[str, Any]) -> list[dict[str, str]]:
    done = stages.get("stages", {})
    longest = max((stage["seconds"] for stage in done.values()), default=0) or 1
    return [
        {
            "name": name,
            "time": duration(stage["seconds"]),
            "percent": f"{100 * stage['seconds'] / longest:.0f}",
            "finished": str(stage.get("finished", NOT_KNOWN))[:16].replace("T", " "),
        }
        for name, stage in done.items()
    ]


def _versions(stages: dict[str, Any]) -> list[tuple[str, str]]:
    made_by = stages.get("stages", {}).get("pretrain", {})
    commit = made_by.get("git_commit") or "no git checkout"
    return [("git commit", commit), *made_by.get("packages", {}).items()]
