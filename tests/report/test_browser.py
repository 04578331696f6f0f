"""The report in a headless browser: nothing is wider than the window, and the console stays silent."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from run_folder import make_recipe, write_run_files

from recipe.report.comparison import write_comparison
from recipe.report.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=3000")
# A window cannot be narrow, so the page lies in a frame; frames of files may only send messages to each other.
FRAME = """<iframe src="{page}" style="border: 0; width: {width}px; height: 800px"></iframe><pre></pre>
<script>addEventListener("message", event => document.querySelector("pre").textContent = event.data)</script>"""
MEASURE = """<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
for (const name of ["error", "warn"]) console[name] = (...words) => errors.push(words.join(" "));
addEventListener("load", () => {
  const shown = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  for (const heading of document.querySelectorAll("th")) heading.click();
  for (const chart of document.querySelectorAll("svg")) {
    const box = chart.getBoundingClientRect();
    const place = { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    chart.dispatchEvent(new PointerEvent("pointermove", place));
  }
  const root = document.documentElement;
  const wide = [...document.querySelectorAll("body *")].filter(each => each.getBoundingClientRect().right >
    root.clientWidth + 1 && !each.closest("svg, .scroll, table")).map(each => each.tagName);
  const told = { width: root.clientWidth, content: root.scrollWidth, wide, errors, shown };
  parent.postMessage(JSON.stringify(told), "*");
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = []
    for name, rate in (("one", 1e-3), ("two", 2e-3), ("three", 3e-3)):
        recipe = make_recipe(folder / name)
        recipe = replace(recipe, training=replace(recipe.training, learning_rate=rate))
        write_run_files(recipe)
        runs.append(recipe.folder)
    write_report(runs[0])
    write_comparison(runs, folder / "comparison.html")
    return {"report": runs[0] / "report.html", "comparison": folder / "comparison.html"}


def measured(page: str, folder: Path, width: int, scheme: str) -> tuple[dict, str]:
    """What the page says of itself, and what the browser wrote to its console."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(page="page.html", width=width), encoding="utf-8")
    # 0 is dark, 1 is light.
    dark = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    logging = ("--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", f"--window-size={width + 50},900")
    command = [str(BROWSER), *OPTIONS, dark, *logging, "--dump-dom", (folder / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    told = re.search(r"<pre>(\{.*\})</pre>", done.stdout)
    assert told is not None, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(told[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")), "\n".join(console)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_a_page_fits_and_is_silent(pages, tmp_path, name, width, scheme):
    page = pages[name].read_text(encoding="utf-8").replace("<head>", f"<head>{MEASURE}", 1)
    told, console = measured(page, tmp_path, width, scheme)
    assert told["shown"] == scheme
    assert told["content"] <= told["width"]
    assert told["wide"] == []
    assert (told["errors"], console) == ([], "")


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ('<div style="width: 3000px">wide</div>', "wide"),
        ("<script>undefined_name()</script>", "errors"),
        ("<script>console.error('told')</script>", "errors"),
    ],
)
def test_a_page_that_is_wrong_would_be_seen(pages, tmp_path, fault, key):
    page = pages["comparison"].read_text(encoding="utf-8").replace("<head>", f"<head>{MEASURE}", 1)
    told, _ = measured(page.replace("</body>", f"{fault}</body>"), tmp_path, 400, "light")
    assert told[key]
