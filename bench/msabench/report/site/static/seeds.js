// Every seed of two rows as a dot, the same seed joined by a line; a bar at the mean.
"use strict";

const AT = [0.8, 1, 1.2, 1.8, 2, 2.2]; // from the left end of the first bar to the right end of the second
const LONGEST = 28; // letters of a name below the chart

// a and b: seed to {value}
function seedChart({ board }, metric, a, b, names) {
  const place = el("div");
  const value = (found) => (Number.isFinite(found?.value) ? found.value * (metric.percent ? 100 : 1) : null);
  const seeds = [...new Set([...a.keys(), ...b.keys()])];
  const pairs = seeds.map((seed) => [value(a.get(seed)), value(b.get(seed))]);
  const known = pairs.flat().filter((each) => each !== null);
  if (!known.length) return el("p", {}, "No seed has a figure to draw.");
  const means = [0, 1].map((side) => mean(pairs.map((pair) => pair[side]).filter((each) => each !== null)));
  const short = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);
  const [line, ink] = [colour("--accent"), colour("--ink")];
  const options = {
    height: 260,
    scales: { x: { time: false, range: [0.5, 2.5] } },
    axes: [
      chartAxis({ splits: () => [1, 2], values: () => names.map(short), grid: { show: false }, ticks: { show: false } }),
      chartAxis({ size: 60, label: metric.label, labelSize: 18 }),
    ],
    series: [
      {},
      ...pairs.map(() => ({ stroke: line, width: 1, alpha: 0.6, spanGaps: true, points: { show: true, size: 8, fill: line } })),
      ...means.map(() => ({ stroke: ink, width: 3, points: { show: false } })),
    ],
  };
  const data = [AT, ...pairs.map(([x, y]) => [null, x, null, null, y, null]),
    [means[0], means[0], means[0], null, null, null], [null, null, null, means[1], means[1], means[1]]];
  requestAnimationFrame(() => chart(place, `${metric.label} of each seed of ${names.join(" and ")}; the figures are in the table below.`, options, data));
  return el("figure", { class: "chart" },
    el("figcaption", {}, twinMark(board), `${metric.label} ${arrow(metric)}: a dot is a seed, a line joins the same seed, a bar is the mean.`), place);
}

const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
