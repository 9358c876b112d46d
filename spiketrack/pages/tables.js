// Tables: sorting, filters, sums and CSV files, all from the embedded JSON document.
"use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const scaled = (value, units) => {
  const [size, unit] = units.find(([least]) => Math.abs(value) >= least) || units[units.length - 1];
  return `${Number((value / size).toPrecision(4))} ${unit}`;
};
const JOULES = [[1e12, "J"], [1e9, "mJ"], [1e6, "µJ"], [1e3, "nJ"], [1, "pJ"]];
const LEAST_PJ = 1e-6; // below is what rounding leaves of a zero
const BYTES = [[2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const shown = (key, value) => {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return value;
  if (/_pj( |$)/.test(key)) return Math.abs(value) < LEAST_PJ ? "0" : scaled(value, JOULES);
  if (/_bytes$/.test(key)) return scaled(value, BYTES);
  if (/(share|rate| use)$/.test(key)) return `${(100 * value).toFixed(2)} %`;
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (Math.abs(value) >= 1e4) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
};
const LABELS = {
  ac_graded: "AC graded", ac_spike: "AC spike", mac: "MAC", dense_mac: "dense MAC",
  energy_pj: "energy", energy_sd_pj: "s.d.", energy_se_pj: "± s.e.", energy_share: "share",
  energy_mj: "mJ a frame", success_auc: "AUC", precision_20: "precision, 20 px",
  normalised_precision_20: "normalised precision", ao: "AO", sr50: "SR 0.5", sr75: "SR 0.75",
  fps: "frames a second", neuron_updates: "updates", sqnr_db: "SQNR, dB", headroom_bits: "head-room, bits",
};
const labelOf = (key) => LABELS[key] || key.replaceAll("_pj", "").replaceAll("_", " ");

const csvCell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csvOf = (table) =>
  [table.columns, ...table.rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
const download = (name, type, text) => {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

const SUMMED = new Set([
  "events", "spikes", "ac_graded", "ac_spike", "mac", "dense_mac", "neuron_updates", "energy_pj",
  "energy_share",
]);
const CHOICES = ["branch", "kind", "type", "source", "made", "run"];
const FEW = 12; // rows that need no filter
const PRINTED = 20; // rows of a long table on paper
const LONG = 40;
const RANK = "energy_pj"; // what decides which rows of a long table are the largest

// A box whose content is wider than it says so, above it and at its edge.
const tellWide = (box, what) => {
  const more = `The ${what} goes on to the right: scroll it sideways.`;
  box.before(make("p", { className: "more" }, more));
  const measure = () => box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
  [box, ...box.children].forEach((part) => new ResizeObserver(measure).observe(part));
};

class TableView {
  constructor(name, host) {
    Object.assign(this, { name, host, table: page.tables[name], listeners: [] });
    this.sort = { column: -1, descending: false };
    this.all = false;
    this.selects = new Map();
    this.filters = new Map();
    this.text = "";
    const branch = this.table.columns.indexOf("branch");
    if (name === "energy" && branch >= 0) this.filters.set(branch, "search");
    host.append(this.controls());
    this.grid = make("table");
    const box = make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: this.table.title }, this.grid);
    host.append(box);
    tellWide(box, "table");
    this.render();
  }

  controls() {
    const bar = make("div", { className: "filters" });
    const { columns, rows, folded } = this.table;
    if (rows.length > FEW) {
      columns.forEach((key, index) => {
        if (!CHOICES.includes(key)) return;
        const values = [...new Set(rows.map((row) => row[index]))];
        if (values.length < 2 || values.some((v) => String(v).length > LONG)) return;
        const select = make("select", { name: key }, make("option", { value: "" }, "all"));
        this.selects.set(key, select);
        values.forEach((v) => select.append(make("option", { value: v }, v)));
        select.value = this.filters.get(index) || "";
        select.addEventListener("change", () => {
          this.filters.set(index, select.value);
          this.render();
        });
        bar.append(make("label", {}, labelOf(key), select));
      });
      this.field = make("input", { type: "search", placeholder: "part of a name" });
      this.field.addEventListener("input", () => this.search(this.field.value));
      bar.append(make("label", {}, "filter", this.field));
    }
    if (folded.length) {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => {
        this.all = box.checked;
        this.render();
      });
      bar.append(make("label", {}, box, "all columns"));
    }
    return bar;
  }

  search(text) {
    if (this.field) this.field.value = text;
    this.text = text.toLowerCase();
    this.render();
  }

  choose(key, value) {
    if (this.selects.has(key)) this.selects.get(key).value = value;
    this.filters.set(this.table.columns.indexOf(key), value);
    this.render();
  }

  get rows() {
    const kept = this.table.rows.filter(
      (row) =>
        [...this.filters].every(([i, value]) => !value || row[i] === value) &&
        (!this.text || row.some((c) => typeof c === "string" && c.toLowerCase().includes(this.text))),
    );
    const { column, descending } = this.sort;
    if (column < 0) return kept;
    const sign = descending ? -1 : 1;
    const order = (a, b) => {
      if (a === b) return 0;
      if (a === null) return 1; // empty cells last, whichever way
      if (b === null) return -1;
      if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
      return sign * (a - b);
    };
    return kept.sort((a, b) => order(a[column], b[column]));
  }

  sortBy(column) {
    const numeric = this.numeric(column);
    const same = this.sort.column === column;
    this.sort = { column, descending: same ? !this.sort.descending : numeric };
    this.render();
    this.grid.querySelector(`[data-column="${column}"] button`).focus();
  }

  numeric(column) {
    return this.table.rows.some((row) => typeof row[column] === "number");
  }

  render() {
    const { columns, folded } = this.table;
    const visible = columns.map((_, i) => i).filter((i) => this.all || !folded.includes(columns[i]));
    const all = this.rows;
    const rows = printing && all.length > LONG ? this.printed(all) : all;
    const kinds = columns.map((_, i) => (this.numeric(i) ? "number" : ""));
    const head = make("tr");
    visible.forEach((i) => {
      const button = make("button", { type: "button", title: `sort by ${columns[i]}` }, labelOf(columns[i]));
      button.addEventListener("click", () => this.sortBy(i));
      const cell = make("th", { scope: "col", className: kinds[i] }, button);
      cell.dataset.column = i;
      if (this.sort.column === i) cell.ariaSort = this.sort.descending ? "descending" : "ascending";
      head.append(cell);
    });
    const body = make("tbody");
    rows.forEach((row) => {
      const line = make("tr");
      visible.forEach((i) => {
        const text = shown(columns[i], row[i]);
        const long = typeof row[i] === "string" && row[i].length > 60;
        line.append(make("td", { className: long ? "long" : kinds[i] }, text));
      });
      body.append(line);
    });
    if (rows.length < all.length) {
      const text = `${this.ranked ? "the largest " : ""}${rows.length} of ${all.length} rows; CSV and JSON hold them all`;
      body.append(make("tr", {}, make("td", { className: "long", colSpan: visible.length }, text)));
    }
    this.grid.replaceChildren(make("thead", {}, head), body, ...this.sums(all, visible));
    this.listeners.forEach((listener) => listener(all));
  }

  // On paper a long table shows its largest rows, or its first where the reader sorted it.
  get ranked() {
    return this.sort.column < 0 && this.table.columns.includes(RANK);
  }

  printed(rows) {
    const rank = this.table.columns.indexOf(RANK);
    return (this.ranked ? [...rows].sort((a, b) => b[rank] - a[rank]) : rows).slice(0, PRINTED);
  }

  sums(rows, visible) {
    if (this.name !== "energy") return [];
    const { columns } = this.table;
    const line = make("tr");
    visible.forEach((i, place) => {
      const sum = SUMMED.has(columns[i]) ? rows.reduce((all, row) => all + row[i], 0) : null;
      const text = place === 0 ? `sum of ${rows.length} rows` : shown(columns[i], sum);
      line.append(make("td", { className: place ? "number" : "" }, text));
    });
    return [make("tfoot", {}, line)];
  }
}

const views = new Map();
const listeners = new Map();
const onTable = (name, listener) => listeners.set(name, [...(listeners.get(name) || []), listener]);
const viewOf = (name) => {
  if (!views.has(name)) {
    const view = new TableView(name, document.querySelector(`details[data-table="${name}"]`));
    views.set(name, view);
    view.listeners = listeners.get(name) || [];
    view.listeners.forEach((listener) => listener(view.rows));
  }
  return views.get(name);
};
document.querySelectorAll("details[data-table]").forEach((details) => {
  if (details.open) return; // made when it comes into view
  details.addEventListener("toggle", () => viewOf(details.dataset.table), { once: true });
});
document.querySelectorAll("button[data-csv]").forEach((button) => {
  const name = button.dataset.csv;
  button.addEventListener("click", () => download(`${name}.csv`, "text/csv", csvOf(page.tables[name])));
});
document.getElementById("download-json").addEventListener("click", () => {
  download("report.json", "application/json", JSON.stringify(page.tables, null, 1));
});
