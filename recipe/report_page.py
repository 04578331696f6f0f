"""The page of the report: a Jinja template that loads nothing from anywhere, so that the file reads the same on a phone, offline and in ten years."""

STYLE = """
:root { color-scheme: light; --ink: #1d2126; --soft: #59616b; --line: #dfe3e8; --ground: #f6f7f9; --card: #fff;
  --blue: #0072b2; --green: #00734f; --red: #a94300; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main, header > div { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { background: var(--card); border-bottom: 1px solid var(--line); border-top: 5px solid var(--blue); padding: 30px 0 24px; }
h1 { font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.15; margin: 2px 0 10px; letter-spacing: -0.015em; }
h2 { font-size: 1.3rem; margin: 44px 0 4px; letter-spacing: -0.01em; scroll-margin-top: 12px; }
h3 { font-size: 0.98rem; margin: 0 0 2px; }
p { margin: 6px 0; }
.eyebrow { color: var(--blue); font-weight: 650; font-size: 0.8rem; letter-spacing: 0.08em; text-transform: uppercase; margin: 0; }
.lead { font-size: 1.08rem; max-width: 62em; margin: 0 0 18px; }
.soft { color: var(--soft); font-size: 0.92rem; max-width: 62em; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px; margin: 0;
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; background: var(--line); }
.facts div { background: var(--card); padding: 11px 14px 12px; }
.facts dt { color: var(--soft); font-size: 0.8rem; }
.facts dd { margin: 0; font-size: 1.35rem; font-weight: 650; letter-spacing: -0.01em; line-height: 1.3; font-variant-numeric: tabular-nums; }
.facts dd small { display: block; font-size: 0.8rem; font-weight: 400; color: var(--soft); letter-spacing: 0; line-height: 1.4; }
.card, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 0; }
.card { padding: 16px 18px; margin-top: 14px; }
.scroll { overflow-x: auto; padding: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); gap: 16px; margin-top: 14px; }
.figures > .card { margin-top: 0; align-self: start; }
figure { padding: 14px 16px 12px; min-width: 0; }
figure img { display: block; width: 100%; height: auto; margin: 8px 0 6px; }
figcaption { color: var(--soft); font-size: 0.88rem; line-height: 1.45; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.94rem; }
th, td { padding: 9px 14px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > td, tr:last-child > th { border-bottom: 0; }
thead th { color: var(--soft); font-size: 0.8rem; font-weight: 550; white-space: nowrap; }
tbody th { font-weight: 400; }
.key tbody th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.key td.value { font-size: 1.16rem; font-weight: 650; white-space: nowrap; }
td small, th small { display: block; color: var(--soft); font-size: 0.8rem; font-weight: 400; }
.better { color: var(--green); font-weight: 600; }
.no-better { color: var(--red); font-weight: 600; }
.missing { color: var(--soft); border: 1px dashed #b9c0c9; border-radius: 10px; padding: 12px 16px; margin-top: 14px; background: none; }
code, pre, .tokens { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: 0.9em; }
pre { font-size: 0.82rem; line-height: 1.5; overflow-x: auto; margin: 10px 0 0; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--blue); font-weight: 550; font-size: 0.94rem; }
nav { margin-top: 16px; font-size: 0.9rem; display: flex; flex-wrap: wrap; gap: 4px 18px; }
nav a { color: var(--blue); text-decoration: none; }
nav a:hover { text-decoration: underline; }
.tokens { font-size: 0.84rem; line-height: 2.05; overflow-wrap: anywhere; margin: 2px 0 12px; }
.tokens .special { color: #8a9099; }
.tokens .segment { font: 650 0.72rem system-ui, sans-serif; color: #fff; background: #6a727c; border-radius: 4px; padding: 2px 6px; }
.chip { border-radius: 5px; padding: 2px 5px; white-space: nowrap; border: 1px solid; }
.chosen { background: #e3f0f8; border-color: #9cc8e3; }
.right { background: #dff3ea; border-color: #6fbf9f; color: #00553a; }
.wrong { background: #fdeadb; border-color: #e5a778; color: #8a3600; }
.swapped { border-style: dashed; }
.chip small { font-size: 0.78rem; opacity: 0.85; }
.bar { display: block; margin-top: 8px; height: 8px; min-width: 2px; border-radius: 4px; background: var(--blue); }
.guess { display: inline-block; white-space: nowrap; margin-right: 12px; }
.guess.hit { color: var(--green); font-weight: 650; }
.guess small { display: inline; color: var(--soft); font-weight: 400; }
footer { color: var(--soft); font-size: 0.85rem; margin: 40px 0 30px; }
@media (max-width: 560px) {
  main, header > div { padding: 0 14px; }
  .facts { grid-template-columns: 1fr 1fr; }
  th, td { padding: 8px 9px; }
  figure { padding: 12px 10px 10px; }
  .key thead { display: none; }
  .key tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid var(--line); padding: 8px 0; }
  .key tr:last-child { border-bottom: 0; }
  .key th, .key td { border: 0; padding: 1px 12px; }
  .key td.value, .key td.verdict { text-align: right; }
  .key td.baseline::before { content: "to beat: "; color: var(--soft); }
  .key td.none { display: none; }
  .facts div:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
@media print { body { background: #fff; } figure, .card { break-inside: avoid; } nav { display: none; } }
"""

PAGE = """\
{%- macro missing(script) -%}<p class="missing">not run yet: <code>{{ script }}</code></p>{%- endmacro -%}
{%- macro figure(plot) -%}
<figure><h3>{{ plot.title }}</h3>
<img src="data:image/png;base64,{{ plot.png }}" alt="{{ plot.title }}. {{ plot.caption }}">
<figcaption>{{ plot.caption }}</figcaption></figure>
{%- endmacro -%}
{%- macro figures(names) -%}
<div class="figures">{% for name in names if name in plots %}{{ figure(plots[name]) }}{% endfor %}{{ caller() }}</div>
{%- endmacro -%}
{%- macro settings(title, rows) -%}
<div class="card scroll"><table>
<thead><tr><th>{{ title }}</th><th></th></tr></thead>
<tbody>{% for name, value in rows %}<tr><th>{{ name }}</th><td class="number">{{ value }}</td></tr>{% endfor %}</tbody>
</table></div>
{%- endmacro -%}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<header><div>
<p class="eyebrow">Pretraining report</p>
<h1>{{ title }}</h1>
<p class="lead">{{ lead }}</p>
<dl class="facts">
{%- for fact in facts %}
<div><dt>{{ fact.name }}</dt><dd>{{ fact.value }}<small>{{ fact.note }}</small></dd></div>
{%- endfor %}
</dl>
<nav>
<a href="#numbers">Key numbers</a><a href="#training">Training</a><a href="#corpus">Corpus</a><a href="#pairs">Pairs</a><a href="#vocabulary">Vocabulary</a>
<a href="#guesses">Guesses</a><a href="#task">Task</a><a href="#provenance">Provenance</a>
</nav>
</div></header>
<main>

<h2 id="numbers">Key numbers</h2>
{%- if numbers %}
<p class="soft">Each number stands beside the cheapest thing that it has to beat; all were measured on text that training did not see.</p>
<div class="card scroll"><table class="key">
<thead><tr><th>measure</th><th>this model</th><th>to beat</th><th>difference</th></tr></thead>
<tbody>
{%- for row in numbers %}
<tr><th>{{ row.measure }}<small>{{ row.note }}</small></th><td class="value">{{ row.value }}</td>
<td class="baseline{{ " none" if not row.verdict }}">{{ row.baseline }}<small>{{ row.baseline_name }}</small></td>
<td class="verdict {{ row.verdict_class }}">{{ row.verdict }}</td></tr>
{%- endfor %}
</tbody></table></div>
{%- endif %}
{%- if not evaluation %}{{ missing(scripts.evaluation) }}{% endif %}

<h2 id="training">Training</h2>
{%- if training %}
{% call figures(["mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "learning_rate"]) %}{{ settings("how it was trained", training_table) }}{% endcall %}
{%- else %}{{ missing(scripts.training) }}{% endif %}

<h2 id="corpus">Corpus</h2>
{%- if corpus %}
{% call figures(["funnel"]) %}{% if reading_table %}{{ settings("while it was read", reading_table) }}{% endif %}{% endcall %}
<div class="card scroll"><table>
<thead><tr><th>after the step</th>
{%- for name in ["documents", "sentences", "characters", "documents removed", "documents changed"] %}<th class="number">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for cells in funnel_table %}
<tr>{% for cell in cells %}<td{% if not loop.first %} class="number"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
<p class="soft">Each document that was removed stands in <code>corpus/removed.jsonl</code>, with the step, the reason and how it begins.</p>
{%- else %}{{ missing(scripts.corpus) }}{% endif %}

<h2 id="pairs">Next-sentence pairs</h2>
{%- if pairs %}
{% call figures(["pair_lengths", "label_balance"]) %}{% endcall %}
<div class="card scroll"><table>
<thead><tr><th></th>{% for split in pairs %}<th class="number">{{ split }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for name, cells in pairs_table %}
<tr><th>{{ name }}</th>{% for cell in cells %}<td class="number">{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
{%- else %}{{ missing(scripts.pairs) }}{% endif %}

<h2 id="vocabulary">Vocabulary</h2>
{%- if tokenizer %}
{% call figures(["whole_words", "fertility"]) %}{{ settings("the tokenizer", vocabulary_table) }}{% endcall %}
{%- if fertility_table %}
<div class="card scroll"><table>
<thead><tr>{% for heading in fertility_headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for cells in fertility_table %}
<tr>{% for cell in cells %}<td{% if loop.index not in (1, 3) %} class="number"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
<div class="card"><h3>Longest splits</h3>
{%- for text, name, splits in longest_splits %}
<p class="soft"><strong>{{ text }}, {{ name }}</strong>: {{ splits }}</p>
{%- endfor %}
</div>
{%- endif %}
{%- else %}{{ missing(scripts.tokenizer) }}{% endif %}

<h2 id="guesses">What the model guesses</h2>
{%- if examples %}
<p class="soft">Pairs from documents held out of training. <span class="chip chosen">chosen</span> pieces are predicted; most become [MASK], some become a
<span class="chip chosen swapped">random</span> piece, some stay. After masking, the model's first guess stands behind the arrow:
<span class="chip right">right ✓</span> or <span class="chip wrong">wrong ✗</span>.</p>
{%- for example in examples %}
<div class="card">
<h3>Before: {{ example.truth }}</h3>
<p class="tokens">
{%- for token in example.tokens %}
{%- if token.segment %} <span class="segment">{{ token.segment }}</span>{% endif -%}
{{ " " if not token.joins }}<span class="{{ token.before_class }}">{{ token.original }}</span>
{%- endfor %}</p>
<h3>After masking: {{ example.hits }} of {{ example.chosen }} guessed right; the model says {{ example.guess }}</h3>
<p class="tokens">
{%- for token in example.tokens %}
{%- if token.segment %} <span class="segment">{{ token.segment }}</span>{% endif -%}
{{ " " if not token.joins or token.guesses }}<span class="{{ token.after_class }}">{{ token.shown }}
{%- if token.guesses %} <small>→</small> {{ token.guesses[0].piece }} {{ "✓" if token.guesses[0].hit else "✗" }}{% endif %}</span>
{%- endfor %}</p>
<details><summary>The five best guesses at each place</summary>
<div class="scroll"><table>
<thead><tr><th class="number">position</th><th>truth</th><th>shown</th><th>guesses, with probability</th></tr></thead>
<tbody>
{%- for token in example.tokens if token.guesses %}
<tr><td class="number">{{ token.position }}</td><td><code>{{ token.original }}</code></td><td><code>{{ token.shown }}</code></td>
<td>{% for guess in token.guesses -%}
<span class="guess{{ " hit" if guess.hit }}"><code>{{ guess.piece }}</code> <small>{{ guess.probability }}</small></span>
{%- endfor %}</td></tr>
{%- endfor %}
</tbody></table></div></details>
</div>
{%- endfor %}
{%- elif evaluation %}<p class="missing">evaluation.json holds no examples</p>
{%- else %}{{ missing(scripts.evaluation) }}{% endif %}

<h2 id="task">Task{{ ": " ~ task.name if task }}</h2>
{%- if task %}
<p class="soft">{{ task.note }}</p>
{% call figures(["task_scores"]) %}
<div class="card scroll"><table>
<thead><tr><th>model</th><th class="number">F1</th><th class="number">precision</th><th class="number">recall</th><th class="number">seeds</th></tr></thead>
<tbody>
{%- for model in task.models %}
<tr><th>{{ model.name }}</th><td class="number"><b>{{ model.f1 }}</b></td><td class="number">{{ model.precision }}</td>
<td class="number">{{ model.recall }}</td><td class="number">{{ model.seeds }}</td></tr>
{%- endfor %}
</tbody></table></div>
{% endcall %}
<details><summary>Every run</summary><div class="card scroll"><table>
<thead><tr><th>model</th>
{%- for name in ["seed", "test F1", "precision", "recall", "devel F1", "best epoch", "time"] %}<th class="number">{{ name }}</th>{% endfor %}
</tr></thead>
<tbody>
{%- for run in task.runs %}
<tr>{% for cell in run %}<td{% if not loop.first %} class="number"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div></details>
{%- if task.settings %}
<details><summary>Settings of the task</summary><pre class="card">{{ task.settings }}</pre></details>
{%- endif %}
{%- elif task_wanted %}{{ missing(scripts.task) }}
{%- else %}<p class="missing">no task: <code>task.data</code> is null in the recipe</p>{% endif %}

<h2 id="provenance">Provenance</h2>
{%- if stages %}
<div class="figures">
<div class="card scroll"><table>
<thead><tr><th>stage</th><th class="number">time</th><th style="width: 26%"></th><th class="number">finished</th></tr></thead>
<tbody>
{%- for stage in stages %}
<tr><th>{{ stage.name }}</th><td class="number">{{ stage.time }}</td>
<td><span class="bar" style="width: {{ stage.percent }}%"></span></td><td class="number">{{ stage.finished }}</td></tr>
{%- endfor %}
</tbody></table></div>
<div class="card scroll"><table>
<thead><tr><th>made with</th><th></th></tr></thead>
<tbody>
{%- for name, value in versions %}
<tr><th>{{ name }}</th><td><code>{{ value }}</code></td></tr>
{%- endfor %}
</tbody></table></div>
</div>
{%- else %}{{ missing(scripts.stages) }}{% endif %}
<details><summary>The recipe</summary><pre class="card">{{ recipe_yaml }}</pre></details>

<footer>Made by <code>recipe/report.py</code> from the files of <code>{{ run_dir }}</code>. Plots are also in <code>plots/</code>.</footer>
</main>
</body>
</html>
"""
