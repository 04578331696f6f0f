"""A tokenizer as a folder that AutoTokenizer loads: reading, checking and writing it."""

import json
import shutil
from pathlib import Path

from tokenizers import Tokenizer, models
from tokenizers.implementations import BertWordPieceTokenizer

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.inputs.hub_folder import local_folder
from recipe.inputs.regular_files import refuse_special_file

# What a folder may contain; all of them are copied of a given one.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read folder/tokenizer.json and check that it can serve BERT; truncation and padding that it asks for are off.

    Where there is none, folder/vocab.txt is read as BERT's own tokenizer reads it.

    Raises:
        InputError: if it is absent or broken, is not a WordPiece tokenizer, or lacks a special token.
    """
    path = folder / "tokenizer.json"
    for name in TOKENIZER_FILES:
        refuse_special_file(folder / name, "name a folder that `save_pretrained` wrote")
    try:
        if not path.is_file() and (folder / "vocab.txt").is_file():
            tokenizer, path = _of_vocabulary(folder), folder / "vocab.txt"
        else:
            tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except OSError:
        raise InputError(
            f"{path}: cannot be read; name a folder that `save_pretrained` of a fast BERT tokenizer wrote"
        ) from None
    except Exception as error:  # the library raises a bare Exception for what it cannot parse
        cause = " ".join(str(error).split())[:150]
        raise InputError(f"{path}: is not a tokenizer ({cause}); save it again by `save_pretrained`") from None
    missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
    if missing:
        raise InputError(
            f"{path}: the vocabulary lacks {', '.join(missing)}, which BERT needs; add them or train a tokenizer with"
            " tokenizer.path: null"
        )
    if not isinstance(tokenizer.model, models.WordPiece):
        kind = type(tokenizer.model).__name__
        raise InputError(f"{path}: is a {kind} tokenizer; whole-word masking needs WordPiece with ## pieces")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _of_vocabulary(folder: Path) -> Tokenizer:
    """The tokenizer of a vocab.txt: many BERTs on the Hub are older than tokenizer.json."""
    settings = folder / "tokenizer_config.json"
    config = read_json(settings) if settings.is_file() else {}
    # Absent keys have the defaults of transformers' BertTokenizer.
    made = BertWordPieceTokenizer(
        str(folder / "vocab.txt"),
        lowercase=config.get("do_lower_case", True),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
    )
    return Tokenizer.from_str(made.to_str())


def save_tokenizer(tokenizer: Tokenizer, folder: Path, recipe: Recipe) -> None:
    """Write a folder that `AutoTokenizer` loads as a fast BertTokenizer."""
    if recipe.tokenizer.path is not None:
        for file in local_folder(recipe.tokenizer.path, "tokenizer.path").iterdir():
            if file.name in TOKENIZER_FILES:
                shutil.copy(file, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        # BertTokenizer makes a normaliser of its own from these settings, without NFKC; the plain class keeps that of
        # tokenizer.json.
        "tokenizer_class": "PreTrainedTokenizerFast" if recipe.tokenizer.nfkc else "BertTokenizer",
        "do_lower_case": recipe.tokenizer.lowercase,
        "strip_accents": recipe.tokenizer.strip_accents,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": recipe.model.max_position_embeddings,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    }
    settings = folder / "tokenizer_config.json"
    given = read_json(settings) if settings.exists() else {}
    # Without its class, which old checkpoints leave to their config.json, AutoTokenizer would not load this folder.
    if "tokenizer_class" not in given:
        settings.write_text(json.dumps({**config, **given}, indent=2) + "\n", encoding="utf-8")
    # For tools older than transformers 5: the tokens in the order of their ids.
    ids = tokenizer.get_vocab(with_added_tokens=True)
    (folder / "vocab.txt").write_text("\n".join(sorted(ids, key=ids.__getitem__)) + "\n", encoding="utf-8")


def special_token_ids(folder: Path) -> dict[str, int]:
    """The ids of [PAD], [UNK], [CLS], [SEP] and [MASK]."""
    entries = load_tokenizer(folder).get_vocab(with_added_tokens=True)
    return {token: entries[token] for token in SPECIAL_TOKENS}
