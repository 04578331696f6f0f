"""Files that the user names are files: a named pipe would be waited for without end, and a device has no end."""

import os
import stat
from pathlib import Path

from recipe.errors import InputError

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def refuse_special_file(path: str | Path, remedy: str = "name a file") -> None:
    """Refuse what is there but is neither a file nor a folder; whether anything is there is for the caller to see.

    Raises:
        InputError: for a named pipe, a socket or a device, also behind a link.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return
    if kind in _KINDS:
        raise InputError(f"{path}: is {_KINDS[kind]}, which cannot be read as a file; {remedy}")
