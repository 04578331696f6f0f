"""The stages of a run in their order: what each needs, what it makes, and when it is redone.

A stage is redone when its settings, the content that it reads or its VERSION have changed, or when its results are not
what they were; RUN/stages.json remembers all of this. An update of the package redoes nothing by itself.
"""

from recipe.pipeline.done import is_done
from recipe.pipeline.inputs import remember_inputs
from recipe.pipeline.run import check_inputs, run_all, run_stage, write_results
from recipe.pipeline.stages import STAGES

__all__ = ["STAGES", "check_inputs", "is_done", "remember_inputs", "run_all", "run_stage", "write_results"]
