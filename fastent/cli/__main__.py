"""Lets ``python -m fastent.cli`` stand for ``fastent``."""

from fastent.cli import main

main()
