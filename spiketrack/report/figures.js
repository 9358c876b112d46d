// Figures: drawn when they come into view, in the colours of the reader's scheme.
const THEMES = {
  light: { ink: "#1b1f24", grid: "#e1e6ea", paper: "#ffffff" },
  dark: { ink: "#e7ebef", grid: "#333c45", paper: "#1d2329" },
};
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const PRINT_WIDTH = 660; // pixels that fit an A4 or letter page
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
let printing = false;

const colours = () => {
  const theme = THEMES[darkScheme.matches && !printing ? "dark" : "light"];
  const axis = (name) => ({
    [`${name}.gridcolor`]: theme.grid,
    [`${name}.zerolinecolor`]: theme.grid,
    [`${name}.linecolor`]: theme.ink,
    [`${name}.tickcolor`]: theme.ink,
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    "font.color": theme.ink,
    "font.family": FONT,
    "hoverlabel.bgcolor": theme.paper,
    "hoverlabel.font.color": theme.ink,
    ...axis("xaxis"),
    ...axis("yaxis"),
  };
};

let library = false;
const loadLibrary = () => {
  if (library) return;
  library = true;
  const source = document.getElementById("plotly-source");
  document.head.append(make("script", { textContent: source.textContent }));
  source.remove();
};

class FigureView {
  constructor(host) {
    this.host = host;
    this.plot = host.querySelector(".plot");
    this.figure = report.figures[host.dataset.figure];
    this.variant = 0;
    this.extra = [];
    this.drawn = false;
    this.plot.style.minHeight = `${this.figure.variants[0].layout.height}px`;
    this.controls(host.querySelector(".tools"));
  }

  controls(bar) {
    if (this.figure.variants.length > 1) {
      const select = make("select", { name: "variant" });
      this.figure.variants.forEach((v, i) => select.append(make("option", { value: i }, v.label)));
      select.addEventListener("change", () => {
        this.variant = Number(select.value);
        this.extra = [];
        this.listLayers();
        this.draw();
      });
      bar.append(make("label", {}, "show", select));
    }
    if (this.figure.log_axis) {
      this.log = make("input", { type: "checkbox", name: "log" });
      this.log.addEventListener("change", () => this.draw());
      bar.append(make("label", {}, this.log, "logarithmic"));
    }
    if (this.host.dataset.figure === "counts") {
      this.layers = make("select", { name: "layer" });
      this.layers.addEventListener("change", () => this.addLayer());
      bar.append(make("label", {}, "one population", this.layers));
      this.listLayers();
    }
  }

  get counts() {
    const branch = this.figure.variants[this.variant].label.split(" ")[0];
    return report.tables[`spikes_${branch}`];
  }

  listLayers() {
    if (!this.layers) return;
    const names = this.counts.rows.map((row) => make("option", { value: row[0] }, row[0]));
    this.layers.replaceChildren(make("option", { value: "" }, "none"), ...names);
  }

  addLayer() {
    const row = this.counts.rows.find((r) => r[0] === this.layers.value);
    const x = this.figure.variants[this.variant].data[0].x;
    this.extra = row
      ? [{ type: "scatter", mode: "lines+markers", x, y: row.slice(1), name: row[0], line: { width: 4 } }]
      : [];
    this.draw();
  }

  get data() {
    const data = this.figure.variants[this.variant].data;
    return this.rows ? data.map((trace, i) => this.bars(trace, i)) : [...data, ...this.extra];
  }

  // the energy bars of the rows that the table shows, in the table's order
  bars(trace, index) {
    const [names, values] = index ? this.others(trace.name) : this.own();
    // populations cost nothing where neuron updates have no price: no bar, no gap
    const kept = this.rows.map((row) => row[0]).filter((name) => names && values.get(name));
    return { ...trace, x: kept, y: kept.map((name) => values.get(name) / 1e6) };
  }

  own() {
    const energy = report.tables.energy.columns.indexOf("energy_pj");
    return [true, new Map(this.rows.map((row) => [row[0], row[energy]]))];
  }

  others(label) {
    const { columns, rows } = report.tables.comparison;
    const column = columns.indexOf(`energy_pj ${label}`);
    const branch = report.tables.energy.columns.indexOf("branch");
    const search = this.rows.every((row) => row[branch] === "search");
    return [search, new Map(rows.map((row) => [row[0], row[column]]))];
  }

  draw() {
    loadLibrary();
    this.drawn = true;
    const layout = structuredClone(this.figure.variants[this.variant].layout);
    if (this.figure.log_axis) {
      layout[`${this.figure.log_axis}axis`].type = this.log.checked ? "log" : "linear";
    }
    if (printing) layout.width = PRINT_WIDTH;
    const config = { responsive: true, displaylogo: false };
    Plotly.react(this.plot, this.data, layout, config).then(() => this.recolour());
  }

  recolour() {
    if (!this.drawn) return undefined;
    this.host.dataset.drawn = this.variant;
    return Plotly.relayout(this.plot, colours());
  }
}

const figureViews = [...document.querySelectorAll("figure[data-figure]")].map((host) => new FigureView(host));
const energyView = figureViews.find((view) => view.host.dataset.figure === "energy");
const shows = (view) => (rows) => {
  view.rows = rows;
  if (view.drawn) view.draw();
};

// Whatever comes near the window is made, one thing at a time, so that the slider stays quick.
const queue = [];
const work = () => {
  queue.shift()();
  if (queue.length) setTimeout(work, 20);
};
const later = (task) => {
  if (queue.push(task) === 1) setTimeout(work, 20);
};
const makeTable = (details) => {
  const table = viewOf(details.dataset.table);
  if (table.name === "energy" && !table.listeners.length) table.listeners.push(shows(energyView));
};
const watcher = new IntersectionObserver(
  (entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      watcher.unobserve(target);
      const view = figureViews.find((one) => one.host === target);
      later(() => (view ? view.drawn || view.draw() : makeTable(target)));
    });
  },
  { rootMargin: "250px" },
);
const openTables = () => [...document.querySelectorAll("details[data-table][open]")];
openTables().forEach((details) => watcher.observe(details));
figureViews.forEach((view) => watcher.observe(view.host));

const redraw = (paper) => {
  printing = paper;
  openTables().forEach(makeTable);
  figureViews.forEach((view) => view.draw());
};
darkScheme.addEventListener("change", () => figureViews.forEach((view) => view.recolour()));
matchMedia("print").addEventListener("change", (event) => redraw(event.matches));
addEventListener("beforeprint", () => redraw(true));
addEventListener("afterprint", () => redraw(false));
