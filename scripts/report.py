"""Write RUN/report.html, its plots and the model card from whatever stages are done.

python scripts/report.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import write_results

if __name__ == "__main__":
    run_with_recipe(write_results, __doc__)
