"""Documents -> RUN/tokenizer: a trained or given WordPiece tokenizer as a folder that AutoTokenizer loads, with counts for the report."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, models
from tqdm import tqdm

from recipe.config import Recipe
from recipe.corpus import Document
from recipe.corpus.prepared import read_prepared_split
from recipe.encoding import SPECIAL_TOKENS
from recipe.errors import InputError
from recipe.fertility import MOST_SENTENCES, fertility, most_frequent_whole_words, word_counts
from recipe.provenance import whole_or_absent, write_json
from recipe.wordpiece import train_wordpiece

SHOWN_WORDS = 40
# Function words of English, left out of the list of frequent terms that the report shows.
_FUNCTION_WORDS = frozenset(
    """
    the and for that with this from are was were been has have had not but which these those such their its our they them there than then also can may
    might could would should will between both each other more most some any all one two three using used use however when where while who whom whose
    what how into onto over under after before during through only very same different did does because being about above below further given many
    much well here able due either neither per via within without among upon thus therefore whether although since until first second found show shown
    shows based
    """.split()
)


def make_tokenizer(recipe: Recipe) -> None:
    """Train on the training documents, or copy the folder tokenizer.path, into RUN/tokenizer; with counts in statistics.json.

    Raises:
        InputError: if there is no training document, or the folder holds no usable BERT tokenizer.
    """
    documents = _TrainingDocuments(recipe)
    with whole_or_absent(recipe.folder / "tokenizer") as folder:
        folder.mkdir()
        given = recipe.tokenizer.path
        if given is None:
            tokenizer = train_wordpiece(documents, recipe.tokenizer, recipe.seed)
        else:
            tokenizer = load_tokenizer(Path(given))
            for _ in documents:
                pass
        documents.require_two()
        save_tokenizer(tokenizer, folder, recipe)
        found = fertility(tokenizer, documents.words)
        whole = [entry for entry in most_frequent_whole_words(tokenizer, documents.words, 8 * SHOWN_WORDS) if entry[0] not in _FUNCTION_WORDS][:SHOWN_WORDS]
        statistics = {
            "documents": documents.number,
            "words": found.words,
            "vocab_size": tokenizer.get_vocab_size(),
            "mean_pieces_per_word": found.pieces_per_word,
            "whole_word_share": found.whole_share,
            "unknown_share": found.unknown_share,
            "top_whole_words": whole,
        }
        write_json(folder / "statistics.json", statistics)


class _TrainingDocuments:
    """The training documents of a run, again at every iteration; the first one counts them, and the words of the first million sentences."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.number = 0
        self.words: Counter[str] = Counter()
        self._sentences = 0
        self._last_source = ""
        self._is_counted = False

    def __iter__(self) -> Iterator[Document]:
        found = read_prepared_split(self._recipe.folder / "corpus", self._recipe.corpus, "train", self._recipe.seed)
        for document in tqdm(found, desc="tokenizer: documents read", unit=" documents"):
            if not self._is_counted:
                self._count(document)
            yield document
        self._is_counted = True

    def _count(self, document: Document) -> None:
        self.number += 1
        self._last_source = document.source
        if self._sentences < MOST_SENTENCES:
            self._sentences += len(document.sentences)
            self.words.update(word_counts(document.sentences))

    def require_two(self) -> None:
        """Raise InputError for fewer than two documents: a random segment must come from another one."""
        if self.number == 0:
            raise InputError("corpus.path: no training document has any text; check the files and corpus.validation_share")
        if self.number == 1:
            raise InputError(
                f"{self._last_source}: found 1 training document, but a random segment B must come from another one; put a blank line between documents"
            )


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read folder/tokenizer.json and check that it can serve BERT; truncation and padding that it asks for are off.

    Raises:
        InputError: if the file is absent or broken, is no WordPiece tokenizer with ## pieces, or lacks a special token.
    """
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{path}: cannot be read; name a folder that `save_pretrained` of a fast BERT tokenizer wrote") from None
    except Exception as error:  # the library raises a bare Exception for what it cannot parse
        raise InputError(f"{path}: is no tokenizer ({' '.join(str(error).split())[:150]}); save it again by `save_pretrained`") from None
    missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
    if missing:
        raise InputError(f"{path}: the vocabulary lacks {', '.join(missing)}, which BERT needs; add them or train a tokenizer with tokenizer.path: null")
    if not isinstance(tokenizer.model, models.WordPiece):
        raise InputError(f"{path}: is a {type(tokenizer.model).__name__} tokenizer; whole-word masking needs WordPiece with ## pieces")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, recipe: Recipe) -> None:
    """Write a folder that `AutoTokenizer` loads as a fast BertTokenizer, with vocab.txt for tools older than transformers 5."""
    if recipe.tokenizer.path is not None:
        for file in Path(recipe.tokenizer.path).iterdir():
            if file.name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
                shutil.copy(file, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        # BertTokenizer makes a normaliser of its own from these settings, without NFKC; the plain class keeps that of tokenizer.json.
        "tokenizer_class": "PreTrainedTokenizerFast" if recipe.tokenizer.nfkc else "BertTokenizer",
        "do_lower_case": recipe.tokenizer.lowercase,
        "strip_accents": recipe.tokenizer.strip_accents,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": recipe.model.max_position_embeddings,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    }
    if not (folder / "tokenizer_config.json").exists():
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary(tokenizer)) + "\n", encoding="utf-8")


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    """The tokens in the order of their ids."""
    entries = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(entries, key=lambda token: entries[token])


def special_token_ids(folder: Path) -> dict[str, int]:
    """The ids of [PAD], [UNK], [CLS], [SEP] and [MASK]."""
    tokenizer = load_tokenizer(folder)
    entries = tokenizer.get_vocab(with_added_tokens=True)
    return {token: entries[token] for token in SPECIAL_TOKENS}
