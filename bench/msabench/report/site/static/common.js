// What every page shares: embedded data, figures and how they are printed, elements, the address.
// Classic scripts: a page opened from a file may load neither modules nor JSON.
"use strict";

const msabench = {
  site: null,
  loaded: new Map(), // "<board>.<convention>" to {runs, at(run, selection, metric)}

  begin(site) {
    msabench.site = site;
  },

  // values: base64 of float64, little endian, runs x selections x metrics
  scores(name, { runs, values }) {
    const bytes = Uint8Array.from(atob(values), (c) => c.charCodeAt(0));
    const figures = new Float64Array(bytes.buffer);
    const selections = msabench.site.selections.length;
    const metrics = figures.length / (selections * runs.length || 1);
    const at = (run, selection, metric) => figures[(run * selections + selection) * metrics + metric];
    msabench.loaded.set(name, { runs: runs.map(([row, seed, key], place) => ({ row, seed, key, place })), at });
  },

  // the figures of a board under a convention; their file is loaded when they are first asked for
  figures(board, convention) {
    const name = `${board.id}.${convention}`;
    return msabench.script(`data/${name}.js`).then(() => msabench.loaded.get(name));
  },

  // the tests of a board's pairs: metric to [a, b, difference, low, high, p, corrected p]
  tests(name, metrics) {
    msabench.loaded.set(`${name}.tests`, metrics);
  },

  script: (() => {
    const asked = new Map();
    return (source) => {
      if (!asked.has(source)) {
        asked.set(source, new Promise((resolve, reject) => {
          const element = document.createElement("script");
          element.src = source;
          element.onload = resolve;
          element.onerror = () => reject(new Error(`${source} is missing: was the whole folder copied?`));
          document.head.append(element);
        }));
      }
      return asked.get(source);
    };
  })(),
};

// -- figures -----------------------------------------------------------------------------------------------

const UNDEFINED = "–";

// mean and sample standard deviation; an undefined value makes both undefined, never an average of the others
function summarise(values) {
  const n = values.length;
  const undefined_ = values.filter((value) => Number.isNaN(value)).length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: n > 1 ? Math.sqrt(squares / (n - 1)) : NaN, n, undefined: undefined_ };
}

// as the tables of `msabench report` print it: percentages times 100, halves rounded to even
function printed(metric, value, signed = false) {
  if (!Number.isFinite(value)) return UNDEFINED;
  const shown = metric.percent ? 100 * value : value;
  const scale = 10 ** metric.decimals;
  let text = shown.toFixed(metric.decimals);
  const half = Math.abs(shown * scale) % 1 === 0.5 && (shown * scale) / scale === shown;
  if (half) text = ((2 * Math.round((shown * scale) / 2)) / scale).toFixed(metric.decimals);
  if (Math.abs(shown) >= 1e6) text = shown.toExponential(2);
  if (Number(text) === 0) text = text.replace("-", "");
  return (signed && Number(text) >= 0 ? "+" : "") + text.replace("-", "−");
}

function figureText(metric, cell) {
  if (cell.undefined) return `${UNDEFINED} (${cell.undefined}/${cell.n})`;
  const spread = Number.isFinite(cell.sd) ? ` ± ${printed(metric, cell.sd)}` : "";
  return printed(metric, cell.mean) + spread;
}

const arrow = (metric) => (metric.better === "higher" ? "↑" : "↓");

function heading(metric) {
  return [metric.label, " ", el("span", { "aria-hidden": "true" }, arrow(metric)),
    el("span", { class: "unseen" }, `, ${metric.better} is better`)];
}

// -- elements: text goes in as text, so that nothing a record says is ever read as HTML --------------------

function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  return select.value;
}

const badge = (text, title) => el("span", { class: "badge", title }, text);

function badges(row) {
  const found = [];
  if (row.reconstruction) found.push(badge("reconstruction", "Built from its description: no public code exists"));
  if (row.external) found.push(badge("external", "Trained outside of msabench; its predictions were imported"));
  if (row.failed) found.push(badge(`${row.failed} failed`, "Runs that ended without a result; they are in no mean"));
  return found.flatMap((each) => [" ", each]);
}

// opens the caption of each table and chart of generated data
const twinMark = (board) => (board.twin ? el("strong", { class: "twin" }, "TWIN (generated) ") : "");

const encoderOf = ({ encoder, mode }) => `${encoder}, ${mode}`;

// what all rows share; empty where they differ
function shared(rows, read) {
  const found = new Set(rows.map(read));
  return found.size === 1 ? [...found][0] : "";
}

// -- the address: what is shown can be linked to -----------------------------------------------------------

function readAddress() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

function writeAddress(state) {
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
}

// -- choices that every page of figures has ----------------------------------------------------------------

function boardOptions() {
  const { boards, several } = msabench.site;
  return boards.map((board) => [
    board.id, (several ? `${board.study}: ` : "") + board.dataset + (board.twin ? " · TWIN (generated)" : ""),
  ]);
}

function conventionOptions(board) {
  return board.conventions.map((name) => [name, name === board.convention ? `${name} (the dataset’s own)` : name]);
}

function selectionOptions() {
  return msabench.site.selections.map(({ name, title, oracle }) => [
    name, `${name}: ${title}${oracle && name !== "as-published" ? " (oracle)" : ""}`,
  ]);
}

// whether figures under a selection, of this row, come from an epoch chosen on the test split; an external
// result may be so under every one
const isOracle = (selection, row) => row.oracle[selection] !== false;

function showTwin(board) {
  const banner = document.getElementById("twin");
  banner.hidden = !board.twin;
}

// what is shown, as a file
function saveCsv(name, table) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = table.map((line) => line.map((cell) => quoted(String(cell))).join(","));
  const address = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  el("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
