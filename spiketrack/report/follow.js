// What the report's own figures do: bars follow the energy table, one population over time.
const TOTAL_NAMED = 10; // layers whose names stand above their bars
const NAME_WIDTH = 13; // pixels that an upright name takes
const short = (name) => name.replace(/^encoder\./, "");
const stageOf = (name) => {
  const parts = name.split(".");
  if (parts[0] !== "encoder" || parts.length < 3) return parts[0];
  return parts.slice(1, parts[1] === "mrm" ? 3 : 2).join(".");
};
const pushedApart = (places, gap, last) => {
  const moved = [...places];
  for (let i = 1; i < moved.length; i += 1) moved[i] = Math.max(moved[i], moved[i - 1] + gap);
  for (let i = moved.length - 1; i >= 0; i -= 1) {
    moved[i] = Math.min(moved[i], last - gap * (moved.length - 1 - i));
  }
  return moved;
};

extensions.energy = (view) => {
  const { columns } = page.tables.energy;
  const at = (name) => columns.indexOf(name);
  const [name, kind, energy, share] = ["name", "kind", "energy_pj", "energy_share"].map(at);
  const follows = () => view.variant === 0 && view.rows;
  // populations cost nothing where neuron updates have no price: no bar, no gap
  const spending = () => view.rows.filter((row) => row[energy]);

  view.traces = (data) => {
    if (!follows()) return data;
    const rows = spending();
    return data.map((trace) => {
      const kept = rows.map((row, x) => [row, x]).filter(([row]) => row[kind].replaceAll("_", " ") === trace.name);
      return {
        ...trace,
        x: kept.map(([, x]) => x),
        y: kept.map(([row]) => row[energy] * 1e-12),
        customdata: kept.map(([row]) => [row[name], row[share]]),
      };
    });
  };

  view.arrange = (layout) => {
    if (view.variant !== 0) return layout;
    const log = view.log.checked;
    const rows = view.rows ? spending() : null;
    if (rows) ordered(layout, rows);
    return rows && rows.length ? named(layout, rows, log) : layout;
  };

  const widthOf = (layout) => Math.max(200, (layout.width || view.plot.clientWidth) - 110);
  let drawnFor = 0;
  addEventListener("resize", () => {
    if (view.drawn && !printing && view.plot.clientWidth !== drawnFor) view.draw();
    drawnFor = view.plot.clientWidth;
  });

  // stages as bands, where the rows stand in the order of the network
  const ordered = (layout, rows) => {
    const stretches = [];
    rows.forEach((row, x) => {
      const label = stageOf(row[name]);
      const last = stretches[stretches.length - 1];
      if (last && last.label === label) last.b = x;
      else stretches.push({ label, a: x, b: x });
    });
    const sorted = viewOf("energy").sort.column >= 0;
    const [shape, ...others] = layout.shapes;
    const shown = sorted ? [] : stretches;
    layout.shapes = shown.filter((_, i) => i % 2 === 0).map(({ a, b }) => ({ ...shape, x0: a - 0.5, x1: b + 0.5 })).concat(others.filter((one) => one.name === "leader"));
    const wide = shown.filter(({ a, b }) => (b - a + 1) * widthOf(layout) >= rows.length * NAME_WIDTH);
    Object.assign(layout.xaxis, {
      range: [-0.5, rows.length - 0.5],
      tickvals: wide.map(({ a, b }) => (a + b) / 2),
      ticktext: wide.map(({ label }) => label),
    });
  };

  // the largest layers by name, each with a line to its bar
  const named = (layout, rows, log) => {
    const scale = (value) => (log ? Math.log10(value * 1e-12) : value * 1e-12);
    const energies = rows.map((row) => row[energy]);
    const [least, most] = [Math.min(...energies), Math.max(...energies)];
    const top = log ? scale(most) + 0.1 : 1.02 * scale(most);
    layout.yaxis.range = [log ? scale(least) - 0.1 : 0, top];
    const width = widthOf(layout);
    const places = rows.map((_, x) => x).sort((a, b) => energies[b] - energies[a]).slice(0, TOTAL_NAMED);
    places.sort((a, b) => a - b);
    const moved = pushedApart(places, (NAME_WIDTH * rows.length) / width, rows.length - 0.5);
    const [sample, line] = [layout.annotations[0], layout.shapes.find((shape) => shape.name === "leader")];
    const ends = { y1: log ? 10 ** top : top };
    layout.annotations = places.map((x, i) => ({ ...sample, x: moved[i], text: short(rows[x][name]) }));
    layout.shapes = layout.shapes.filter((shape) => shape.name === "band").concat(
      places.map((x, i) => ({ ...line, ...ends, x0: x, x1: moved[i], y0: energies[x] * 1e-12 })),
    );
    return layout;
  };

  onTable("energy", (rows) => {
    view.rows = rows;
    if (view.drawn) view.draw();
  });
};

// A block of the drawing leads to its rows: the energy table, filtered to them.
document.querySelectorAll("a[data-rows]").forEach((link) => {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const details = document.querySelector("details[data-table='energy']");
    details.open = true;
    const view = viewOf("energy");
    view.choose("branch", link.dataset.branch);
    view.search(`${link.dataset.rows}.`);
    details.closest(".table-block").scrollIntoView();
    view.host.querySelector("input[type='search']").focus({ preventScroll: true });
  });
});

extensions.counts = (view) => {
  let extra = [];
  const select = make("select", { name: "layer" });
  const rows = () => page.tables[`spikes_${view.shown.label.split(" ")[0]}`].rows;
  const list = () => {
    extra = [];
    const names = rows().map((row) => make("option", { value: row[0] }, row[0]));
    select.replaceChildren(make("option", { value: "" }, "none"), ...names);
  };
  select.addEventListener("change", () => {
    const row = rows().find((r) => r[0] === select.value);
    const x = view.shown.data[0].x;
    extra = row
      ? [{ type: "scatter", mode: "lines+markers", x, y: row.slice(1), name: row[0], line: { width: 4 } }]
      : [];
    view.draw();
  });
  view.host.addEventListener("variant", list);
  view.bar.append(make("label", {}, "one population", select));
  list();
  view.traces = (data) => [...data, ...extra];
};
