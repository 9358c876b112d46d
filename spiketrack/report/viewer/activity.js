// What fires in the frame that the slider shows: a bar a population, and maps where there are any.
(() => {
  const canvas = document.getElementById("firing");
  const { maps } = JSON.parse(document.getElementById("lead-data").textContent);
  const { columns, rows } = page.tables.rates;
  const column = (name) => columns.indexOf(name);
  const steps = new Map(
    rows.map((row) => [`${row[column("branch")]} ${row[column("population")]}`, row[column("neuron_steps")]]),
  );
  const BARS = ["#0072B2", "#E69F00"]; // neighbouring stages alternate
  const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const rates = (branch) => {
    const table = page.tables[`events_${branch}`];
    return table ? table.rows.map(([name, ...events]) => [name, events.map((n) => n / steps.get(`${branch} ${name}`))]) : [];
  };
  const branches = { search: rates("search"), template: rates("template") };
  const most = (list) => Math.max(...list.flatMap(([, values]) => values), 1e-9);
  const scales = { search: most(branches.search), template: most(branches.template) };

  const ramp = (value) => {
    const place = (value / 255) * (STOPS.length - 1);
    const low = Math.min(Math.floor(place), STOPS.length - 2);
    return STOPS[low].map((from, i) => from + (STOPS[low + 1][i] - from) * (place - low));
  };

  // frame 0 is the first template's encoding
  const bars = (frame) => {
    const branch = frame ? "search" : "template";
    const list = branches[branch];
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const step = width / Math.max(list.length, 1);
    let [stage, colour, sum] = ["", 0, 0];
    list.forEach(([name, values], i) => {
      const value = values[Math.max(frame - 1, 0)] || 0;
      sum += value;
      if (stageOf(name) !== stage) {
        stage = stageOf(name);
        colour = 1 - colour;
      }
      pen.fillStyle = BARS[colour];
      const tall = (height - 2) * (value / scales[branch]);
      pen.fillRect(i * step, height - tall, Math.max(step - 0.4, 0.6), tall);
    });
    const mean = (100 * sum) / Math.max(list.length, 1);
    const told = `${list.length} populations of the ${branch} branch, mean firing rate ${mean.toFixed(1)} %, full height ${(100 * scales[branch]).toFixed(0)} %`;
    document.getElementById("firing-told").textContent = told;
    canvas.setAttribute("aria-label", `Firing rate by population in frame ${frame}: ${told}`);
  };

  const pictures = maps.map((map) => {
    const bytes = Uint8Array.from(atob(map.data), (letter) => letter.charCodeAt(0));
    const picture = make("canvas", { width: map.width, height: map.height, role: "img" });
    const name = short(map.name);
    picture.setAttribute("aria-label", `Where ${name} fires`);
    const told = `${name}, up to ${Number(map.most.toPrecision(2))}`;
    document.getElementById("maps").append(make("figure", {}, picture, make("figcaption", {}, told)));
    return { map, bytes, picture };
  });
  const draw = ({ map, bytes, picture }, frame) => {
    const size = map.width * map.height;
    let index = map.frames.length - 1;
    while (index > 0 && map.frames[index] > frame) index -= 1;
    const pen = picture.getContext("2d");
    const image = pen.createImageData(map.width, map.height);
    for (let i = 0; i < size; i += 1) {
      image.data.set([...ramp(bytes[index * size + i]), 255], 4 * i);
    }
    pen.putImageData(image, 0, 0);
  };

  let now = 0;
  const show = (frame) => {
    now = frame;
    bars(frame);
    pictures.forEach((one) => draw(one, frame));
  };
  addEventListener("frameshown", (event) => show(event.detail));
  addEventListener("resize", () => bars(now));
  show(Number(document.getElementById("slider").value));
})();
