"""False positives and power of the significance tests, simulated: docs/calibration.{csv,svg,png,md}.

python benchmarks/calibration.py --studies 1000 --out docs     # some 15 minutes on two cores
python benchmarks/calibration.py --redraw --out docs           # the figure again, from the table
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core, not one thread a core in each

from msabench.stats.simulation import METRICS, Setting, rejections

SIZES = {686: "MOSI", 4659: "MOSEI"}
SEEDS = (3, 5, 10)
EFFECTS = {686: 0.15, 4659: 0.08}
COLUMNS = ("samples", "seeds", "effect", "test", "metric", "studies", "rate")
LABELS = {"non0_acc2": "Acc-2", "non0_f1": "F1", "acc7": "Acc-7", "mae": "MAE", "corr": "Corr"}
LOOKS = {
    "two-source": ("two-source t (primary)", "black", "o"),
    "welch": ("Welch's t over seeds", "#0072B2", "s"),
    "one-seed bootstrap": ("one seed, paired bootstrap", "#D55E00", "^"),
    "one-seed mcnemar": ("one seed, McNemar", "#009E73", "v"),
    "pooled": ("predictions of all seeds pooled", "#CC79A7", "D"),
}


def rates(setting: Setting, studies: int) -> list[dict[str, object]]:
    """Lines of the table for one setting."""
    found = rejections(setting, studies, rivals=True)
    about = {"samples": setting.samples, "seeds": setting.seeds, "effect": setting.effect, "studies": studies}
    return [{**about, "test": test, "metric": metric, "rate": rate} for (test, metric), rate in found.items()]


def simulate(studies: int, processes: int) -> list[dict[str, object]]:
    """Every setting, without an effect and with one; power from a third of the studies."""
    settings = [
        (Setting(samples=n, seeds=seeds, effect=effect), studies if not effect else max(1, studies // 3))
        for n in sorted(SIZES, reverse=True)
        for seeds in sorted(SEEDS, reverse=True)
        for effect in (0.0, EFFECTS[n])
    ]
    lines: list[dict[str, object]] = []
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(rates, *zip(*settings, strict=True)):
            lines += part
            print(
                f"{part[0]['samples']} examples, {part[0]['seeds']} seeds, effect {part[0]['effect']}",
                flush=True,
            )
    return lines


def draw(lines: list[dict[str, str]], out: Path) -> None:
    """For each test-set size: false positives of every test on Acc-2 and MAE, power of the primary one."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams.update({"svg.hashsalt": "msabench", "font.size": 9})
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharex=True, layout="constrained")
    for axis_row, (samples, name) in zip(axes, SIZES.items(), strict=True):
        for axis, metric in zip(axis_row, ("non0_acc2", "mae"), strict=False):
            for test, (label, colour, marker) in LOOKS.items():
                chosen = _chosen(lines, samples, test, metric, null=True)
                if chosen:
                    y = [100 * rate for _, rate, _ in chosen]
                    error = [196 * math.sqrt(rate * (1 - rate) / n) for _, rate, n in chosen]
                    x = [SEEDS.index(seeds) for seeds, *_ in chosen]
                    axis.errorbar(x, y, error, label=label, color=colour, marker=marker, capsize=2, lw=1.2)
            axis.axhline(5, color="0.5", lw=0.8, ls="--")
            axis.set(
                title=f"{name}'s size ({samples}), {LABELS[metric]}",
                ylabel="false positives (%)",
                ylim=(0, 70),
            )
        for style, metric in zip(("-o", "-s", "-^", "-v", "-D"), METRICS, strict=True):
            chosen = _chosen(lines, samples, "two-source", metric, null=False)
            axis_row[2].plot(
                [SEEDS.index(seeds) for seeds, *_ in chosen], [100 * rate for _, rate, _ in chosen], style,
                color="0.25", label=LABELS[metric], mfc="white", lw=1,
            )  # fmt: skip
        axis_row[2].set(
            title=f"two-source t, errors {EFFECTS[samples]:.0%} larger",
            ylabel="power (%)",
            ylim=(0, 102),
        )
        axis_row[2].legend(fontsize=8)
    for axis in axes[1]:
        axis.set_xticks(range(len(SEEDS)), [str(s) for s in SEEDS])
        axis.set_xlabel("seeds of each method")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    figure.savefig(out / "calibration.svg", metadata={"Date": None})
    figure.savefig(out / "calibration.png", dpi=160)


def page(lines: list[dict[str, str]]) -> str:
    """The table of false positives and power in Markdown, with how it was made."""
    studies = max(int(line["studies"]) for line in lines)
    text = [
        "# Do the tests keep their promise?",
        "",
        f"{studies} simulated studies a setting (a third of them for power), nominal level 5 %. Two methods",
        "of equal expected quality, each with its own seeds; labels as MOSI's; noise of an example shared by",
        "the methods, by one method's seeds and by nothing, in parts (`msabench.stats.simulation`).",
        f"Made by `python benchmarks/calibration.py --studies {studies}`; figures are in `calibration.csv`.",
        "",
        "![False positives and power](calibration.svg)",
        "",
        "## False positives (%)",
        "",
    ]
    heads = [f"{SIZES[n]}, {s} seeds" for n in SIZES for s in SEEDS]
    text += ["| test | metric | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for test, (label, *_) in LOOKS.items():
        for metric in METRICS:
            found = [dict((s, r) for s, r, _ in _chosen(lines, n, test, metric, null=True)) for n in SIZES]
            if any(found):
                cells = [f"{100 * part[s]:.1f}" for part in found for s in SEEDS]
                text.append(f"| {label} | {LABELS[metric]} | " + " | ".join(cells) + " |")
    stray = 196 * math.sqrt(0.05 * 0.95 / studies)
    text += ["", f"Around 5 %, a rate over {studies} studies strays by ± {stray:.1f} points (95 %).", ""]
    text += ["## Power of the two-source t (%)", ""]
    text += ["| metric | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for metric in METRICS:
        found = [
            dict((s, r) for s, r, _ in _chosen(lines, n, "two-source", metric, null=False)) for n in SIZES
        ]
        cells = [f"{100 * part[s]:.0f}" for part in found for s in SEEDS]
        text.append(f"| {LABELS[metric]} | " + " | ".join(cells) + " |")
    effects = ", ".join(f"{effect:.0%} at {SIZES[n]}'s size" for n, effect in EFFECTS.items())
    text += ["", f"The worse method's noise is larger by {effects}."]
    return "\n".join(text) + "\n"


def _chosen(
    lines: list[dict[str, str]], samples: int, test: str, metric: str, *, null: bool
) -> list[tuple[int, float, int]]:
    """Seeds, rate and number of studies, in order of seeds."""
    return sorted(
        (int(line["seeds"]), float(line["rate"]), int(line["studies"]))
        for line in lines
        if (int(line["samples"]), line["test"], line["metric"]) == (samples, test, metric)
        and (float(line["effect"]) == 0) == null
    )


def main() -> None:
    """Simulate, or redraw from the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--redraw", action="store_true")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    table = asked.out / "calibration.csv"
    if not asked.redraw:
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(simulate(asked.studies, asked.processes))
    with table.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    draw(lines, asked.out)
    (asked.out / "calibration.md").write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
