"""Ten thousand runs: how long planning, status and report take, and how much memory, against targets.

`python -m benchmarks --only scale`, or `python -m benchmarks.at_scale --runs 1000` for a quick look. Studies are
generated: records as a store writes them, of the sizes of the real datasets, with predictions of made-up
quality. Each verb runs in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msabench.records import Store
from msabench.registry import METHODS
from msabench.run import Budget, RunRecord, RunSpec, Task, Truths
from msabench.study import StudySpec
from msabench.variants import canonical, parse_row

MIB = 1 << 20
ROWS = tuple(
    row
    for size in (1, 2, 3, 4)
    for row in (
        *("lf_dnn", "tfn", "almt", "setgf", "r3dg", "mlcl", "cmcbep_cl")[: 7 if size == 1 else 0],
        *(f"{name}[batch_size={8 * size}]" for name in ("lf_dnn", "tfn", "almt", "setgf", "mlcl")),
    )
)[:25]
DATASETS = ("mosi:unaligned", "mosi:aligned", "mosi:mag", "mosei:unaligned", "mosei:aligned", "mosei:mag")
SIZES = {"mosi": (229, 686), "mosei": (1871, 4659), "sims": (456, 457), "simsv2": (647, 1034)}
"""Validation and test samples"""
