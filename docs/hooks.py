"""For mkdocs: some pages are files of the repository's root, and links out of docs/ become the names of files."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Pages whose text stands elsewhere, where people who read the repository look for it.
ELSEWHERE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page, config, files) -> str:
    """The text of a page as mkdocs shall see it."""
    name = ELSEWHERE.get(page.file.src_uri)
    folder = "docs" if name is None else "."
    text = markdown if name is None else (ROOT / name).read_text(encoding="utf-8")
    return LINK.sub(lambda link: _in_site(link, folder), text)


def _in_site(link: re.Match, folder: str) -> str:
    words, target, anchor = link[1], posixpath.normpath(posixpath.join(folder, link[2])), link[3] or ""
    if target in ELSEWHERE.values():
        target = "docs/" + next(page for page, file in ELSEWHERE.items() if file == target)
    if target.startswith("docs/") and (ROOT / target).is_file():
        return f"[{words}]({target.removeprefix('docs/')}{anchor})"
    return f"{words} (`{target}`)"
