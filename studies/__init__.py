"""Studies: what is said of residual networks, as claims with the runs that decide them. One file a study.

result = reszoo.study("gradient-flow", scale="smoke")
print(result.verdicts)
"""

from .engine.records import Claim as Claim
from .engine.records import Contrast as Contrast
from .engine.records import Control as Control
from .engine.records import Figure as Figure
from .engine.records import Measured as Measured
from .engine.records import Settings as Settings
from .engine.records import StudyResult as StudyResult
from .engine.records import above as above
from .engine.records import below as below
from .engine.records import within as within
from .engine.registry import studies as studies
from .engine.study import Study as Study
from .engine.study import grid as grid

__all__ = [
    "Claim",
    "Contrast",
    "Control",
    "Figure",
    "Measured",
    "Settings",
    "Study",
    "StudyResult",
    "above",
    "below",
    "grid",
    "studies",
    "within",
]
