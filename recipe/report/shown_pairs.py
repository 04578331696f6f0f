"""Examples of evaluation.json -> what the page shows of a pair: chosen pieces, guesses, and how each is marked."""

from typing import Any

from recipe.formatting import percent


def shown_pair(example: dict[str, Any]) -> dict[str, Any]:
    """Tokens with their guesses, truth and guess on the pair in words, and how many guesses are right."""
    tokens = _example_tokens(example)
    chosen = [token for token in tokens if token["guesses"]]
    label, guess = example["label"], example["predicted_label"]
    return {
        "tokens": tokens,
        "truth": ("B follows A", "B is random text")[label],
        "guess": f"“{('B follows A', 'B is random')[guess]}” {'✓' if guess == label else '✗'}",
        "chosen": len(chosen),
        "hits": sum(token["guesses"][0]["hit"] for token in chosen),
    }


def _example_tokens(example: dict[str, Any]) -> list[dict[str, Any]]:
    tokens = []
    seen_separator = False
    pieces = example["tokens"]
    for position, (original, shown) in enumerate(zip(pieces, example["masked"], strict=True)):
        guesses = [
            {"piece": piece, "probability": percent(probability), "hit": piece == original}
            for piece, probability in example["guesses"].get(str(position), [])
        ]
        # The second [SEP] ends the pair, so only the first one begins B.
        begins_b = position > 0 and pieces[position - 1] == "[SEP]" and not seen_separator
        seen_separator = seen_separator or begins_b
        tokens.append(
            {
                "position": position,
                "original": original,
                "shown": shown,
                "guesses": guesses,
                "joins": original.startswith("##"),
                "segment": "A" if position == 1 else "B" if begins_b else "",
                **_token_classes(original, shown, guesses),
            }
        )
    return tokens


def _token_classes(original: str, shown: str, guesses: list[dict[str, Any]]) -> dict[str, str]:
    if not guesses:
        name = "special" if original in ("[CLS]", "[SEP]", "[PAD]") else ""
        return {"before_class": name, "after_class": name}
    swapped = " swapped" if shown not in (original, "[MASK]") else ""
    return {
        "before_class": "chip chosen",
        "after_class": ("chip right" if guesses[0]["hit"] else "chip wrong") + swapped,
    }
