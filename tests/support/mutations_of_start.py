"""Seeded bugs in the informed initialisation and in Muon."""

from mutations import Mutation

INFORMED, MUON, RUN = "recipe/model/informed.py", "recipe/model/muon.py", "recipe/pretraining/run.py"
TESTS = {
    INFORMED: ["tests/model/test_informed.py"],
    MUON: ["tests/model/test_muon.py"],
    RUN: ["tests/model/test_muon.py"],
}

MUTATIONS = (
    Mutation(
        "neighbours reach into the next sentence",
        INFORMED,
        "is_near = sentences[distance : distance + end] == sentences[:end]",
        "is_near = sentences[distance : distance + end] >= 0",
    ),
    Mutation(
        "only the neighbour on the right counts", INFORMED, "((first, second), (second, first))", "((first, second),)"
    ),
    Mutation("all distances count alike", INFORMED, "(12, 6, 4, 3)", "(12, 12, 12, 12)"),
    Mutation("rare neighbours are told apart", INFORMED, "np.argsort(-frequencies", "np.argsort(frequencies"),
    Mutation("only the beginning of a large text is counted", INFORMED, "starts[kept]", "starts[: len(kept)]"),
    Mutation("frequent pieces are alike", INFORMED, "counts /= rows.clamp(min=1)", "counts /= 1"),
    Mutation("unseen pieces lose their start", INFORMED, "vectors.any(1)", "vectors.any(1) | True"),
    Mutation(
        "vectors keep the size of their counts", INFORMED, "* (_OF_WORDS / vectors[is_known].std())", "* _OF_WORDS"
    ),
    Mutation(
        "the key has no identity", INFORMED, "(layer.attention.self.key, query_key)", "(layer.attention.self.key, 0)"
    ),
    Mutation("wide heads attend more sharply", INFORMED, "_SELF_ATTENTION / math.sqrt(", "_SELF_ATTENTION / ("),
    Mutation("sines come before cosines", INFORMED, "dim=2).flatten(1)", "dim=1).flatten(1)"),
    Mutation("tall matrices are not turned", MUON, "matrices.shape[1] > matrices.shape[2]", "False"),
    Mutation(
        "the sizes of matrices are not taken into account",
        MUON,
        "* max(alike[0].shape) ** 0.5",
        "* min(alike[0].shape) ** 0.5",
    ),
    Mutation("plain momentum instead of Nesterov's", MUON, "gradients.lerp(momenta, _MOMENTUM)", "momenta"),
    Mutation("no weight decay", MUON, 'kept: Any = 1 - group["lr"] * group["weight_decay"]', "kept: Any = 1"),
    Mutation("a bad step changes the momentum", MUON, "momenta = torch.where(is_skipped, before, momenta)", "pass"),
    Mutation("a bad step changes the weights", MUON, "updates = updates.masked_fill(is_skipped, 0)", "pass"),
    Mutation("a bad step decays the weights", MUON, "kept = torch.where(is_skipped, 1.0, kept)", "pass"),
    Mutation("no matrix is updated", MUON, "torch._foreach_sub_(alike, updates.unbind())", "pass"),
    Mutation("a scaled gradient stays scaled", MUON, "gradients /= scale", "pass"),
    Mutation(
        "AdamW does not see bad steps",
        MUON,
        "found_inf=found_inf,\n            amsgrad",
        "found_inf=None,\n            amsgrad",
    ),
    Mutation(
        "Muon takes the embeddings",
        RUN,
        "model.bert.encoder.parameters() if each.ndim == 2",
        "model.bert.parameters() if each.ndim == 2",
    ),
)
