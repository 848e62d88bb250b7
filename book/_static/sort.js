/* A click on a head of a table of the class "sortable" sorts its rows by that column, once more the other way.
   What is no number sorts as text, what is empty ("–") comes last either way. */
(() => {
  "use strict";
  const value = (row, column) => row.cells[column].textContent.trim();

  function sort(table, column, direction) {
    const rows = [...table.tBodies[0].rows];
    const compare = (first, second) => {
      const [a, b] = [value(first, column), value(second, column)];
      if (a === "–" || b === "–") return (a === "–") - (b === "–");
      const numbers = [a, b].map((text) => Number.parseFloat(text.replaceAll(",", "")));
      const order = numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1];
      return direction * order;
    };
    table.tBodies[0].append(...rows.sort(compare));
    [...table.tHead.rows[0].cells].forEach((head, number) => {
      head.setAttribute("aria-sort", number !== column ? "none" : direction > 0 ? "ascending" : "descending");
    });
  }

  function prepare(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      button.addEventListener("click", () => {
        sort(table, column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
      });
      head.append(button);
      head.setAttribute("aria-sort", "none");
    });
  }

  const start = () => document.querySelectorAll("table.sortable").forEach(prepare);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
