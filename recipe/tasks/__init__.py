"""Tasks that show what a pretrained model is worth. `load_task` needs no torch, so bad input is found before anything
slow is imported.
"""

from pathlib import Path

from recipe.errors import InputError
from recipe.tasks.data.columns import NerTask, read_task
from recipe.tasks.data.nero import read_nero

EMBEDDED_TASKS = {"embedded:nero": read_nero}


def load_task(data: str) -> NerTask:
    """Read what `task.data` names: an embedded task or a folder of two-column files.

    Raises:
        InputError: for an unknown embedded task, a missing folder or file, or a line that cannot be read.
    """
    if data in EMBEDDED_TASKS:
        return EMBEDDED_TASKS[data]()
    if data.startswith("embedded:"):
        raise InputError(f"task.data is {data!r}; the embedded tasks are {', '.join(EMBEDDED_TASKS)}")
    return read_task(Path(data).expanduser())
