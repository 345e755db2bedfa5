// Rows by datasets: one metric of every board of a study under one selection.
"use strict";

const ALL = "all";
const OWN = "own"; // each dataset under its own convention
const HEADLINE = "headline"; // each dataset's headline metric
const control = (name) => document.getElementById(name);
let request = 0;
let shown = null;

const boardsOf = (study) => msabench.site.boards.filter((board) => board.study === study);
const unique = (values) => [...new Set(values)];

function state() {
  const values = Object.fromEntries(["study", "metric", "convention", "selection", "track"].map((name) => [name, control(name).value]));
  return { ...values, place: msabench.site.selections.findIndex(({ name }) => name === values.selection) };
}

// the convention and metric of each board, where it has them
function columnsOf({ study, convention, metric }) {
  return boardsOf(study).map((board) => {
    const used = convention === OWN ? board.convention : convention;
    const { metrics, headline } = msabench.site.conventions[used] ?? { metrics: [] };
    const m = board.conventions.includes(used)
      ? metrics.findIndex(({ key, label }) => (metric === HEADLINE ? key === headline : label === metric)) : -1;
    return { board, used, m, metric: metrics[m] };
  });
}

// one line for each row, by what names it on every board; `at` are its entries by place of the column
function linesOf(columns, figures, now) {
  const lines = new Map();
  columns.forEach(({ board, m }, c) => {
    const runs = board.rows.map(() => []);
    for (const run of figures[c].runs) runs[run.row].push(run.place);
    board.rows.forEach((row, place) => {
      if (now.track !== ALL && row.track !== now.track) return;
      const twins = board.rows.filter((other) => other.title === row.title && other.track === row.track).length > 1;
      const name = [row.row, row.title, row.track, ...(twins ? [row.encoder, row.mode] : [])].join("\n");
      const line = lines.get(name) ?? { rows: [], at: [] };
      lines.set(name, line);
      line.rows.push(row);
      line.at[c] = { row, n: runs[place].length, cell: summarise(runs[place].map((run) => figures[c].at(run, now.place, m))) };
    });
  });
  return [...lines.values()];
}

function cellOf(entry, { metric }, best, most, oracle) {
  if (!entry) return el("td", { class: "figure", "data-order": "" }, el("span", { class: "sd" }, "no run"));
  const cell = figureCell(metric, entry.cell, best.has(entry.cell), entry.n);
  if (entry.n && entry.n < most) cell.append(el("abbr", { title: `${entry.n} of ${most} runs` }, "†"));
  if (oracle(entry.row)) cell.append(" ", badge("oracle", "The epoch of this figure was chosen on the test split"));
  return cell;
}

function build(now, columns, lines) {
  const rule = msabench.site.selections[now.place];
  const own = rule.name === "as-published";
  const told = rule.oracle && !own; // in the table's caption
  const oracle = (row) => !told && isOracle(now.place, row);
  const best = own ? new Set() : bestOf(columns.map(({ metric }, c) => ({ metric, entries: lines.flatMap(({ at }) => at[c] ?? []) })), now.place);
  const most = columns.map((_, c) => Math.max(0, ...lines.map(({ at }) => at[c]?.n ?? 0)));
  const everyRow = lines.flatMap(({ rows: found }) => found);
  const [track, encoder] = [shared(everyRow, (row) => row.track), shared(everyRow, encoderOf)];
  const head = columns.map(({ board, used, metric }) => el("th", { scope: "col", class: "figure" },
    twinMark(board), `${board.dataset}: `, heading(metric),
    used === board.convention ? "" : ` (${used})`));
  const rows = lines.map(({ rows: found, at }) => el("tr", {},
    el("th", { scope: "row", "data-order": found[0].title, "data-search": `${found[0].title} ${found[0].row}` }, el("a", { href: found[0].page }, found[0].title),
      track ? "" : ` · ${found[0].track}`, badges({ ...found[0], failed: 0 })),
    columns.map((column, c) => cellOf(at[c], column, best, most[c], oracle)),
    encoder ? [] : el("td", { class: "whole" }, unique(found.map(encoderOf)).join("; ")),
    own ? el("td", { class: "whole" }, unique(found.map(({ rule: text }) => text || "not known")).join("; ")) : []));
  const ends = [...(encoder ? [] : ["Text encoder"]), ...(own ? ["Its own rule"] : [])].map((text) => el("th", { scope: "col" }, text));
  const table = el("table", { id: "overview", class: "figures" },
    el("caption", {}, el("span", {}, `${now.study}, test split, selection ${rule.name}`,
      told ? [" ", el("em", { class: "oracle" }, "oracle"), ": the epoch is chosen on the test split"] : "",
      track ? `; track ${track}` : "", encoder ? `; text encoder ${encoder}` : "",
      ". Mean ± standard deviation over seeds.")),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Method"), head, ends)),
    el("tbody", {}, rows));
  const sorted = columns.map(({ metric }, c) => ({ targets: c + 1, type: "figure",
    orderSequence: metric.better === "higher" ? ["desc", "asc"] : ["asc", "desc"] }));
  const order = columns.length ? [[1, sorted[0].orderSequence[0]]] : [];
  return { table, options: { ...PLAIN, order, columnDefs: [...sorted, { targets: "_all", type: "string", orderSequence: ["asc", "desc"] }] } };
}

function showNotes(now, columns, left) {
  const rule = msabench.site.selections[now.place];
  const used = unique(columns.map((column) => column.used));
  const notes = [
    ...used.map((name) => `Convention ${name} (${columns.filter((c) => c.used === name).map((c) => c.board.dataset).join(", ")}): ${msabench.site.conventions[name].title}.`),
    `Selection ${rule.name}: ${rule.doc}`,
    rule.name === "as-published" ? "Each method has a rule of its own: no two rows are comparable, and none is marked best." : "",
    left.length ? `Without this metric under this convention: ${left.map(({ board }) => board.dataset).join(", ")}.` : "",
    "Bold: best of its column, as printed, among rows of the same track and text encoder. † fewer runs than others of the column.",
    "Spread: sample standard deviation over seeds (ddof = 1). Accuracies and F1 in percent. – (k/n): undefined in k of n runs.",
    ...rowNotes(columns.flatMap(({ board }) => board.rows)),
  ];
  const missing = columns.flatMap(({ board }) => board.notes.map((note) => `${board.dataset}: ${note}`));
  control("notes").replaceChildren(...notes.filter(Boolean).map((text) => el("li", {}, text)), ...missingNotes(missing));
}

async function render() {
  const mine = ++request;
  const now = state();
  const all = columnsOf(now);
  const [columns, left] = [all.filter(({ m }) => m >= 0), all.filter(({ m }) => m < 0)];
  const figures = await Promise.all(columns.map(({ board, used }) => msabench.figures(board, used))).catch((error) => {
    control("problem").textContent = error.message;
  });
  if (mine !== request || !figures) return;
  const lines = linesOf(columns, figures, now);
  const { table, options } = build(now, columns, lines);
  shown?.destroy();
  control("place").replaceChildren(table);
  shown = new DataTable(table, options);
  filterRows(shown);
  control("twin").hidden = !columns.some(({ board }) => board.twin);
  showNotes(now, columns, left);
  control("save").onclick = () => saveCsv(`${now.study}.${now.selection}.csv`, csv(now, columns, lines));
  const { place: _, ...address } = now;
  writeAddress(address);
}

// one line for each figure, as a table of several conventions needs it
function csv(now, columns, lines) {
  const text = (value) => (Number.isFinite(value) ? value : "");
  const head = ["row", "track", "text_encoder", "text_mode", "study", "dataset", "data", "reconstruction", "convention", "selection", "rule", "oracle", "metric", "n", "mean", "sd"];
  return [head, ...lines.flatMap(({ at }) => columns.flatMap(({ board, used, metric }, c) => {
    if (!at[c]) return [];
    const { row, n, cell } = at[c];
    return [[row.row, row.track, row.encoder, row.mode, now.study, board.dataset, board.twin ? "twin" : "real", row.reconstruction, used, now.selection,
      now.selection === "as-published" ? row.rule : now.selection, isOracle(now.place, row), metric.key, n, text(cell.mean), text(cell.sd)]];
  }))];
}

function onStudy(asked = {}) {
  const boards = boardsOf(control("study").value);
  const conventions = unique(boards.flatMap((board) => board.conventions));
  const tracks = unique(boards.flatMap((board) => board.rows.map((row) => row.track)));
  fill(control("convention"), [[OWN, "each dataset’s own"], ...conventions.map((name) => [name, name])], asked.convention ?? control("convention").value);
  fill(control("track"), [[ALL, "all"], ...tracks.map((name) => [name, name])], asked.track ?? control("track").value);
  control("track").closest("label").hidden = tracks.length < 2;
  return onConvention(asked);
}

function onConvention(asked = {}) {
  const used = unique(columnsOf({ ...state(), metric: HEADLINE }).filter(({ m }) => m >= 0).map((column) => column.used));
  const labels = unique(used.flatMap((name) => msabench.site.conventions[name].metrics.map(({ label }) => label)));
  fill(control("metric"), [[HEADLINE, "each dataset’s headline"], ...labels.map((label) => [label, label])], asked.metric ?? control("metric").value);
  return render();
}

function start() {
  const asked = readAddress();
  const studies = unique(msabench.site.boards.map(({ study }) => study));
  fill(control("study"), studies.map((name) => [name, name]), asked.study ?? "");
  control("study").closest("label").hidden = studies.length < 2;
  fill(control("selection"), selectionOptions(), asked.selection ?? "same-epoch");
  control("study").addEventListener("change", () => onStudy());
  control("convention").addEventListener("change", () => onConvention());
  for (const name of ["metric", "selection", "track"]) control(name).addEventListener("change", render);
  control("filter").addEventListener("input", () => filterRows(shown));
  window.addEventListener("hashchange", () => location.reload());
  return onStudy(asked);
}

document.addEventListener("DOMContentLoaded", start);
