"""Print every measurement: start-up, feature files, training, studies, engines, the leaderboard site."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    against_mmsa,
    against_references,
    at_scale,
    data_speed,
    engine_overhead,
    site_speed,
    startup,
    whole_study,
)


def main() -> None:
    """Parse the options and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--methods", default="lf_dnn,tfn,almt,setgf,r3dg,mlcl,cmcbep_cl")
    parser.add_argument("--epochs", type=int, default=3, help="measured epochs of each trainer")
    parser.add_argument("--rounds", type=int, default=2, help="times that both trainers are started in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the MOSI twin")
    parser.add_argument("--work", type=Path, default=Path("benchmarks/.work"), help="scratch folder")
    parser.add_argument(
        "--mmsa-src",
        type=Path,
        help="a checkout's src folder: the packaged MMSA has no ALMT, its repository has",
    )
    parser.add_argument(
        "--references", type=Path, help="a folder with checkouts R3DG, ALMT, MLCL and CMCBEP-CL"
    )
    parser.add_argument("--layers", type=int, default=2, help="of the references' random BERT and ours")
    parser.add_argument(
        "--only",
        choices=("startup", "training", "references", "data", "study", "scale", "engines", "site"),
    )
    parser.add_argument(
        "--data", default="mosi:unaligned,mosei:aligned", help="twins whose files are measured"
    )
    parser.add_argument("--data-scale", type=float, default=0.25, help="size of those twins")
    parser.add_argument("--study-methods", default="lf_dnn,tfn,almt")
    parser.add_argument("--study-seeds", type=int, default=5)
    parser.add_argument("--study-epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=50, help="of 200 cells at scale; 50 make 10,000 runs")
    parser.add_argument("--site-methods", type=int, default=50, help="of the leaderboard, on 8 datasets")
    parser.add_argument("--site-seeds", type=int, default=10)
    parser.add_argument("--times", type=int, default=10, help="that each page of it is opened")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "startup"):
        startup.main()
    if options.only in (None, "data"):
        data_speed.main(options)
    if options.only in (None, "training"):
        against_mmsa.main(options)
    if options.only in (None, "references"):
        against_references.main(options)
    if options.only in (None, "engines"):
        engine_overhead.main()
    if options.only in (None, "study"):
        whole_study.main(options)
    if options.only in (None, "scale"):
        at_scale.main(options)
    if options.only in (None, "site"):
        site_speed.main(options)


if __name__ == "__main__":
    main()
