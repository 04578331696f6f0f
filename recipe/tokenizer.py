"""Documents -> WordPiece tokenizer; counts for the report."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tqdm import tqdm

from recipe.config import Recipe, TokenizerConfig
from recipe.corpus import Document
from recipe.corpus.prepared import read_prepared_split
from recipe.encoding import SPECIAL_TOKENS
from recipe.errors import InputError
from recipe.provenance import whole_or_absent, write_json

_WORD = re.compile(r"[a-z]{3,}")
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
    train = read_prepared_split(recipe.folder / "corpus", recipe.corpus, "train", recipe.seed)
    documents = Counted(tqdm(train, desc="tokenizer: documents read", unit=" documents"))
    with whole_or_absent(recipe.folder / "tokenizer") as folder:
        folder.mkdir()
        if recipe.tokenizer.path is None:
            tokenizer = train_wordpiece(documents, recipe.tokenizer)
        else:
            tokenizer = load_tokenizer(Path(recipe.tokenizer.path))
            for _ in documents:
                pass
        documents.require_two()
        save_tokenizer(tokenizer, folder, recipe)
        write_json(folder / "statistics.json", {**documents.statistics(), **_fertility(tokenizer, documents.words)})


class Counted:
    """An iteration over documents that counts what passes by: documents, and how often each word stands in the first million sentences."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self.number = 0
        self.sentences = 0
        self.words: Counter[str] = Counter()
        self.last_source = ""

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.number += 1
            self.last_source = document.source
            if self.sentences < 1_000_000:
                self.sentences += len(document.sentences)
                self.words.update(word for sentence in document.sentences for word in _WORD.findall(sentence.lower()))
            yield document

    def require_two(self) -> None:
        """Raise InputError for fewer than two documents: a random segment must come from another one."""
        if self.number == 0:
            raise InputError("corpus.path: no training document has any text; check the files and corpus.validation_share")
        if self.number == 1:
            raise InputError(
                f"{self.last_source}: found 1 training document, but a random segment B must come from another one; put a blank line between documents"
            )

    def statistics(self) -> dict:
        """Counts for the report."""
        return {"documents": self.number, "words": sum(self.words.values())}


def train_wordpiece(documents: Iterable[Document], config: TokenizerConfig) -> Tokenizer:
    """Train a BERT WordPiece tokenizer; [PAD] is token 0.

    Normalisation and pre-tokenisation are BERT's (google-research/bert@eedf571, tokenization.py); the pieces are merged by count, as the
    `tokenizers` library does it, not by likelihood as in Schuster and Nakajima (2012).
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.vocab_size, min_frequency=config.min_frequency, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator((sentence for document in documents for sentence in document.sentences), trainer)
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=ends)
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read folder/tokenizer.json and check that it can serve BERT.

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
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, recipe: Recipe) -> None:
    """Write a folder that `AutoTokenizer` loads as a fast BertTokenizer, with vocab.txt for tools older than transformers 5."""
    if recipe.tokenizer.path is not None:
        for file in Path(recipe.tokenizer.path).iterdir():
            if file.name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
                shutil.copy(file, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": recipe.tokenizer.lowercase,
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


def _fertility(tokenizer: Tokenizer, words: Counter[str]) -> dict:
    known = words.most_common(50_000)
    pieces = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast([word for word, _ in known], add_special_tokens=False)]
    counts = [count for _, count in known]
    total = max(sum(counts), 1)
    terms = [[word, count] for (word, count), number in zip(known, pieces, strict=True) if number == 1 and word not in _FUNCTION_WORDS]
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "mean_pieces_per_word": sum(number * count for number, count in zip(pieces, counts, strict=True)) / total,
        "top_whole_words": terms[:40],
    }
