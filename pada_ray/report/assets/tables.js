"use strict";
// Headers of longer tables become buttons that sort: ascending, descending, and back to the original order. Rows stay in
// their group. Long tables have a search field that matches the row and the name of its group.
(() => {
  const ORDERS = ["none", "ascending", "descending"];

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    return cell.textContent === "–" ? null : cell.textContent;
  }

  function compare(a, b) {
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  const isGroup = (row) => row.className === "group";

  function sort(rows, column, order) {
    const sign = { none: 0, ascending: 1, descending: -1 }[order];
    return [...rows].sort((a, b) => {
      const [x, y] = [keyOf(a, column), keyOf(b, column)];
      return sign && (x === null || y === null ? (x === null) - (y === null) : sign * compare(x, y));
    });
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const asWritten = new Map([...table.tBodies].map((body) => [body, [...body.rows]]));
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        const order = ORDERS[(ORDERS.indexOf(header.getAttribute("aria-sort") ?? "none") + 1) % ORDERS.length];
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        if (order !== "none") header.setAttribute("aria-sort", order);
        for (const [body, rows] of asWritten) {
          const items = rows.filter((row) => !isGroup(row));
          body.replaceChildren(...rows.filter(isGroup), ...sort(items, column, order));
        }
      });
    });
  }

  for (const field of document.querySelectorAll("[data-rows-of]")) {
    const table = document.querySelector(`#table-${field.dataset.rowsOf} table`);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const body of table.tBodies) {
        const rows = [...body.rows];
        const group = rows.find(isGroup)?.textContent ?? "";
        const items = rows.filter((row) => !isGroup(row));
        for (const row of items) {
          const text = `${group} ${row.textContent}`.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
        }
        body.hidden = items.every((row) => row.hidden);
      }
    });
  }
})();
