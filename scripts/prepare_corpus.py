"""Read, split and clean the corpus of a recipe, and say what went and why. Writes RUN/corpus.

python scripts/prepare_corpus.py configs/demo.yaml
python scripts/prepare_corpus.py configs/demo.yaml --corpus.path=pubmed/*.xml.gz --corpus.min_document_words=40
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "corpus"), __doc__)
