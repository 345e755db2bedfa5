// Cells of figures, which are best, and how they sort: what every table of a leaderboard shares.
"use strict";

// undefined figures come last in either direction
for (const [name, sign] of [["asc", 1], ["desc", -1]]) {
  DataTable.ext.type.order[`figure-${name}`] = (a, b) => {
    const [x, y] = [a, b].map((text) => (text === "" ? NaN : Number(text)));
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  };
}

// a heading that sorts is a button: Enter works it by itself, Space as here, where it would scroll the page
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.closest("thead [role=button]")) return;
  event.preventDefault();
  event.target.click();
});

// best of each column, as printed, among rows of one track and text encoder; ties are all best. A row whose
// epoch the test split chose is no rival of one whose epoch it did not
function bestOf(columns, selection) {
  const best = new Set();
  for (const { metric, entries } of columns) {
    const rivals = Map.groupBy(entries.filter(({ n, cell }) => n && Number.isFinite(cell.mean)),
      ({ row }) => `${row.track} ${row.encoder} ${isOracle(selection, row)}`);
    for (const group of rivals.values()) {
      if (group.length < 2) continue;
      const values = group.map(({ cell }) => Number(printed(metric, cell.mean).replace("−", "-")));
      const top = metric.better === "higher" ? Math.max(...values) : Math.min(...values);
      group.forEach(({ cell }, place) => values[place] === top && best.add(cell));
    }
  }
  return best;
}

function figureCell(metric, cell, best, n) {
  if (!n) return el("td", { class: "figure", "data-order": "" }, el("span", { class: "sd" }, "no run"));
  const order = Number.isFinite(cell.mean) ? cell.mean : "";
  if (cell.undefined) return el("td", { class: "figure", "data-order": order }, figureText(metric, cell));
  const mean = printed(metric, cell.mean);
  const spread = Number.isFinite(cell.sd) ? el("span", { class: "sd" }, ` ± ${printed(metric, cell.sd)}`) : "";
  const marked = best ? el("strong", {}, mean, el("span", { class: "unseen" }, " best")) : mean;
  return el("td", { class: "figure", "data-order": order }, marked, spread);
}

// what must be said below a table in which these rows stand
function rowNotes(rows) {
  return [
    rows.some((row) => row.reconstruction) ? "Reconstruction: built from the method’s description, as no public code of the model exists." : "",
    rows.some((row) => row.external) ? "External: trained outside of msabench; its predictions were imported." : "",
  ];
}

const FEW = 3;

// notes on figures that are missing: many of them fold away
function missingNotes(texts) {
  const items = (found) => found.map((text) => el("li", {}, text));
  if (texts.length <= FEW) return items(texts);
  return [el("li", {}, el("details", {}, el("summary", {}, `${texts.length} notes on rows without figures`), el("ul", {}, items(texts))))];
}

// shows the rows of a DataTable that fit the box `filter`, and says how many
function filterRows(table) {
  table.search(document.getElementById("filter").value).draw();
  const rows = table.rows({ search: "applied" }).count();
  document.getElementById("count").textContent = `${rows} of ${table.rows().count()} rows. Headings sort.`;
}

// what DataTables does of itself here is to sort and to filter
const PLAIN = {
  paging: false, info: false, autoWidth: false,
  layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
};
