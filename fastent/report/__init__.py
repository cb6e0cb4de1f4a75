"""Reports: what probabilities in files say, and how two files differ, as one HTML page.

``write_report`` is what ``fastent report`` runs. matplotlib, and pyarrow for tables, come with the
extra ``report``; nothing of this is imported by ``import fastent``.
"""

try:
    import matplotlib as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        'fastent.report needs the package matplotlib: pip install "fastent-numpy[report]"'
    ) from error

from fastent.report._write import write_report

__all__ = ["write_report"]
