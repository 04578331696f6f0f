"""Write RUN/report.html, its plots and the model card from what the stages of a run recorded.

python scripts/report.py runs/demo
python scripts/report.py runs/demo --hub.domain="biomedical articles"
"""

from recipe.cli import run_with_folder
from recipe.pipeline import write_results

if __name__ == "__main__":
    run_with_folder(write_results, __doc__)
