// What every chart shares: its colours, its axes, and a width that follows the page's.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = "12px system-ui";

function chartAxis(more) {
  const line = colour("--line");
  return { stroke: colour("--ink-soft"), grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: FONT, labelFont: FONT, ...more };
}

// a canvas is a picture to a screen reader: `label` says what it shows
function chart(place, label, { height = 220, ...options }, data) {
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  const size = () => ({ width: place.clientWidth || 320, height });
  const drawn = new uPlot({ legend: { show: false }, cursor: { show: false }, ...size(), ...options }, data, place);
  new ResizeObserver(() => drawn.setSize(size())).observe(place);
}
