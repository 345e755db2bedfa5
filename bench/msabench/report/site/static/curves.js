// A method's learning curves: one line a seed, the epoch that same-epoch selects as a dot.
"use strict";

const CHARTS = [["loss", "training loss"], ["criterion", "validation criterion"]];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

msabench.curves = (charts) => {
  const place = document.getElementById("curves");
  place.replaceChildren(...charts.map(section));
};

function section(chart) {
  const figures = CHARTS.map(([name, label]) => {
    const figure = el("figure", { class: "chart" }, el("figcaption", {}, label));
    const epochs = Math.max(...chart[name].map((line) => line.length));
    if (!epochs) {
      figure.append(el("p", {}, "No epoch was recorded."));
      return figure;
    }
    const canvas = el("div", { role: "img", "aria-label": summary(chart, name, label) });
    figure.append(canvas);
    requestAnimationFrame(() => plot(canvas, chart, name, epochs));
    return figure;
  });
  const title = el("h3", {}, chart.title);
  const seeds = el("p", { class: "small" }, `Seeds ${chart.seeds.join(", ")}; a dot marks the epoch that same-epoch selects.`);
  return el("section", {}, title, el("div", { class: "charts" }, figures), seeds);
}

function summary(chart, name, label) {
  const lines = chart[name].map((line, i) => {
    const chosen = chart.chosen[i] ? `, epoch ${chart.chosen[i]} selected` : "";
    return `seed ${chart.seeds[i]}: ${line[0] ?? "undefined"} to ${line.at(-1) ?? "undefined"} in ${line.length} epochs${chosen}`;
  });
  return `${chart.title}, ${label}. ${lines.join("; ")}.`;
}

function plot(place, chart, name, epochs) {
  const ink = colour("--ink-soft");
  const line = colour("--accent");
  const x = Array.from({ length: epochs }, (_, i) => i + 1);
  const pad = (values) => x.map((_, i) => values[i] ?? null);
  const dots = chart[name].map((values, i) => x.map((epoch) => (epoch === chart.chosen[i] ? values[epoch - 1] ?? null : null)));
  const axis = { stroke: ink, grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui" };
  const options = {
    width: place.clientWidth || 320, height: 220, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, range: [0.5, epochs + 0.5] } },
    axes: [{ ...axis, label: "epoch", labelSize: 18, labelFont: "12px system-ui", incrs: [1, 2, 5, 10, 20, 50, 100] }, { ...axis, size: 60 }],
    series: [
      {},
      ...chart[name].map(() => ({ stroke: line, width: 1.25, alpha: 0.75, points: { show: epochs < 3 } })),
      ...dots.map(() => ({ stroke: line, width: 0, paths: () => null, points: { show: true, size: 8, fill: line } })),
    ],
  };
  const drawn = new uPlot(options, [x, ...chart[name].map(pad), ...dots], place);
  new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: 220 })).observe(place);
}
