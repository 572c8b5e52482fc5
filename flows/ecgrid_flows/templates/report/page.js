// Sorting, filtering, charts and print for the monthly page. The page reads without it; this adds ease.
"use strict";

// On a narrow screen the name of a row stands above its bar, and takes no room beside it.
function narrow(spec, width) {
  const above = (part) => {
    if (part?.axis?.labelLimit) {
      Object.assign(part.axis, { labelAlign: "left", labelPadding: 0, labelOffset: -16, labelLimit: width - 100, zindex: 1 });
    }
  };
  for (const layer of spec.layer ?? [spec]) above(layer.encoding?.y);
  if ((spec.layer ?? [spec]).some((layer) => layer.encoding?.y?.axis?.labelLimit)) spec.height *= 1.6;
  spec.config.legend.columns = 2;
}

// Charts: the drawing that is in the page is replaced by the same chart with tooltips, which also fits its width.
async function drawCharts() {
  for (const figure of document.querySelectorAll("figure.chart")) {
    const place = figure.querySelector(".drawing");
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    if (place.clientWidth < 480) narrow(spec, place.clientWidth);
    await window.vegaEmbed(place, spec, {
      actions: false, ast: true, defaultStyle: false, renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
  }
}

function compare(kind, direction) {
  return (a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "") || a.place - b.place;
    const order = kind === "number" ? Number(a.key) - Number(b.key)
      : a.key.localeCompare(b.key, "en", { numeric: true, sensitivity: "base" });
    return direction * order || a.place - b.place;
  };
}

function makeSortable(table) {
  const body = table.tBodies[0];
  [...body.rows].forEach((row, place) => { row.dataset.place = place; });
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers are first wanted largest first, words from A.
      const first = head.dataset.kind === "number" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const sorted = head.getAttribute("aria-sort") === first ? other : first;
      for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sorted);
      const rows = [...body.rows].map((row) => {
        const cell = row.cells[column];
        return { row, key: (cell.dataset.v ?? cell.textContent).trim(), place: Number(row.dataset.place) };
      });
      rows.sort(compare(head.dataset.kind, sorted === "ascending" ? 1 : -1));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}

function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows];
  const fold = (text) => text.toLowerCase().replaceAll("\u2212", "-");
  const texts = rows.map((row) => fold(row.textContent));
  const label = document.createElement("label");
  const input = document.createElement("input");
  const said = document.createElement("output");
  input.type = "search";
  input.autocomplete = "off";
  label.append("Filter ", input);
  input.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
  const box = document.createElement("div");
  box.className = "filter";
  box.append(label, said);
  table.parentElement.before(box);
  input.addEventListener("input", () => {
    const wanted = fold(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !wanted.every((word) => texts[index].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    said.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
  });
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("table.filterable").forEach(makeFilterable);

// Paper has no clicks: folded proofs are printed open. The numbers behind charts stay folded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.proof:not([open])")];
  folded.forEach((one) => { one.open = true; });
});
addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

drawCharts().then(() => { document.documentElement.dataset.charts = "drawn"; });
