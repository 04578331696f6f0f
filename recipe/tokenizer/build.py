"""Documents -> RUN/tokenizer: a trained or given WordPiece tokenizer as a folder that AutoTokenizer loads."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from tqdm import tqdm

from recipe.config import Recipe
from recipe.corpus import Document
from recipe.corpus.prepared import read_prepared_split
from recipe.errors import InputError
from recipe.files import atomic_write, write_json
from recipe.inputs.hub_folder import local_folder
from recipe.tokenizer.accents import strip_accents
from recipe.tokenizer.fertility import MOST_SENTENCES, fertility, most_frequent_whole_words, word_counts
from recipe.tokenizer.folder import load_tokenizer, save_tokenizer
from recipe.tokenizer.wordpiece import train_wordpiece

# Raise it when the same documents give another vocabulary or other files: every tokenizer is then made again.
VERSION = 2
SHOWN_WORDS = 40
# Function words of English, left out of the list of frequent terms that the report shows.
_FUNCTION_WORDS = frozenset(
    """
    the and for that with this from are was were been has have had not but which these those such their its our they
    them there than then also can may might could would should will between both each other more most some any all one
    two three using used use however when where while who whom whose what how into onto over under after before during
    through only very same different did does because being about above below further given many much well here able
    due either neither per via within without among upon thus therefore whether although since until first second found
    show shown shows based
    """.split()
)


def make_tokenizer(recipe: Recipe) -> None:
    """Train on the training documents, or copy the folder tokenizer.path, into RUN/tokenizer, with statistics.json.

    Raises:
        InputError: if there are fewer than two training documents, or the folder has no usable BERT tokenizer.
    """
    documents = _TrainingDocuments(recipe)
    with atomic_write(recipe.folder / "tokenizer") as folder:
        folder.mkdir()
        given = recipe.tokenizer.path
        warnings: list[str] = []
        accents: dict[str, bool | str] = {}
        if given is None:
            strips, why = strip_accents(recipe.corpus, recipe.tokenizer, recipe.folder / "corpus")
            accents = {"strip_accents": strips, "strip_accents_because": why}
            recipe = replace(recipe, tokenizer=replace(recipe.tokenizer, strip_accents=strips))
            tokenizer = train_wordpiece(documents, recipe.tokenizer, recipe.seed, warnings.append)
        else:
            tokenizer = load_tokenizer(local_folder(given, "tokenizer.path"))
            documents.read_counted()
        documents.require_two()
        save_tokenizer(tokenizer, folder, recipe)
        found = fertility(tokenizer, documents.words)
        whole = most_frequent_whole_words(tokenizer, documents.words, 8 * SHOWN_WORDS)
        statistics = {
            # Of those that it was trained on; a given tokenizer's are not known.
            "documents": documents.number if given is None else None,
            "words": found.words,
            "vocab_size": tokenizer.get_vocab_size(),
            "mean_pieces_per_word": found.pieces_per_word,
            "whole_word_share": found.whole_share,
            "unknown_share": found.unknown_share,
            "top_whole_words": [entry for entry in whole if entry[0] not in _FUNCTION_WORDS][:SHOWN_WORDS],
            **accents,
            "warnings": warnings,
        }
        write_json(folder / "statistics.json", statistics)
    for warning in warnings:
        print(f"tokenizer: warning: {warning}")


class _TrainingDocuments:
    """The training documents of a run, again at every iteration, with counts of the first one.

    number: of documents. words: of the first MOST_SENTENCES.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.number = 0
        self.words: Counter[str] = Counter()
        self._sentences = 0
        self._last_source = ""
        self._is_counted = False

    def __iter__(self) -> Iterator[Document]:
        found = read_prepared_split(self._recipe.folder / "corpus", self._recipe.corpus, "train", self._recipe.seed)
        for document in tqdm(found, desc="tokenizer: documents read", unit=" documents", disable=None):
            # Training reads the documents twice; they are counted in passing, since a third pass would take as long.
            if not self._is_counted:
                self.number += 1
                self._last_source = document.source
                if self._sentences < MOST_SENTENCES:
                    self._sentences += len(document.sentences)
                    self.words.update(word_counts(document.sentences))
            yield document
        self._is_counted = True

    def read_counted(self) -> None:
        """Read as far as something is counted, and not to the end of a corpus of gigabytes."""
        for _ in self:
            if self.number > 1 and self._sentences >= MOST_SENTENCES:
                return

    def require_two(self) -> None:
        """Raise InputError for fewer than two documents."""
        if self.number == 0:
            raise InputError(
                "corpus.path: no training document has any text; check the files and corpus.validation_share"
            )
        if self.number == 1:
            raise InputError(
                f"{self._last_source}: found 1 training document, but a random segment B must come from another one;"
                " put a blank line between documents"
            )
