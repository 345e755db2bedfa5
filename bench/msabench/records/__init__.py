"""The store on disk: one folder a run, written whole or not at all, and an index derived from them.

<study>/runs/<key>/run.json          spec, environment, status, timings, losses per epoch, the failure if any
<study>/runs/<key>/predictions.npz   valid (E, Nv[, C]) and test (E, Nt[, C]), float32
<study>/data/<dataset>-<hash>.npz    ids and truths, once
<study>/index/                       what was read and scored before; may be deleted at any time
"""

from msabench.records.frame import COLUMNS
from msabench.records.reading import FORMAT, RecordError
from msabench.records.store import Store

__all__ = ["COLUMNS", "FORMAT", "RecordError", "Store"]
