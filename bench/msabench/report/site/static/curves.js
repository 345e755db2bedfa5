// A method's learning curves: one line a seed, the epoch that same-epoch selects as a dot.
"use strict";

const CHARTS = [["loss", "training loss"], ["criterion", "validation criterion"]];

msabench.curves = (charts) => {
  const place = document.getElementById("curves");
  place.replaceChildren(...charts.map(section));
};

function section(lines) {
  const figures = CHARTS.map(([name, label]) => {
    const figure = el("figure", { class: "chart" }, el("figcaption", {}, label));
    const epochs = Math.max(...lines[name].map((line) => line.length));
    if (!epochs) {
      figure.append(el("p", {}, "No epoch was recorded."));
      return figure;
    }
    const place = el("div");
    figure.append(place);
    requestAnimationFrame(() => plot(place, lines, name, summary(lines, name, label), epochs));
    return figure;
  });
  const title = el("h3", {}, lines.title);
  const seeds = el("p", { class: "small" }, `Seeds ${lines.seeds.join(", ")}; a dot marks the epoch that same-epoch selects.`);
  return el("section", {}, title, el("div", { class: "charts" }, figures), seeds);
}

function summary(lines, name, label) {
  const said = lines[name].map((line, i) => {
    const chosen = lines.chosen[i] ? `, epoch ${lines.chosen[i]} selected` : "";
    return `seed ${lines.seeds[i]}: ${line[0] ?? "undefined"} to ${line.at(-1) ?? "undefined"} in ${line.length} epochs${chosen}`;
  });
  return `${lines.title}, ${label}. ${said.join("; ")}.`;
}

function plot(place, lines, name, label, epochs) {
  const line = colour("--accent");
  const x = Array.from({ length: epochs }, (_, i) => i + 1);
  const pad = (values) => x.map((_, i) => values[i] ?? null);
  const dots = lines[name].map((values, i) => x.map((epoch) => (epoch === lines.chosen[i] ? values[epoch - 1] ?? null : null)));
  const options = {
    scales: { x: { time: false, range: [0.5, epochs + 0.5] } },
    axes: [chartAxis({ label: "epoch", labelSize: 18, incrs: [1, 2, 5, 10, 20, 50, 100] }), chartAxis({ size: 60 })],
    series: [
      {},
      ...lines[name].map(() => ({ stroke: line, width: 1.25, alpha: 0.75, points: { show: epochs < 3 } })),
      ...dots.map(() => ({ stroke: line, width: 0, paths: () => null, points: { show: true, size: 8, fill: line } })),
    ],
  };
  chart(place, label, options, [x, ...lines[name].map(pad), ...dots]);
}
