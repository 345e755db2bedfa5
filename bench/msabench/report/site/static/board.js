// The leaderboard: one dataset of one study under one convention and one selection.
"use strict";

const ALL = "all";
let shown = null; // the DataTable on the page
let request = 0; // of the latest change: figures that arrive late for an older one are dropped

const control = (name) => document.getElementById(name);
let columns = []; // of the table on the page
const isOwn = (now) => msabench.site.selections[now.selection].name === "as-published";
const hidden = new Set(["parameters", "seconds"]);

function state() {
  const { boards, selections, conventions } = msabench.site;
  const board = boards.find((each) => each.id === control("board").value) ?? boards[0];
  const convention = control("convention").value;
  const selection = selections.findIndex((each) => each.name === control("selection").value);
  return { board, convention, metrics: conventions[convention].metrics, selection, track: control("track").value };
}

// row place -> {row, n, cells: one summary a metric}
function summaries({ board, metrics, selection, track }, figures) {
  const runs = board.rows.map(() => []);
  for (const run of figures.runs) runs[run.row].push(run.place);
  return board.rows
    .map((row, place) => ({
      row,
      n: runs[place].length,
      cells: metrics.map((_, m) => summarise(runs[place].map((run) => figures.at(run, selection, m)))),
    }))
    .filter(({ row }) => track === ALL || row.track === track);
}

function methodCell(now, row) {
  const selection = msabench.site.selections[now.selection];
  const told = selection.oracle && selection.name !== "as-published"; // in the table's caption
  return el("th", { scope: "row", "data-order": row.title, "data-search": `${row.title} ${row.row}` },
    el("a", { href: row.page }, row.title), badges(row),
    !told && isOracle(now.selection, row) ? [" ", badge("oracle", "The epoch of these figures was chosen on the test split")] : []);
}

function countCell({ row, n }, most) {
  const less = row.failed || n < most;
  return el("td", { class: "figure", "data-order": n }, String(n),
    less ? el("abbr", { title: "fewer runs than others, or failed ones" }, "†") : "");
}

function aboutCell(value, text) {
  return el("td", { class: typeof value === "number" ? "figure" : "whole", "data-order": value ?? "" }, value === null ? UNDEFINED : text);
}

// what the table's columns are, from left to right; those with a label can be hidden
function columnsOf(now, lines, best) {
  const most = Math.max(0, ...lines.map(({ n }) => n));
  const tracks = new Set(now.board.rows.map((row) => row.track)).size > 1;
  const text = (key, head, cell, more) => ({ key, head, cell, order: ["asc", "desc"], ...more });
  const figure = (key, head, cell, more) => text(key, head, cell, { type: "figure", class: "figure", ...more });
  return [
    text("method", "Method", ({ row }) => methodCell(now, row)),
    ...(tracks ? [text("track", "Track", ({ row }) => el("td", {}, row.track))] : []),
    figure("n", "n", (line) => countCell(line, most)),
    ...now.metrics.map((metric, m) => figure(metric.key, heading(metric),
      ({ n, cells }) => figureCell(metric, cells[m], best.has(cells[m]), n),
      { label: metric.label, order: metric.better === "higher" ? ["desc", "asc"] : ["asc", "desc"] })),
    ...(isOwn(now) ? [text("rule", "Its own rule", ({ row }) => el("td", { class: "whole" }, row.rule || "not known"), { label: "Its own rule" })] : []),
    ...(shared(now.board.rows, encoderOf) ? [] : [text("encoder", "Text encoder", ({ row }) => aboutCell(encoderOf(row), encoderOf(row)), { label: "Text encoder" })]),
    figure("parameters", "Parameters", ({ row }) => aboutCell(row.parameters, Math.round(row.parameters).toLocaleString("en")), { label: "Parameters" }),
    figure("seconds", "Seconds per run", ({ row }) => aboutCell(row.seconds, row.seconds?.toFixed(1)), { label: "Seconds per run" }),
  ];
}

function build(now, figures) {
  const lines = summaries(now, figures);
  const selection = msabench.site.selections[now.selection];
  const best = selection.name === "as-published" ? new Set() : bestOf(now.metrics.map((metric, m) => (
    { metric, entries: lines.map(({ row, n, cells }) => ({ row, n, cell: cells[m] })) })), now.selection);
  const [key, direction] = order(now);
  columns = columnsOf(now, lines, best);
  const head = columns.map((column) => el("th", { scope: "col", class: column.class ?? "" }, column.head));
  const table = el("table", { id: "leaderboard", class: "figures" },
    el("caption", {}, el("span", {}, caption(now, selection))),
    el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, lines.map((line) => el("tr", {}, columns.map((column) => column.cell(line))))));
  const options = {
    ...PLAIN,
    order: [[columns.findIndex((column) => column.key === key), direction]],
    columnDefs: columns.map((column, targets) => ({
      targets, type: column.type ?? "string", orderSequence: column.order, visible: !hidden.has(column.key),
    })),
  };
  return { table, options, lines };
}

// the order that a reader has chosen stays where its column does; else best first by the headline metric
function order(now) {
  const kept = shown?.order()[0];
  const key = kept && columns[kept[0]]?.key;
  const known = ["method", "n", "encoder", ...now.metrics.map((metric) => metric.key)];
  if (known.includes(key)) return [key, kept[1]];
  const headline = now.metrics.find((metric) => metric.key === msabench.site.conventions[now.convention].headline);
  return [headline.key, headline.better === "higher" ? "desc" : "asc"];
}

function caption({ board, convention }, selection) {
  const oracle = selection.oracle && selection.name !== "as-published";
  const [track, encoder] = [shared(board.rows, (row) => row.track), shared(board.rows, encoderOf)];
  return [
    twinMark(board),
    `${board.dataset}, test split, convention ${convention}, selection ${selection.name}`,
    oracle ? [" ", el("em", { class: "oracle" }, "oracle"), ": the epoch is chosen on the test split"] : "",
    track ? `; track ${track}` : "", encoder ? `; text encoder ${encoder}` : "",
    ". Mean ± standard deviation over n seeds.",
  ];
}

async function render() {
  const mine = ++request;
  const now = state();
  const figures = await msabench.figures(now.board, now.convention).catch((error) => {
    control("problem").textContent = error.message;
  });
  if (mine !== request || !figures) return;
  const made = build(now, figures);
  shown?.destroy();
  control("place").replaceChildren(made.table);
  shown = new DataTable(made.table, made.options);
  filterRows(shown);
  showTwin(now.board);
  showColumns();
  showNotes(now);
  showGap(now, figures);
  control("save").onclick = () => saveCsv(`${now.board.id}.${now.convention}.${control("selection").value}.csv`, csv(now, made.lines));
  writeAddress({
    board: now.board.id, convention: now.convention, selection: control("selection").value, track: now.track,
  });
}

function csv({ board, convention, metrics, selection: place }, lines) {
  const selection = control("selection").value;
  const head = ["row", "track", "text_encoder", "text_mode", "study", "dataset", "data", "reconstruction", "convention", "selection", "rule", "oracle", "n",
    ...metrics.flatMap(({ key }) => [key, `${key}_sd`])];
  const text = (value) => (Number.isFinite(value) ? value : "");
  return [head, ...lines.map(({ row, n, cells }) => [
    row.row, row.track, row.encoder, row.mode, board.study, board.dataset, board.twin ? "twin" : "real", row.reconstruction, convention, selection,
    selection === "as-published" ? row.rule : selection, isOracle(place, row), n, ...cells.flatMap(({ mean, sd }) => [text(mean), text(sd)]),
  ])];
}

function showColumns() {
  const boxes = columns.flatMap(({ key, label }, place) => {
    if (!label) return [];
    const box = el("input", { type: "checkbox", value: key });
    box.checked = !hidden.has(key);
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(key); else hidden.add(key);
      shown.column(place).visible(box.checked);
    });
    return [el("label", {}, box, ` ${label}`)];
  });
  control("columns").replaceChildren(el("legend", { class: "unseen" }, "Columns that the table shows"), ...boxes);
}

// a change of the board keeps what still fits it
function onBoard(asked = {}) {
  const board = msabench.site.boards.find((each) => each.id === control("board").value);
  fill(control("convention"), conventionOptions(board), asked.convention ?? board.convention);
  const tracks = [...new Set(board.rows.map((row) => row.track))];
  fill(control("track"), [[ALL, "all"], ...tracks.map((track) => [track, track])], asked.track ?? control("track").value);
  control("track").closest("label").hidden = tracks.length < 2;
  return render();
}

function start() {
  const asked = readAddress();
  fill(control("board"), boardOptions(), asked.board ?? "");
  fill(control("selection"), selectionOptions(), asked.selection ?? "same-epoch");
  control("board").addEventListener("change", () => onBoard());
  for (const name of ["convention", "selection", "track"]) control(name).addEventListener("change", render);
  control("filter").addEventListener("input", () => filterRows(shown));
  window.addEventListener("hashchange", () => location.reload());
  return onBoard(asked);
}

document.addEventListener("DOMContentLoaded", start);
