"""BertForTokenClassification that also takes batches without padding; its checkpoints are standard."""

from typing import Any

import transformers
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification
from transformers.modeling_outputs import TokenClassifierOutput

from recipe.model.attention import states_at


class BertForTokenClassification(transformers.BertForTokenClassification):
    """The stock model, whose forward also takes `recipe.tasks.finetuning.collation.unpadded` batches: no layer touches
    padding, and the last one runs only where a label is read. Loss, logits and gradients are the stock model's.

    It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class
    that they have.
    """

    def forward(self, input_ids=None, labels=None, cu_seq_lens=None, reads=None, **inputs):
        """Without `cu_seq_lens` the stock forward; with it logits of shape (reads, labels) and the mean loss over the
        reads.
        """
        if cu_seq_lens is None:
            return super().forward(input_ids=input_ids, labels=labels, **inputs)
        logits = self.classifier(self.dropout(states_at(self.bert, cu_seq_lens, reads, input_ids)))
        return TokenClassifierOutput(
            loss=None if labels is None else cross_entropy(logits.float(), labels), logits=logits
        )


def token_classifier_class(model_type: str) -> Any:
    """Ours for BERT, else what transformers has for the type."""
    return BertForTokenClassification if model_type == "bert" else AutoModelForTokenClassification
