"""Prove the pointwise float32 kernels over all 2^32 inputs, on every instruction set here.

``python tests/prove_float32.py [STEP]``: some minutes on two cores; every STEP-th input with STEP.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from building import NATIVE, build

import fastent

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), "prove_float32", ["cc"], NATIVE, [])
        step = sys.argv[1] if len(sys.argv) > 1 else "1"
        command = [str(program), step, str(fastent.get_num_threads())]
        sys.exit(subprocess.run(command, check=False).returncode)
