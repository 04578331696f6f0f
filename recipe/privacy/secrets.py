"""Which bytes are secrets: tokens, keys and passwords, in files that leave the machine and in messages."""

import os
import re
from collections.abc import Iterator
from typing import Any

# The kind, a word in lower case that the form contains, and the form. Each begins with what its issuer documents, so
# that random bytes of weights match none. A form without a beginning of its own (40 hexadecimal digits of wandb, 40
# characters of AWS) needs the name of its key before it; one whose first letters are common ("task-") begins a word.
_START = rb"(?<![A-Za-z0-9])"
_GIVEN = rb"[\"'\s]{0,3}(?:[:=]|\s)[\"'\s]{0,3}"
_NAMED_WANDB = rb"(?i:wandb|api[_-]?key|password)[\w.-]{0,40}" + _GIVEN + rb"(?:local-)?[0-9a-f]{40}(?![0-9A-Za-z])"
_NAMED_AWS = rb"(?i:aws|secret[_-]?access)[\w.-]{0,40}" + _GIVEN + rb"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"
FORMS = (
    ("a Hub token (hf_...)", b"hf_", rb"hf_(?:[a-z]+_)?[A-Za-z0-9]{20,}"),
    ("a Hub token (api_...)", b"api_", _START + rb"api_(?:org_)?[A-Za-z0-9]{30,}"),
    ("a key of wandb", b"wandb_v", rb"wandb_v[0-9]+_[A-Za-z0-9_]{20,}"),
    *(("a key of wandb", word, _NAMED_WANDB) for word in (b"wandb", b"api_key", b"api-key", b"apikey", b"password")),
    ("a token of GitHub", b"gh", _START + rb"gh[pousr]_[A-Za-z0-9]{30,}"),
    ("a token of GitHub", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{30,}"),
    ("a token of GitLab", b"gl", _START + rb"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_.-]{20,}"),
    *(("a key of AWS", word, _START + word.upper() + rb"[A-Z0-9]{16}(?![A-Za-z0-9])") for word in (b"akia", b"asia")),
    *(("a key of AWS", word, _NAMED_AWS) for word in (b"aws", b"secret_access", b"secret-access", b"secretaccess")),
    ("a key of Anthropic", b"sk-ant-", rb"sk-ant-[A-Za-z0-9_-]{10,}"),
    # A digit is asked for, or the name of a style such as sk-a-very-long-name would be one.
    ("a key of OpenAI", b"sk-", _START + rb"sk-(?:\w{4,8}-)?(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20,}"),
    ("a token of Slack", b"xox", _START + rb"xox[a-z]-[A-Za-z0-9-]{10,}"),
    ("a token of Slack", b"xapp-", _START + rb"xapp-[A-Za-z0-9-]{10,}"),
    ("a key of Google", b"aiza", rb"AIza[A-Za-z0-9_-]{30,}"),
    ("a key of Google", b"ya29.", _START + rb"ya29\.[A-Za-z0-9_-]{20,}"),
    ("a key of Google", b"gocspx-", rb"GOCSPX-[A-Za-z0-9_-]{20,}"),
    ("a token of a package registry", b"pypi-", _START + rb"pypi-[A-Za-z0-9_-]{40,}"),
    ("a token of a package registry", b"npm_", _START + rb"npm_[A-Za-z0-9]{30,}"),
    ("a key of NVIDIA", b"nvapi-", rb"nvapi-[A-Za-z0-9_-]{30,}"),
    ("a key of Stripe", b"k_live_", rb"[sr]k_live_[A-Za-z0-9]{20,}"),
    ("a key of Azure", b"accountkey=", rb"(?i:AccountKey=)[A-Za-z0-9+/=]{40,}"),
    ("a private key", b"-----begin ", rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY"),
    ("a signed web token (JWT)", b"eyj", _START + rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{5,}"),
)
_FORMS = tuple((kind, word, re.compile(form)) for kind, word, form in FORMS)
_BLOCK = 1 << 24
# Bytes before and after a word in which the rest of a form, or the path that goes on, is looked for.
_AROUND = 1 << 10
# The name of what is in front of @, or of a parameter of a URL that gives access. Bounded, so that a long line costs
# no more than its length.
_USER_INFO = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s/@?#\"'<>]{1,500})(@)")
_PARAMETER = re.compile(
    r"([?&;#](?:amp;)?(?:[\w.~%-]{0,40}(?:token|secret|passw(?:or)?d|pwd|signature|credential|auth|access[_-]?key(?:id)?)"
    r"|(?:[\w.~%-]{0,40}[_.-])?(?:api)?(?:key|sig))=)([^\s&;#\"'<>]{1,5000})",
    re.IGNORECASE,
)
MASK = "***"
_SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_VALUE = 8


def secrets_in(content: bytes) -> Iterator[str]:
    """The kinds of secrets in some bytes, such as "a token of GitHub"; never the secret itself."""
    for kind, word, form in _FORMS:
        if any(form.search(part) for part in near(word, content)):
            yield kind
    for name, value in secret_values():
        if value in content:
            yield f"the value of {name}"
    for part in near(b"://", content):
        text = part.decode("utf-8", errors="replace")
        if _masked_urls(text) != text:
            yield "a URL with a password or signature"
            break


def near(word: bytes, content: bytes) -> Iterator[bytes]:
    """The surroundings of every place of a word (in lower case; any case is found) in some bytes."""
    # A regular expression takes minutes for the weights of a model, and looking for a word a second.
    for start in range(0, len(content), _BLOCK):
        lower = content[start : start + _BLOCK + len(word) - 1].lower()
        place = lower.find(word)
        while place >= 0:
            yield content[max(0, start + place - _AROUND) : start + place + _AROUND]
            # What follows within the same surroundings was in them.
            place = lower.find(word, place + _AROUND // 2)


def masked(text: str) -> str:
    """The text with *** in the place of tokens, keys, and the passwords and signatures of URLs."""
    text = _masked_urls(text)
    # Of bytes that are not UTF-8 in the name of a file, Python makes surrogates.
    content = text.encode("utf-8", errors="surrogateescape")
    for _, value in secret_values():
        content = content.replace(value, MASK.encode())
    for _, _, form in _FORMS:
        content = form.sub(MASK.encode(), content)
    return content.decode("utf-8", errors="surrogateescape")


def masked_urls_in(value: Any) -> Any:
    """A value of a recipe, with *** in its URLs."""
    if isinstance(value, list):
        return [masked_urls_in(entry) for entry in value]
    return _masked_urls(value) if isinstance(value, str) else value


def secret_values() -> Iterator[tuple[str, bytes]]:
    """(name, value) of the environment variables that are secrets by their names."""
    for name, value in os.environ.items():
        # TOKENIZERS_PARALLELISM is a setting of a library of that name.
        if _SECRET_NAME.search(name.replace("TOKENIZERS", "")) and len(value.strip()) >= _SHORTEST_VALUE:
            yield name, value.strip().encode("utf-8", errors="surrogateescape")


def _masked_urls(text: str) -> str:
    if "://" not in text and "?" not in text:
        return text
    text = _USER_INFO.sub(rf"\g<1>{MASK}\g<3>", text)
    return _PARAMETER.sub(rf"\g<1>{MASK}", text)
