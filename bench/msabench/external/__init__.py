"""Results trained elsewhere: somebody's predictions, checked against a dataset's split, as runs of a study.

Such a run has the method `external:NAME` and the track `external`, so that it is known for what it is
wherever a row, a plan or a record goes, and can never be taken for a registered method.
"""

from msabench.external.importing import Imported, Request, import_predictions
from msabench.external.naming import external_method

__all__ = ["Imported", "Request", "external_method", "import_predictions"]
