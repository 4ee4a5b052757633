// One head large: labels, weights, and what exactly stands under the pointer or the cursor of the arrow keys.

let geometry = { cell: 1 };

function drawLarge(state) {
  const view = state.view, frame = document.querySelector(".frame");
  drawLabels(view);
  const labels = document.getElementById("query-labels");
  const free = frame.clientWidth - labels.offsetWidth - 20;
  const least = view.keys.length <= 80 ? 15 : 5;
  const cell = Math.floor(Math.min(44, Math.max(least, free / view.keys.length)));
  const longest = cell * Math.max(view.keys.length, view.queries.length);
  const dense = Math.min(window.devicePixelRatio || 1, 8192 / longest);
  geometry = { cell };
  const canvas = document.getElementById("canvas");
  const most = state.span === "one" ? 1 : view.largest;
  drawCells(canvas, view, Math.max(1, Math.round(cell * dense)), most, Math.max(4, Math.round(6 * dense)));
  canvas.style.width = `${cell * view.keys.length}px`;
  canvas.style.height = `${cell * view.queries.length}px`;
  placeLabels(cell);
  drawLegend(state, most);
  drawCursor(state);
}

function drawLabels(view) {
  for (const [id, texts] of [["key-labels", view.keys], ["query-labels", view.queries]]) {
    document.getElementById(id).replaceChildren(...texts.map((text) => make("div", { textContent: text, title: text, dir: "auto" })));
  }
}

// Where cells are low, only every so many labels have room.
function placeLabels(cell) {
  const every = Math.ceil(13 / cell);
  for (const [id, side] of [["key-labels", "width"], ["query-labels", "height"]]) {
    [...document.getElementById(id).children].forEach((label, i) => {
      label.style[side] = `${cell}px`;
      label.style.lineHeight = `${cell}px`;
      label.style.visibility = i % every === 0 ? "visible" : "hidden";
    });
  }
}

function drawLegend(state, most) {
  const view = state.view;
  const stops = Array.from({ length: 17 }, (_, i) => colourOf(view.signed ? i / 8 - 1 : i / 16));
  document.getElementById("gradient").style.background = `linear-gradient(to right, ${stops.join(",")})`;
  document.getElementById("smallest").textContent = view.signed ? `−${most}` : "0";
  document.getElementById("largest").textContent = String(most);
  const some = (wanted) => view.rows.some((row) => row.some((cell) => cell === wanted));
  document.getElementById("hidden-key").hidden = !some(null);
  document.getElementById("left-out-key").hidden = !view.map.largest;
  const pen = document.getElementById("hatch").getContext("2d");
  pen.clearRect(0, 0, 28, 28);
  hatch(pen, 0, 0, 28, 28, 10);
  const dots = document.getElementById("dots").getContext("2d");
  dots.clearRect(0, 0, 28, 28);
  dot(dots, 0, 0, 28);
  const note = document.getElementById("left-out-note");
  note.hidden = !view.map.largest;
  if (view.map.largest) {
    const worst = view.map.left_out.reduce((a, b) => Math.max(a, b), 0);
    note.textContent = `Of each row’s ${view.map.keys} weights the ${Math.max(...view.map.largest.map((row) => row.length))} largest are in this page; the others of a row sum to ${worst} at most. attune inspect --top-k keeps more.`;
  }
}

const placed = (text, index) => `${text}  (${index})`;

function drawCursor(state) {
  const { view, query, key } = state, { cell } = geometry;
  const cursor = document.getElementById("cursor");
  Object.assign(cursor.style, {
    left: `${key * cell - 1}px`, top: `${query * cell - 1}px`, width: `${cell + 2}px`, height: `${cell + 2}px`,
  });
  for (const [id, on] of [["key-labels", key], ["query-labels", query]]) {
    const labels = document.getElementById(id);
    labels.querySelector(".on")?.classList.remove("on");
    labels.children[on]?.classList.add("on");
  }
  document.getElementById("query").textContent = placed(view.queries[query], query);
  document.getElementById("key").textContent = placed(view.keys[key], key);
  const value = view.rows[query][key];
  const weight = document.getElementById("weight");
  weight.classList.toggle("words", typeof value !== "number");
  weight.textContent = value === null ? "masked"
    : value === undefined ? `among the ${view.leftOut ? view.leftOut[query] : "weights"} left out` : String(value);
  drawStrongest(view, query);
}

function drawStrongest(view, query) {
  const row = view.rows[query].map((weight, key) => ({ weight, key })).filter(({ weight }) => typeof weight === "number" && weight !== 0);
  row.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.key - b.key);
  document.getElementById("strongest").replaceChildren(...row.slice(0, 6).map(({ weight, key }) => {
    const item = make("li", {}), bar = make("i", {});
    bar.style.width = `${100 * Math.min(1, Math.abs(weight) / (view.signed ? view.largest : 1))}%`;
    bar.classList.toggle("negative", weight < 0);
    item.append(make("bdi", { textContent: view.keys[key] }), make("span", { textContent: String(weight) }), bar);
    return item;
  }));
}

function listenToLarge(state) {
  const cells = document.getElementById("cells"), large = document.getElementById("large");
  const point = (event) => {
    const box = cells.getBoundingClientRect();
    state.move(Math.floor((event.clientY - box.top) / geometry.cell), Math.floor((event.clientX - box.left) / geometry.cell));
  };
  cells.addEventListener("pointermove", point);
  cells.addEventListener("pointerdown", point);
  large.addEventListener("keydown", (event) => {
    const { query, key, view } = state;
    const to = {
      ArrowLeft: [query, key - 1], ArrowRight: [query, key + 1], ArrowUp: [query - 1, key], ArrowDown: [query + 1, key],
      Home: [query, 0], End: [query, view.keys.length - 1],
    }[event.key];
    if (to) {
      event.preventDefault();
      state.move(...to);
      document.getElementById("cursor").scrollIntoView({ block: "nearest", inline: "nearest" });
    } else if (event.key === "Escape") {
      thumbnails().find((button) => button.tabIndex === 0)?.focus();
    }
  });
}
