/** The table of scores. */

import { METRICS, score } from "./metrics.js";
import { make } from "./panels.js";

/** @typedef {import("./color.js").Picture} Picture */

/**
 * Fill the table with the scores of a few pictures, by title.
 * @param {HTMLTableElement} table
 * @param {{a: Picture, b: Picture}} sources
 * @param {Record<string, Picture>} pictures
 */
export function showScores(table, { a, b }, pictures) {
  const columns = Object.values(pictures).map((picture) => score(a, b, picture));
  const text = (/** @type {number} */ value) => (Number.isNaN(value) ? "undefined" : value.toFixed(4));
  const keys = /** @type {(keyof typeof METRICS)[]} */ (Object.keys(METRICS));
  const head = ["", ...Object.keys(pictures)].map((title) => make("th", { scope: "col" }, title));
  const rows = keys.map((key) => {
    const name = METRICS[key] ? `${key} (${METRICS[key]})` : key;
    const cells = columns.map((scores) => make("td", {}, text(scores[key])));
    return make("tr", { "data-metric": key }, make("th", { scope: "row" }, name), ...cells);
  });
  table.replaceChildren(
    make("caption", {}, "Scores (higher is better)"),
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...rows),
  );
}
