"""Studies: what is said of residual networks, as claims with the runs that decide them. One file a study.

result = reszoo.study("gradient-flow", scale="smoke")
print(result.verdicts)
"""

from .engine.records import StudyResult as StudyResult
from .engine.registry import studies as studies
from .engine.study import Study as Study

__all__ = ["Study", "StudyResult", "studies"]
