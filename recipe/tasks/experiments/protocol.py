"""Protocols by name (protocols.yaml) and options of a command line -> `TaskConfig`."""

from dataclasses import fields
from pathlib import Path

import yaml

from recipe.config import TaskConfig, check_task
from recipe.config_file import coerce, yaml_value
from recipe.errors import InputError

PROTOCOLS = Path(__file__).with_name("protocols.yaml")
# What is done, not how: the command line has other words for these.
_NOT_OPTIONS = ("name", "data", "baselines")
OPTIONS = {found.name: found for found in fields(TaskConfig) if found.name not in _NOT_OPTIONS}

# Raise it when the same model and task files give other scores, or another RUN/task/scores.json.
VERSION = 2


def load_protocol(protocol: str, options: dict[str, str]) -> TaskConfig:
    """A protocol of protocols.yaml, with the text of `options` over its values."""
    table = yaml.safe_load(PROTOCOLS.read_text(encoding="utf-8"))
    if protocol not in table:
        raise InputError(f"--protocol is {protocol!r}; it takes one of {', '.join(table)}")
    given = {name: yaml_value(text, f"--{name}") for name, text in options.items()}
    # One coercion for recipes and this command line, so both take and refuse the same.
    values = {name: coerce(value, OPTIONS[name], f"--{name}") for name, value in {**table[protocol], **given}.items()}
    config = TaskConfig(**values)
    check_task(config, "--")
    return config
