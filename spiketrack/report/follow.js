// What the report's own figures do: bars follow the energy table, one population over time.
extensions.energy = (view) => {
  view.traces = (data) => {
    if (!view.rows) return data;
    return data.map((trace, i) => bars(trace, i));
  };
  const column = (name) => page.tables.energy.columns.indexOf(name);
  // the energy bars of the rows that the table shows, in the table's order
  const bars = (trace, index) => {
    const [names, values] = index ? others(trace.name) : own();
    // populations cost nothing where neuron updates have no price: no bar, no gap
    const kept = view.rows.map((row) => row[0]).filter((name) => names && values.get(name));
    return { ...trace, x: kept, y: kept.map((name) => values.get(name) / 1e6) };
  };
  const own = () => [true, new Map(view.rows.map((row) => [row[0], row[column("energy_pj")]]))];
  const others = (label) => {
    const { columns, rows } = page.tables.comparison;
    const at = columns.indexOf(`energy_pj ${label}`);
    const search = view.rows.every((row) => row[column("branch")] === "search");
    return [search, new Map(rows.map((row) => [row[0], row[at]]))];
  };
  onTable("energy", (rows) => {
    view.rows = rows;
    if (view.drawn) view.draw();
  });
};

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
