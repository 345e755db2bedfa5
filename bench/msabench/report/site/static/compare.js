// Two rows of one board, seed by seed.
"use strict";

const pick = (name) => document.getElementById(name);
let latest = 0;

function rowName({ title, track, encoder, mode, reconstruction, external }, board) {
  const tracks = new Set(board.rows.map((row) => row.track)).size > 1;
  const same = board.rows.filter((row) => row.title === title && row.track === track).length > 1;
  return title + (reconstruction ? " (reconstruction)" : "") + (tracks && !external ? ` · ${track}` : "") + (same ? ` · ${encoder}, ${mode}` : "");
}

// the row's figures at their seeds, in order of seed
function bySeed(figures, row, selection, metric) {
  const runs = figures.runs.filter((run) => run.row === row);
  return new Map(runs.map((run) => [run.seed, { value: figures.at(run.place, selection, metric), key: run.key }]));
}

function choice() {
  const { boards, selections, conventions } = msabench.site;
  const board = boards.find(({ id }) => id === pick("board").value);
  const convention = pick("convention").value;
  const metrics = conventions[convention].metrics;
  return {
    board, convention, a: Number(pick("a").value), b: Number(pick("b").value),
    m: Math.max(0, metrics.findIndex(({ key }) => key === pick("metric").value)), metrics,
    selection: selections.findIndex(({ name }) => name === pick("selection").value),
  };
}

async function draw() {
  const mine = ++latest;
  const now = choice();
  const figures = await msabench.figures(now.board, now.convention).catch((error) => {
    pick("problem").textContent = error.message;
  });
  const tests = now.board.tested && (await msabench.script(`data/${now.board.id}.tests.js`)
    .then(() => msabench.loaded.get(`${now.board.id}.tests`), () => null));
  if (mine !== latest || !figures) return;
  const metric = now.metrics[now.m];
  const [a, b] = [now.a, now.b].map((row) => bySeed(figures, row, now.selection, now.m));
  const names = [now.a, now.b].map((row) => rowName(now.board.rows[row], now.board));
  showTwin(now.board);
  pick("verdict").replaceChildren(...verdict(now, metric, a, b, names));
  pick("test").replaceChildren(...judged(now, metric, tests, names));
  pick("scatter").replaceChildren(seedChart(now, metric, a, b, names));
  pick("seeds").replaceChildren(seedTable(now, metric, a, b, names));
  pick("all").replaceChildren(metricTable(now, figures, names));
  writeAddress({
    board: now.board.id, convention: now.convention, selection: pick("selection").value, metric: metric.key,
    a: now.a, b: now.b,
  });
}

function verdict(now, metric, a, b, names) {
  if (now.a === now.b) return [el("p", {}, "Choose two different rows.")];
  const means = [a, b].map((values) => summarise([...values.values()].map(({ value }) => value)));
  const difference = means[0].mean - means[1].mean;
  const better = (metric.better === "higher" ? difference : -difference) > 0 ? names[0] : names[1];
  const said = Number.isFinite(difference)
    ? [`${names[0]} − ${names[1]} = `, el("strong", {}, printed(metric, difference, true)),
      ` in ${metric.label} (${metric.better} is better)`, difference === 0 ? ": no difference." : `: ${better} has the better mean.`]
    : ["The difference is undefined: one of the two has no finished run, or a figure that is undefined."];
  const oracle = [now.a, now.b].some((row) => isOracle(now.selection, now.board.rows[row]));
  const [x, y] = [now.a, now.b].map((row) => now.board.rows[row]);
  const unlike = x.track !== y.track || x.encoder !== y.encoder;
  return [
    el("p", { class: "verdict" }, twinMark(now.board), said),
    oracle ? el("p", {}, el("em", { class: "oracle" }, "oracle"), ": the epoch is chosen on the test split.") : "",
    unlike ? el("p", {}, "The two rows differ in track or text encoder: this is no comparison of methods alone.") : "",
  ].filter(Boolean);
}

// how to ask msabench itself, for any convention, selection and test
function command(now, metric) {
  const selection = msabench.site.selections[now.selection].name;
  const quoted = (text) => (/^[\w:.@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const [x, y] = [now.a, now.b].map((row) => now.board.rows[row]);
  const track = x.track === y.track && now.board.rows.some((row) => row.track !== x.track) ? ["--track", x.track] : [];
  const words = ["msabench", "compare", now.board.study, x.row, y.row, "--dataset", now.board.dataset,
    "--convention", now.convention, "--selection", selection, "--metric", metric.key, ...track];
  return el("code", {}, words.map(quoted).join(" "));
}

// what the primary test says, which is made when the site is: for one convention and one selection
function judged(now, metric, tests, names) {
  if (now.a === now.b) return [];
  const headline = now.board.convention === now.convention && msabench.site.selections[now.selection].name === "same-epoch";
  if (!headline) {
    return [
      el("p", {}, `The test belongs to same-epoch under the dataset’s own convention, ${now.board.convention}; choose these to see it. `
        + "Where the study’s records are, this tests the present choice:"),
      el("p", {}, command(now, metric)),
    ];
  }
  const pairs = tests?.[metric.key] ?? [];
  const [low, high] = [Math.min(now.a, now.b), Math.max(now.a, now.b)];
  const found = pairs.find(([a, b]) => a === low && b === high);
  if (!found) return [el("p", {}, "No test: each row needs two finished runs or more, all on the same data.")];
  if (found[5] === null) return [el("p", {}, `No test: ${metric.label} is undefined for a run, or has no variance.`)];
  const sign = now.a === low ? 1 : -1;
  const interval = [sign * found[3], sign * found[4]].sort((x, y) => x - y);
  const sure = found[6] < 0.05;
  const reach = printed(metric, found[7]).replace("−", "");
  const facts = [
    ["Difference", printed(metric, sign * found[2], true)],
    ["95 % interval", `${printed(metric, interval[0], true)} to ${printed(metric, interval[1], true)}`],
    ["p", pText(found[5])],
    [`p, corrected for ${pairs.length} ${pairs.length === 1 ? "pair" : "pairs"}`, pText(found[6])],
    ...(sure || found[7] === null ? [] : [["Detectable with these seeds", `about ${reach}, in 80 % of such studies`]]),
  ];
  return [
    el("dl", { class: "facts" }, facts.flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)])),
    el("p", {}, sure ? `Significant at 0.05 after correction: ${names[0]} and ${names[1]} differ.`
      : "Not significant at 0.05 after correction: these runs do not tell the two apart, which does not show that they are equal."),
    el("p", { class: "small" }, "Two-source t: its variance is that of the seeds and, by bootstrap, that of the test set’s examples "
      + `(${msabench.site.resamples} resamples, the same ones for every row). `
      + "Interval and p are uncorrected; the corrected p is Holm’s over all pairs of this dataset and metric, and what is detectable is so "
      + `at 0.05 / ${pairs.length}, its first step. Selection same-epoch. `
      + "The same test of this pair alone, with effect sizes and the seeds needed: ", command(now, metric)),
  ];
}

const pText = (p) => (p < 0.0001 ? "< 0.0001" : p.toPrecision(2));

function captionOf(now, text) {
  const selection = msabench.site.selections[now.selection].name;
  return el("caption", {}, el("span", {}, twinMark(now.board),
    `${text} ${now.board.dataset}, convention ${now.convention}, selection ${selection}.`));
}

const column = (content, figure = true) => el("th", { scope: "col", class: figure ? "figure" : "" }, content);

function seedTable(now, metric, a, b, names) {
  const seeds = [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y);
  const text = (found, row) => (found
    ? el("a", { href: `${now.board.rows[row].page}#run-${found.key}`, title: `run ${found.key}` }, printed(metric, found.value)) : "no run");
  const lines = seeds.map((seed) => {
    const [x, y] = [a.get(seed), b.get(seed)];
    return el("tr", {}, el("th", { scope: "row" }, String(seed)),
      [[x, now.a], [y, now.b]].map(([found, row]) => el("td", { class: "figure" }, text(found, row))),
      el("td", { class: "figure" }, x && y ? printed(metric, x.value - y.value, true) : UNDEFINED));
  });
  return el("table", { class: "figures" }, captionOf(now, `${metric.label} ${arrow(metric)} of each seed:`),
    el("thead", {}, el("tr", {}, column("Seed", false), names.map((name) => column(name)), column("Difference"))),
    el("tbody", {}, lines));
}

function metricTable(now, figures, names) {
  const lines = now.metrics.map((metric, m) => {
    const cells = [now.a, now.b].map((row) =>
      summarise([...bySeed(figures, row, now.selection, m).values()].map(({ value }) => value)));
    return el("tr", {}, el("th", { scope: "row" }, heading(metric)),
      cells.map((cell) => el("td", { class: "figure" }, cell.n ? figureText(metric, cell) : "no run")),
      el("td", { class: "figure" }, printed(metric, cells[0].mean - cells[1].mean, true)));
  });
  return el("table", { class: "figures" }, captionOf(now, "Every metric, mean ± standard deviation over seeds:"),
    el("thead", {}, el("tr", {}, column("Metric", false), names.map((name) => column(name)), column("Difference"))),
    el("tbody", {}, lines));
}

function onConvention(asked = {}) {
  const { metrics, headline } = msabench.site.conventions[pick("convention").value];
  const kept = [asked.metric, pick("metric").value].find((key) => metrics.some((metric) => metric.key === key));
  fill(pick("metric"), metrics.map(({ key, label }) => [key, label]), kept ?? headline);
  return draw();
}

function onBoard(asked = {}) {
  const board = msabench.site.boards.find(({ id }) => id === pick("board").value);
  fill(pick("convention"), conventionOptions(board), asked.convention ?? board.convention);
  const rows = board.rows.map((row, place) => [place, rowName(row, board)]);
  fill(pick("a"), rows, asked.a ?? 0);
  fill(pick("b"), rows, asked.b ?? Math.min(1, rows.length - 1));
  return onConvention(asked);
}

function start() {
  const asked = readAddress();
  fill(pick("board"), boardOptions(), asked.board ?? "");
  fill(pick("selection"), selectionOptions(), asked.selection ?? "same-epoch");
  pick("board").addEventListener("change", () => onBoard());
  pick("convention").addEventListener("change", () => onConvention());
  for (const name of ["selection", "metric", "a", "b"]) pick(name).addEventListener("change", draw);
  pick("swap").addEventListener("click", () => {
    [pick("a").value, pick("b").value] = [pick("b").value, pick("a").value];
    draw();
  });
  window.addEventListener("hashchange", () => location.reload());
  return onBoard(asked);
}

document.addEventListener("DOMContentLoaded", start);
