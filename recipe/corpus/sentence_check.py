"""A look at the sentences of a corpus: what shows that the text is not split, and what is the likely cause."""

import re

from recipe.corpus.document import Document

# Long sentences are of law or of tables; on average there are 15 to 30 words.
MOST_WORDS = 60
LEAST_SENTENCES = 1.05
# Of hard-wrapped text a third of the lines or fewer ends with a mark; of titles and lists fewer than half have one.
LEAST_MARKED = 0.4
_SENTENCES_LOOKED_AT = 100_000
_LEAST_LOOKED_AT = 20
# Ideographs count as words, as BERT's tokenizer makes them.
_WORD = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]|[^\\s\u3400-\u4dbf\u4e00-\u9fff]+")
# What is no letter or digit at the end: a mark of any script, or a bracket after it.
_MARKED_END = re.compile(r"[^\w\s,;:\-–—]\Z|[।॥።។៕။]\Z")
_CONTINUES = re.compile(r"[a-zß-öø-ÿ]")


class SentenceCheck:
    """Counts the first sentences of a corpus.

    Args:
        is_by_line: whether lines of the files are the sentences (corpus.format blank_line_text).
    """

    def __init__(self, is_by_line: bool) -> None:
        self._is_by_line = is_by_line
        self._documents = self._sentences = self._words = self._marked = self._continuing = 0

    def add(self, document: Document) -> None:
        """Count a document."""
        if self._sentences >= _SENTENCES_LOOKED_AT:
            return
        self._documents += 1
        for sentence in document.sentences:
            self._sentences += 1
            self._words += sentence.count(" ") + 1 if sentence.isascii() else len(_WORD.findall(sentence))
            self._marked += _MARKED_END.search(sentence) is not None
            self._continuing += _CONTINUES.match(sentence) is not None

    def warning(self) -> str | None:
        """What is wrong with the sentences, its likely cause and the remedy; None if nothing is."""
        if self._sentences < _LEAST_LOOKED_AT:
            return None
        words, marked = self._words / self._sentences, self._marked / self._sentences
        per_document = self._sentences / self._documents
        if self._is_by_line and marked < LEAST_MARKED and self._continuing > self._sentences / 4:
            return (
                f"only {marked:.0%} of the lines end with a full stop or another mark, and many begin within one:"
                " the text seems to be hard-wrapped, but each line counts as a sentence; set corpus.format to"
                " paragraphs or plain_text"
            )
        if words > MOST_WORDS:
            return (
                f"sentences have {words:.0f} words on average, so the text is not split into sentences:"
                f" {self._remedy()}"
            )
        if per_document < LEAST_SENTENCES:
            return (
                f"there are {per_document:.2f} sentences a document, so hardly a pair has a true segment B:"
                f" {self._remedy('is there a blank line after every sentence? Put one between documents only; or')}"
            )
        return None

    def _remedy(self, question: str = "") -> str:
        if self._is_by_line:
            question = question or "are several sentences on one line?"
            return f"{question} set corpus.format to paragraphs or plain_text, so that it is split"
        return (
            "set corpus.language, or corpus.sentence_splitter to another one, or give the text as lists of sentences"
        )
