"""Test what is installed: imported by conftest.py before the package is.

``python -m pytest`` in the repository root puts the root on sys.path, where the package has no
compiled modules unless it was built in place; pytest's importlib mode alone does not prevent that.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if not list((ROOT / "fastent").glob("_core.*.so")):
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
