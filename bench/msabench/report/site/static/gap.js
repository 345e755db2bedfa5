// Below a leaderboard: what must be said of it, and what choosing the epoch on the test split would gain.
"use strict";

function showNotes({ board, convention, selection }) {
  const rule = msabench.site.selections[selection];
  const rows = board.rows;
  const notes = [
    `Convention ${convention}: ${msabench.site.conventions[convention].title}.`,
    `Selection ${rule.name}: ${rule.doc}`,
    rule.name === "as-published" ? "Each method has a rule of its own: no two rows are comparable, and none is marked best." : "",
    rule.name === "as-published" && rows.some((row) => row.oracle[selection] === null) ? "Of rows without an installed card nothing is known: they have no figures." : "",
    "Bold: best of its column, as printed, among rows of the same track and text encoder.",
    "Spread: sample standard deviation over seeds (ddof = 1). Accuracies and F1 in percent. – (k/n): undefined in k of n runs.",
    rows.some((row) => row.failed) ? "† fewer runs than others, or failed ones; failed runs are in no mean and are listed on the method’s page." : "",
    ...rowNotes(rows),
    rows.some((row) => row.outside) ? "Of external rows whose authors gave one epoch the optimism gap is not known." : "",
    board.twin ? "TWIN (generated): data made in the sizes and shapes of the dataset; figures say nothing of the real one." : "",
  ];
  document.getElementById("notes").replaceChildren(
    ...notes.filter(Boolean).map((text) => el("li", {}, text)), ...missingNotes(board.notes));
}

function showGap(now, figures) {
  const chosen = document.getElementById("gap-metric");
  const headline = msabench.site.conventions[now.convention].headline;
  fill(chosen, now.metrics.map(({ key, label }) => [key, label]), chosen.value || headline);
  if (!now.metrics.some(({ key }) => key === chosen.value)) chosen.value = headline;
  chosen.onchange = () => drawGap(now, figures, chosen.value);
  drawGap(now, figures, chosen.value);
}

// positive where the oracle flatters, for MAE too
function drawGap(now, figures, key) {
  const names = msabench.site.selections.map(({ name }) => name);
  const [honest, oracle] = ["same-epoch", "best-epoch"].map((name) => names.indexOf(name));
  const m = now.metrics.findIndex((metric) => metric.key === key);
  const metric = now.metrics[m];
  const sign = metric.better === "higher" ? 1 : -1;
  const runs = now.board.rows.map(() => []);
  for (const run of figures.runs) runs[run.row].push(run.place);
  const lines = now.board.rows.flatMap((row, place) => {
    if (!runs[place].length || (now.track !== "all" && row.track !== now.track)) return [];
    const at = (selection) => runs[place].map((run) => figures.at(run, selection, m));
    const [kept, best] = [at(honest), at(oracle)];
    if (row.outside) return []; // one epoch, chosen outside: its gap is not known, and not zero
    const gap = summarise(best.map((value, i) => sign * (value - kept[i])));
    const spread = Number.isFinite(gap.sd) ? ` ± ${printed(metric, gap.sd)}` : "";
    return [el("tr", {},
      el("th", { scope: "row" }, row.title, row.track !== "tuned" ? "" : ` · ${row.track}`, badges({ ...row, failed: 0 })),
      el("td", { class: "figure" }, figureText(metric, summarise(kept))),
      el("td", { class: "figure" }, figureText(metric, summarise(best))),
      el("td", { class: "figure" }, printed(metric, gap.mean, true) + spread))];
  });
  const columns = ["Method", "same-epoch", null, "optimism gap"].map((text) =>
    el("th", { scope: "col", class: text === "Method" ? "" : "figure" }, text ?? ["best-epoch ", el("em", { class: "oracle" }, "oracle")]));
  document.getElementById("gap").replaceChildren(el("table", { class: "figures" },
    el("caption", {}, el("span", {}, twinMark(now.board),
      `${metric.label} ${arrow(metric)}, ${now.board.dataset}, convention ${now.convention}. Positive where the oracle flatters.`)),
    el("thead", {}, el("tr", {}, columns)), el("tbody", {}, lines)));
}
