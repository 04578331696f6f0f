"""A folder, or hub:NAME of a model -> a local folder; and in words why the Hub gave nothing."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

from recipe.errors import InputError

HUB = "hub:"
# A pickle is fetched only where there is no safetensors file. Weights in subfolders are of other frameworks.
_SMALL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_WEIGHTS = (("model*.safetensors*",), ("pytorch_model*.bin*",))
_UNREACHABLE = {
    *("ConnectionError", "ConnectError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"),
    *("Timeout", "TimeoutException"),
}


def local_folder(entry: str, key: str, with_weights: bool = False) -> Path:
    """The folder of an entry: itself, or of hub:NAME?revision=REVISION the files in the cache of huggingface_hub.

    Args:
        key: of the recipe, for messages.
        with_weights: fetch the weights too, and not only the config and the tokenizer.

    Raises:
        InputError: for hub:NAME that is malformed, not there, or cannot be reached and is not in the cache.
    """
    return _fetched(entry.removeprefix(HUB), key, with_weights) if entry.startswith(HUB) else Path(entry)


# Asked once: all stages of a process see one commit, whatever is pushed in the meantime.
@cache
def _fetched(name: str, key: str, with_weights: bool) -> Path:
    from huggingface_hub import snapshot_download  # imported here, since most recipes name no model of the Hub

    model, _, query = name.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if (query and not options.get("revision")) or set(options) - {"revision"}:
        raise InputError(
            f"{key}: {HUB}{name} has {query!r} after the question mark; it takes revision, as in ?revision=main"
        )
    revision = options.get("revision")
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=list(_SMALL_FILES)))
        for patterns in _WEIGHTS if with_weights else ():
            # The same commit, also if the branch has moved on since.
            snapshot_download(model, revision=folder.name, allow_patterns=list(patterns))
            if any(folder.glob(patterns[0])):
                break
    except Exception as error:  # huggingface_hub and its client raise a dozen classes
        raise InputError(f"{key}: {HUB}{name} {cause_of(error)}") from None
    return folder


def cause_of(error: Exception) -> str:
    """Why the Hub gave nothing, as the end of a sentence that begins with the name, and what to do."""
    # By name: the classes belong to requests, httpx, huggingface_hub and `datasets`, of several versions each.
    names = {cause.__name__ for link in _chain(error) for cause in type(link).__mro__}
    text = " ".join(str(error).split())
    # Older clients close their connection after the first failure and then only say so.
    if names & _UNREACHABLE or "client has been closed" in text:
        return f"cannot be reached ({type(error).__name__}); check the network and HF_HUB_OFFLINE, or name local files"
    if names & {"DatasetNotFoundError", "RepositoryNotFoundError"}:
        return "does not exist on the Hub, or is private or gated; check the name, or log in with `hf auth login`"
    return f"cannot be read ({type(error).__name__}: {text[:200]})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
