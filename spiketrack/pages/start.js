// What is in view is made first, then all the rest, one thing at a time, so that nothing stalls.
const figureViews = [...document.querySelectorAll("figure[data-figure]")].map((host) => new FigureView(host));
const viewNamed = (name) => figureViews.find((view) => view.name === name);

document.querySelectorAll(".drawing .scroll").forEach((box) => tellWide(box, "drawing"));

const queue = [];
let working = false;
const work = async () => {
  if (working) return;
  working = true;
  while (queue.length) {
    await queue.shift()();
    await new Promise((resume) => setTimeout(resume, 20));
  }
  working = false;
  if (loaded) document.body.dataset.settled = "yes";
};
let loaded = false;
const openTables = () => [...document.querySelectorAll("details[data-table][open]")];
const tasks = new Map();
figureViews.forEach((view) => tasks.set(view.host, async () => view.drawn || view.draw()));
openTables().forEach((details) => tasks.set(details, async () => viewOf(details.dataset.table)));
const watcher = new IntersectionObserver(
  (entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      watcher.unobserve(target);
      const task = tasks.get(target);
      tasks.delete(target);
      if (task) queue.unshift(task);
    });
    work();
  },
  { rootMargin: "250px" },
);
[...tasks.keys()].forEach((host) => watcher.observe(host));
const IDLE = 800; // milliseconds in which the reader's first touch finds nothing in its way
addEventListener("load", () => setTimeout(() => {
  queue.push(...tasks.values());
  tasks.clear();
  loaded = true;
  work();
}, IDLE));

const redraw = (paper) => {
  printing = paper;
  openTables().forEach((details) => viewOf(details.dataset.table).render());
  figureViews.forEach((view) => view.draw());
};
darkScheme.addEventListener("change", () => figureViews.forEach((view) => view.recolour()));
narrow.addEventListener("change", () => figureViews.forEach((view) => view.drawn && view.draw()));
matchMedia("print").addEventListener("change", (event) => redraw(event.matches));
addEventListener("beforeprint", () => redraw(true));
addEventListener("afterprint", () => redraw(false));
