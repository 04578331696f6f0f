"""Seeded bugs in the start from a checkpoint, in hub:NAME and in ONNX."""

from mutations import Mutation

START, BUILD, SHAPE = "recipe/model/start.py", "recipe/model/build.py", "recipe/pipeline/shape.py"
HUB, INPUTS, FOLDER = "recipe/inputs/hub_folder.py", "recipe/pipeline/inputs.py", "recipe/tokenizer/folder.py"
ONNX, EXPORT = "recipe/tasks/prediction/onnx_model.py", "recipe/tasks/prediction/export.py"
TESTS = {
    START: ["tests/model/test_start.py"],
    HUB: ["tests/inputs/test_hub_folder.py"],
    **{key: ["tests/test_continued.py"] for key in (BUILD, SHAPE, INPUTS)},
    FOLDER: ["tests/tokenizer/test_tokenizer.py", "tests/test_continued.py"],
    **{key: ["tests/tasks/test_export.py"] for key in (ONNX, EXPORT)},
}

MUTATIONS = (
    Mutation(
        "rows of the old vocabulary stay in their places",
        START,
        "found[index] = [ids[piece]]",
        "found[index] = [index]",
    ),
    Mutation(
        "what goes on in a word is made of beginnings",
        START,
        'found[index] = _cut("" if is_begin else _CONTINUATION, text, ids)',
        'found[index] = _cut("", text, ids)',
    ),
    Mutation(
        "an uncased vocabulary knows no capitals",
        START,
        "text = old.normalizer.normalize_str(text) if old.normalizer else text",
        "pass",
    ),
    Mutation("a new piece takes the shortest old pieces", START, "range(len(text), 0, -1)", "range(1, len(text) + 1)"),
    Mutation(
        "the decoder's bias keeps its order",
        START,
        "exchanged(head.decoder.bias[:, None])",
        "head.decoder.bias[:, None]",
    ),
    Mutation(
        "the decoder is no longer the embedding table",
        START,
        "head.decoder.weight = words.weight if is_tied else exchanged(head.decoder.weight)",
        "head.decoder.weight = nn.Parameter(words.weight.detach().clone())",
    ),
    Mutation("pieces without anything old start alike", START, "torch.randn(number", "0 * torch.randn(number"),
    Mutation("a missing MLM head is noise", START, "nn.init.eye_(transform.dense.weight)", "pass"),
    Mutation("a new MLM head is too sure of itself", START, "_SIZE_OF_IDENTITY = 0.5", "_SIZE_OF_IDENTITY = 1"),
    Mutation("new heads depend on chance", START, 'torch.manual_seed(torch_seed(seed, "initial weights"))', "pass"),
    Mutation("a layer may be missing", START, "if lost := [", "if lost := [][:0] and ["),
    Mutation(
        "code in a pickle is an error of the program", START, "except pickle.UnpicklingError:", "except KeyError:"
    ),
    Mutation(
        "a key that contradicts the checkpoint wins", SHAPE, "if name in _SHAPE and wanted != found:", "if False:"
    ),
    Mutation(
        "a default that was written counts as not written",
        SHAPE,
        'if f"model.{name}" not in recipe.written and wanted == default:',
        "if wanted == default:",
    ),
    Mutation("the dropout of a recipe is ignored", SHAPE, "    return wanted\n", "    return found\n"),
    Mutation("other kinds of positions are read as absolute", SHAPE, '!= "absolute":', "is None:"),
    Mutation(
        "a missing vocabulary is found after days", INPUTS, "    load_tokenizer(folder)\n    # What", "    # What"
    ),
    Mutation(
        "a headless start knows no frequencies", BUILD, "if has_unigrams and MLM_HEAD in start.fresh:", "if False:"
    ),
    Mutation("a vocab.txt is always cased", FOLDER, 'lowercase=config.get("do_lower_case", True)', "lowercase=False"),
    Mutation("pickles are fetched although there is better", HUB, "                break\n", "                pass\n"),
    Mutation("weights are of a newer commit", HUB, "revision=folder.name", "revision=revision"),
    Mutation(
        "padding is attended to",
        ONNX,
        "{name: batch[name].numpy()",
        '{name: batch[name if name != "attention_mask" else "input_ids"].numpy() * 0 + 1',
        needs="onnx",
    ),
    Mutation("any difference is kept", EXPORT, "if not difference <= TOLERANCE:", "if False:", needs="onnx"),
    Mutation(
        "only the first batch is compared", EXPORT, "return max(differences)", "return differences[0]", needs="onnx"
    ),
    Mutation(
        "the length is fixed", EXPORT, "1: torch.export.Dim.DYNAMIC}", "1: torch.export.Dim.STATIC}", needs="onnx"
    ),
    Mutation("text is not read", EXPORT, "    if text is None:\n", "    if True:\n"),
)
