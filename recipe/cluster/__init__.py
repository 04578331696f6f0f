"""The stages corpus and pairs on many machines; the output is byte-identical to a single-machine run."""
