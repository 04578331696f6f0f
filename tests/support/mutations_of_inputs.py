"""Seeded bugs in what is refused of the user's input, and in what leaves the machine."""

from mutations import Mutation

SECRETS, TRACES = "recipe/privacy/secrets.py", "recipe/privacy/traces.py"
DISCLOSURE, PUSH = "recipe/publishing/disclosure.py", "recipe/publishing/contents.py"
YAML, FILES, OPTIONS = (f"recipe/inputs/{name}.py" for name in ("strict_yaml", "regular_files", "options"))
CONFIG_FILE, PROCESSES, MEMORY = "recipe/config_file.py", "recipe/processes.py", "recipe/model/memory.py"
ARGUMENTS, SOURCES = "recipe/arguments.py", "recipe/corpus/sources.py"
COMMAND_LINE = ["tests/inputs/test_command_line.py"]
TESTS = {
    SECRETS: ["tests/privacy/test_secrets.py"],
    TRACES: ["tests/privacy/test_traces.py"],
    DISCLOSURE: ["tests/publishing/test_push.py"],
    PUSH: ["tests/publishing/test_push.py"],
    YAML: ["tests/inputs/test_strict_yaml.py"],
    FILES: ["tests/inputs/test_regular_files.py"],
    SOURCES: ["tests/inputs/test_regular_files.py"],
    CONFIG_FILE: ["tests/inputs/test_strict_yaml.py"],
    OPTIONS: COMMAND_LINE,
    PROCESSES: COMMAND_LINE,
    MEMORY: COMMAND_LINE,
    ARGUMENTS: COMMAND_LINE,
}

MUTATIONS = (
    Mutation("old organisation tokens pass", SECRETS, "api_(?:org_)?[A-Za-z0-9]{30,}", "api_org[A-Za-z0-9]{30,}"),
    Mutation("a token at the border of a block passes", SECRETS, " + len(word) - 1].lower()", "].lower()"),
    Mutation("variables of the environment are not looked for", SECRETS, "TOKEN|KEY|SECRET|PASSWORD|", "TOKEN|KEY|"),
    Mutation("a user name alone stays in a URL", SECRETS, "{1,500})(@)", "{1,500}:[^\\s/@]+)(@)"),
    Mutation("a home is told by its name", TRACES, "folders[-1:] in", "folders[-1:] in [] or [] in"),
    Mutation("a path above is told", TRACES, "|\\.\\.(?:[\\\\/]|$)|", "|"),
    Mutation("the host is not looked for", TRACES, "if names and any(_is_word", "if not names and any(_is_word"),
    Mutation(
        "pictures of a page are not looked into",
        DISCLOSURE,
        "for match in _PICTURE.finditer(data):",
        "for match in ():",
    ),
    Mutation(
        "packed text of a picture is not looked into", DISCLOSURE, 'if kind in (b"zTXt", b"iTXt"):', "if not kind:"
    ),
    Mutation(
        "only text is searched for secrets",
        DISCLOSURE,
        "        yield from secrets_in(part)\n",
        "        yield from secrets_in(part) if is_text else ()\n",
    ),
    Mutation("the recipe is sent as it is", PUSH, "public_settings(recipe).to_yaml()", "recipe.to_yaml()"),
    Mutation(
        "config.json keeps the path of its model",
        PUSH,
        '"README.md", "config.json", "tokenizer',
        '"README.md", "tokenizer',
    ),
    Mutation("a key twice counts once", YAML, "if key.value in seen:", "if key.value in ():"),
    Mutation("aliases are followed", YAML, "if isinstance(event, yaml.AliasEvent):", "if event is None:"),
    Mutation("017 is a number", YAML, 'r"(?:0|[1-9]', 'r"(?:0|[0-9]'),
    Mutation("tags are followed", YAML, 'if getattr(event, "tag", None) is not None:', "if event is None:"),
    Mutation("a folder 1.50 is 1.5", CONFIG_FILE, "if place in texts and is_text(config_field)", "if place in ()"),
    Mutation("sockets are files", FILES, 'stat.S_IFSOCK: "a socket", ', ""),
    Mutation("a pipe behind a link is a file", FILES, "os.stat(path)", "os.lstat(path)"),
    Mutation(
        "pipes in a folder are passed over", SOURCES, 'refuse_special_file(file, f"remove it from {path}")', "pass"
    ),
    Mutation("capitals have no nearest option", OPTIONS, "unknown.lower()", "unknown"),
    Mutation("a rank of its own is taken", PROCESSES, "if found and missing:", "if missing == [*_GROUP]:"),
    Mutation(
        "a rank beyond the size is taken",
        PROCESSES,
        "int(found[rank]) >= int(found[size])",
        "int(found[rank]) > int(found[size])",
    ),
    Mutation("processes of mpirun are taken", PROCESSES, '"OMPI_COMM_WORLD_SIZE", ', ""),
    Mutation("the decoder has a table of its own", MEMORY, "+ vocab_size\n", "+ vocab_size * width\n"),
    Mutation("Adam needs nothing", MEMORY, "BYTES_PER_PARAMETER = 16", "BYTES_PER_PARAMETER = 8"),
    Mutation("an error line follows a bar", ARGUMENTS, "            bar.close()", "            pass"),
    Mutation(
        "passwords are printed",
        ARGUMENTS,
        'line = masked(" ".join(message.split()))',
        'line = " ".join(message.split())',
    ),
)
