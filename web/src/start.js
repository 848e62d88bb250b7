/** Start what the page has room for; without this script its still image stays. In a worker, serve the page. */

import { startOpening } from "./opening.js";
import { TryIt } from "./page.js";
import { serveMethods } from "./volumes.js";

/** @type {any} */ (globalThis).wdualmineStart = () => {
  const opening = document.getElementById("fusion-opening");
  const page = document.getElementById("fusion-page");
  if (opening) startOpening(opening);
  if (page) /** @type {any} */ (globalThis).wdualminePage = new TryIt(page);
};
if (!globalThis.document) serveMethods();
else if (document.readyState === "loading") {
  document.addEventListener("DOMContentLoaded", /** @type {any} */ (globalThis).wdualmineStart);
} else /** @type {any} */ (globalThis).wdualmineStart();
