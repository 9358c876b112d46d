// Figures: drawn one after the other, those in view first, in the colours of the reader's scheme.
const THEMES = {
  light: { ink: "#1b1f24", grid: "#e1e6ea", paper: "#ffffff", band: "#eef2f6" },
  dark: { ink: "#e7ebef", grid: "#333c45", paper: "#1d2329", band: "#20272e" },
};
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 700px), (hover: none)"); // fingers, and no room for a tool bar
const PRINT_WIDTH = 660; // pixels that fit an A4 or letter page
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const BUTTONS = [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]];
let printing = false;

const theme = () => THEMES[darkScheme.matches && !printing ? "dark" : "light"];
const colours = () => {
  const { ink, grid, paper } = theme();
  const axis = (name) => ({
    [`${name}.gridcolor`]: grid,
    [`${name}.zerolinecolor`]: grid,
    [`${name}.linecolor`]: ink,
    [`${name}.tickcolor`]: ink,
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    "font.color": ink,
    "font.family": FONT,
    "hoverlabel.bgcolor": paper,
    "hoverlabel.font.color": ink,
    "modebar.bgcolor": "rgba(0,0,0,0)",
    "modebar.color": ink,
    "modebar.activecolor": ink,
    ...axis("xaxis"),
    ...axis("yaxis"),
  };
};

// The library is packed; the policy knows the unpacked text by its hash.
const unpack = async () => {
  const packed = document.getElementById("library");
  const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(make("script", { textContent: await new Response(stream).text() }));
  packed.remove();
};
let library;
const loadLibrary = () => (library ||= unpack());

// On a phone a legend beside the plot would lie over it: it goes below, and the figure grows.
const below = (layout, traces) => {
  if (!layout.legend || layout.legend.orientation !== "v") return;
  const grown = 24 * Math.ceil(traces.length / 1.5) + 40;
  layout.legend = { orientation: "h", x: 0, y: -90 / layout.height, yanchor: "top" };
  layout.height += grown;
  layout.margin.b += grown;
};

// Slanted names under an axis, so far apart that none touches the one before.
const NAMES_APART = 22; // pixels
const thinned = (layout, width) => {
  const { range, tickvals, ticktext } = layout.xaxis || {};
  if (!range || !tickvals || !ticktext) return layout;
  const least = (NAMES_APART * (range[1] - range[0])) / Math.max(200, width - 110);
  let last = -Infinity;
  const kept = tickvals.map((at) => at - last >= least && ((last = at), true));
  layout.xaxis.tickvals = tickvals.filter((_, i) => kept[i]);
  layout.xaxis.ticktext = ticktext.filter((_, i) => kept[i]);
  return layout;
};

// What one figure does beyond the others: name -> function of its view, called once.
const extensions = {};

class FigureView {
  constructor(host) {
    this.host = host;
    this.name = host.dataset.figure;
    this.plot = host.querySelector(".plot");
    this.figure = page.figures[this.name];
    this.variant = 0;
    this.drawn = false;
    this.traces = (data) => data;
    this.arrange = (layout) => layout;
    this.plot.style.minHeight = `${this.figure.variants[0].layout.height}px`;
    this.bar = host.querySelector(".tools");
    this.controls();
    if (extensions[this.name]) extensions[this.name](this);
  }

  get shown() {
    return this.figure.variants[this.variant];
  }

  controls() {
    if (this.figure.variants.length > 1) {
      const select = make("select", { name: "variant" });
      this.figure.variants.forEach((v, i) => select.append(make("option", { value: i }, v.label)));
      select.addEventListener("change", () => {
        this.variant = Number(select.value);
        this.host.dispatchEvent(new CustomEvent("variant"));
        this.draw();
      });
      this.bar.append(make("label", {}, "show", select));
    }
    if (this.figure.log_axis) {
      this.log = make("input", { type: "checkbox", name: "log" });
      this.log.addEventListener("change", () => this.draw());
      this.bar.append(make("label", {}, this.log, "logarithmic"));
    }
  }

  async draw() {
    this.drawn = true;
    try {
      await loadLibrary();
    } catch (error) {
      this.plot.textContent = `This browser cannot unpack the plotting library (${error.message}).`;
      return;
    }
    const layout = structuredClone(this.shown.layout);
    if (this.figure.log_axis) {
      layout[`${this.figure.log_axis}axis`].type = this.log.checked ? "log" : "linear";
    }
    if (printing) layout.width = PRINT_WIDTH;
    else if (narrow.matches) below(layout, this.shown.data);
    const config = {
      responsive: true,
      displaylogo: false,
      modeBarButtons: BUTTONS,
      displayModeBar: printing || narrow.matches ? false : "hover",
    };
    const traces = this.traces(structuredClone(this.shown.data));
    const arranged = this.arrange(layout, traces);
    const width = layout.width || this.plot.clientWidth;
    await Plotly.react(this.plot, traces, thinned(arranged, width), config);
    await this.recolour();
  }

  async recolour() {
    if (!this.drawn || !this.plot.layout) return;
    const bands = {};
    (this.plot.layout.shapes || []).forEach((shape, i) => {
      if (shape.name === "band") bands[`shapes[${i}].fillcolor`] = theme().band;
    });
    await Plotly.relayout(this.plot, { ...colours(), ...bands });
    this.host.dataset.drawn = this.variant;
  }
}
