"""Seeded bugs in what protects a run folder: ownership, lock, sha256, events, and the commands verify and clean."""

from mutations import Mutation

OWNERSHIP, LOCK, INTEGRITY, EVENTS, SETTINGS = (
    f"recipe/run_folder/{name}.py" for name in ("ownership", "lock", "integrity", "events", "settings")
)
RUNNING, DONE, PREPARED, SHAPE = (f"recipe/pipeline/{name}.py" for name in ("run", "done", "prepared", "shape"))
RECORDS, PASSES, BUILDER = ("recipe/records.py", "recipe/pairs/passes.py", "recipe/pairs/builder.py")
VERIFY, CLEAN, FILES, STORE = (
    "recipe/maintenance/verify.py",
    "recipe/maintenance/clean.py",
    "recipe/files.py",
    "recipe/tokens/store.py",
)
OWNERSHIP_TESTS, LOCK_TESTS, INTEGRITY_TESTS, EVENT_TESTS, COMMAND_TESTS = (
    [f"tests/run_folder/test_{name}.py"] for name in ("ownership", "lock", "integrity", "events", "commands")
)
TESTS = {
    OWNERSHIP: OWNERSHIP_TESTS,
    LOCK: LOCK_TESTS,
    INTEGRITY: INTEGRITY_TESTS,
    EVENTS: EVENT_TESTS,
    SETTINGS: COMMAND_TESTS,
    RUNNING: OWNERSHIP_TESTS,
    DONE: INTEGRITY_TESTS,
    PREPARED: INTEGRITY_TESTS,
    SHAPE: INTEGRITY_TESTS,
    RECORDS: INTEGRITY_TESTS,
    PASSES: INTEGRITY_TESTS,
    BUILDER: INTEGRITY_TESTS,
    STORE: INTEGRITY_TESTS,
    FILES: INTEGRITY_TESTS,
    VERIFY: COMMAND_TESTS,
    CLEAN: COMMAND_TESTS,
}

MUTATIONS = (
    Mutation(
        "a link hides that a corpus lies in the run folder",
        OWNERSHIP,
        "(os.path.realpath(run), os.path.realpath(os.path.expanduser(place))),",
        "",
    ),
    Mutation(
        "a link in the run folder may be a corpus",
        OWNERSHIP,
        "(os.path.abspath(run), os.path.abspath(os.path.expanduser(place))),",
        "",
    ),
    Mutation("corpus.partial may be the user's", OWNERSHIP, 'first.partition(".")[0]', "first"),
    Mutation("a run folder below the corpus is fine", OWNERSHIP, '(inner + "/").startswith(root)', "inner == root"),
    Mutation("a deep glob around the run is fine", OWNERSHIP, 'if "**" in place:', 'if "***" in place:'),
    Mutation(
        "a user's folder in RUN/corpus is replaced",
        OWNERSHIP,
        'in sorted((run / folder).glob("*")):',
        'in sorted(path for path in (run / folder).glob("*") if path.is_file()):',
    ),
    Mutation("a user's file beside the stores is replaced", OWNERSHIP, '    "store": (),\n', ""),
    Mutation("a data set in the run folder is fine", OWNERSHIP, 'entry = entry.removeprefix("hub:")', "entry = entry"),
    Mutation("a user's report is written over", OWNERSHIP, "if is_new else ()", "if not is_new else ()"),
    Mutation(
        "a user's file in RUN/corpus is replaced",
        RUNNING,
        "        refuse_foreign(recipe.folder, stage.results)\n        _announce",
        "        _announce",
    ),
    Mutation(
        "a dangling link is a run folder", OWNERSHIP, "if place.is_symlink() and not place.exists():", "if False:"
    ),
    Mutation("a recipe of the user's is replaced", OWNERSHIP, 'lstrip().startswith("#")', 'lstrip().startswith("##")'),
    Mutation("other ranks are refused", LOCK, "if not is_first_process() or key in _held:", "if key in _held:"),
    Mutation("a stage cannot lock what run has locked", LOCK, "    _held.add(key)\n", ""),
    Mutation("the taking over is not said", LOCK, "if (left := _holder(run)) is not None:", "if False:"),
    Mutation(
        "orphans keep the lock",
        LOCK,
        "    except ProcessLookupError:\n        return True",
        "    except ProcessLookupError:\n        return False",
    ),
    Mutation("the note of the holder stays", LOCK, "(run / HOLDER).unlink(missing_ok=True)", "pass"),
    Mutation(
        "bytes are not compared",
        INTEGRITY,
        "(is_as_written(path, sha) if is_deep else path.is_file())",
        "path.is_file()",
    ),
    Mutation(
        "a rank looks at another one's share",
        INTEGRITY,
        "names[process_index() :: world_size()]",
        "names[1 :: world_size()]",
    ),
    Mutation(
        "rows of pairs are on no record",
        INTEGRITY,
        "for name in json.loads(manifest.read_text())",
        'for name in ["x"]',
    ),
    Mutation(
        "a model that pretraining starts from is not compared", SHAPE, "    require_intact_folder(path.parent)\n", ""
    ),
    Mutation("what is taken over is not compared", PREPARED, "    require_intact(source, stage.name)\n", ""),
    Mutation(
        "a damaged model of a task stays",
        INTEGRITY,
        "            (run / name).unlink(missing_ok=True)",
        "            pass",
    ),
    Mutation(
        "damaged results are skipped as done",
        DONE,
        "        and not damaged_files(recipe.folder, record, is_deep=recipe.verify_files)\n",
        "",
    ),
    Mutation(
        "changed records are believed",
        RECORDS,
        'content.get("sha256", sha256_of_json(stages))',
        "sha256_of_json(stages)",
    ),
    Mutation("a damaged pass is trained on", PASSES, "note[1] == sha256_once(path))", "note[1])"),
    Mutation(
        "a damaged number of a pass is believed", PASSES, "sums[1:] == [sha256_of_json([number, sums[0]])]", "sums"
    ),
    Mutation("damaged rows are used again", BUILDER, "            shutil.rmtree(manifest.parent)\n", ""),
    Mutation("a file that changed is not read again", FILES, "found.st_mtime_ns, found.st_ctime_ns)", "0)"),
    Mutation(
        "a file of brackets is a traceback", FILES, "except (ValueError, RecursionError) as", "except ValueError as"
    ),
    Mutation("other ranks log too", EVENTS, "if not is_first_process() or not run.is_dir():", "if not run.is_dir():"),
    Mutation("a cut line eats the next one", EVENTS, '("\\n" * is_cut + text)', "text"),
    Mutation(
        "a full disk stops a run by its events",
        EVENTS,
        "    except OSError:\n        # A full",
        "    except KeyError:\n        # A full",
    ),
    Mutation(
        "the order of training is not known",
        SETTINGS,
        "key=lambda folder: (known[folder], folder.name)",
        "key=lambda folder: -known[folder]",
    ),
    Mutation("verify always says 0", VERIFY, "        sys.exit(DAMAGED_STATUS)", "        pass"),
    Mutation("clean takes the checkpoints in use", CLEAN, '"checkpoints")[:-1]', '"checkpoints")'),
    Mutation("clean removes without --yes", CLEAN, "    if not yes:", "    if yes:"),
    Mutation("clean takes rows in use", CLEAN, "folder.name not in current and _ROWS", "_ROWS"),
    Mutation(
        "clean takes passes in use",
        CLEAN,
        'return folder.name if recipe.pairs.refresh_every_epoch else ""',
        'return ""',
    ),
    Mutation("checkpoints of another tokenizer are resumed", SETTINGS, "before != tokenizer:", "before == {}:"),
)
