// The clip: a slider, the frame's picture and the boxes of all sources over it.
(() => {
  "use strict";
  const clip = JSON.parse(document.getElementById("lead-data").textContent);
  const at = (id) => document.getElementById(id);
  const [stage, picture, slider, play] = ["stage", "picture", "slider", "play"].map(at);
  const SVG = "http://www.w3.org/2000/svg";
  const FASTEST = 15; // frames a second
  const DASHES = ["", "9 5", "3 4", "12 4 3 4", "16 6"];

  const sources = clip.overlays.map((overlay, index) => {
    const colour = clip.colours[index % clip.colours.length];
    const rects = ["halo", "line"].map((name) => {
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("class", name);
      rect.setAttribute("stroke-width", name === "halo" ? 5 : 2.5);
      if (name === "line") {
        rect.setAttribute("stroke", colour);
        rect.setAttribute("data-source", overlay.label);
      }
      // sources that agree lie on each other: all but the first are dashed
      rect.setAttribute("stroke-dasharray", DASHES[index % DASHES.length]);
      at("boxes").append(rect);
      return rect;
    });
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.borderTopColor = colour;
    swatch.style.borderTopStyle = index ? "dashed" : "solid";
    label.append(box, swatch, overlay.label);
    head.append(label);
    const cells = Array.from({ length: 5 }, () => {
      const cell = document.createElement("td");
      cell.className = "number";
      return cell;
    });
    row.append(head, ...cells);
    at("readout").append(row);
    const rows = new Map(overlay.rows.map((r) => [r[0], r.slice(1)]));
    box.addEventListener("change", () => show(Number(slider.value)));
    return { rects, cells, rows, box };
  });

  const drawBox = ({ rects, cells, rows, box }, frame) => {
    const found = rows.get(frame);
    for (const rect of rects) {
      rect.style.display = found && box.checked ? "" : "none";
      if (found) {
        ["x", "y", "width", "height"].forEach((key, i) => rect.setAttribute(key, found[i]));
      }
    }
    cells.forEach((cell, i) => {
      cell.textContent = found && i in found ? found[i].toFixed(i === 4 ? 3 : 1) : "";
    });
  };

  const pictureOf = (frame) => {
    let index = clip.frames.length - 1;
    while (index > 0 && clip.frames[index] > frame) index -= 1;
    return clip.pictures[index];
  };

  let wanted = -1;
  const show = async (frame) => {
    wanted = frame;
    const source = pictureOf(frame);
    if (source && picture.src !== source) {
      picture.src = source;
      await picture.decode().catch(() => {});
    }
    if (wanted !== frame) return;
    picture.alt = `Frame ${frame} of the clip with the tracked boxes`;
    sources.forEach((one) => drawBox(one, frame));
    at("frame-number").textContent = `frame ${frame} / ${slider.max}`;
    slider.setAttribute("aria-valuetext", `frame ${frame}`);
    stage.dataset.frame = String(frame);
    window.dispatchEvent(new CustomEvent("frameshown", { detail: frame }));
  };

  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
      show(Number(slider.value));
    }, 1000 / Math.min(FASTEST, clip.fps || FASTEST));
  });
  slider.addEventListener("input", () => show(Number(slider.value)));
  // on paper a tracked frame, not the given box
  const lasts = clip.overlays.map(({ rows }) => Math.max(0, ...rows.map(([frame]) => frame)));
  const shared = Math.min(...lasts, Number(slider.max)); // the last that all sources tracked
  let before = 0;
  const paper = (printing) => {
    if (printing && wanted === 0) {
      before = 1;
      show(shared);
    } else if (!printing && before) {
      before = 0;
      show(Number(slider.value));
    }
  };
  matchMedia("print").addEventListener("change", (event) => paper(event.matches));
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  show(Number(slider.value));
})();
