"""Run the benchmark: ``python -m bench``."""

import sys

from bench.table import main

sys.exit(main())
