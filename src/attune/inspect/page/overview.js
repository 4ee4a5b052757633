// All heads of one kind as small maps, a row a layer. One of them is in the order of the Tab key; arrow keys move.

const captions = {
  entropy: { name: "entropy (nats)", of: (map) => map.entropy.toFixed(2) },
  distance: { name: "distance (keys)", of: (map) => map.distance.toFixed(1) },
  alignment_error: { name: "alignment error", of: (map) => (map.alignment_error === undefined ? "–" : `${(100 * map.alignment_error).toFixed(0)} %`) },
};

function drawOverview(state) {
  const overview = document.getElementById("overview");
  overview.replaceChildren();
  for (const layer of new Set(state.maps.map((map) => map.layer))) {
    const row = make("div", { className: "layer", role: "row" });
    row.append(make("p", { textContent: layer === null ? "" : `layer ${layer}`, role: "rowheader" }));
    const heads = make("div", { className: "heads", role: "presentation" });
    heads.style.setProperty("--heads", state.maps.filter((map) => map.layer === layer).length);
    state.maps.forEach((map, index) => {
      if (map.layer === layer) heads.append(thumbnail(state, map, index));
    });
    row.append(heads);
    overview.append(row);
  }
  markChosen(state);
}

function thumbnail(state, map, index) {
  const button = make("button", { type: "button", role: "gridcell", tabIndex: -1 });
  const caption = captions[state.caption];
  button.dataset.map = index;
  const { signed } = kinds[map.kind];  // whose entropies would say little
  const figure = !signed ? caption.of(map) : map.toeplitz === undefined ? "" : `Toeplitz ${map.toeplitz.toFixed(2)}`;
  button.setAttribute("aria-label", titleOf(map) + (figure && `: ${signed ? "" : `${caption.name} `}${figure}`));
  const view = state.viewOf(map);
  const canvas = make("canvas", {});
  const cell = Math.max(1, Math.ceil(240 / Math.max(view.queries.length, view.keys.length)));
  drawCells(canvas, view, cell, state.span === "one" ? 1 : view.largest, 12);
  const text = make("span", {});
  text.append(make("b", { textContent: map.head === null ? "all" : `head ${map.head}` }), make("i", { textContent: figure }));
  text.lastChild.style.fontStyle = "normal";
  text.firstChild.style.fontWeight = "500";
  button.append(canvas, text);
  button.addEventListener("focus", () => state.choose(index));
  button.addEventListener("click", () => state.choose(index));
  return button;
}

const thumbnails = () => [...document.querySelectorAll("#overview button")];

function markChosen(state) {
  thumbnails().forEach((button) => {
    const chosen = Number(button.dataset.map) === state.chosen;
    button.setAttribute("aria-selected", chosen);
    button.tabIndex = chosen ? 0 : -1;
  });
}

// The map that an arrow key leads to from `map`.
function neighbour(state, key) {
  const maps = state.maps, here = maps[state.chosen];
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (step) return Math.min(maps.length - 1, Math.max(0, state.chosen + step));
  if (key === "Home") return 0;
  if (key === "End") return maps.length - 1;
  const down = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (!down) return -1;
  const there = maps.findIndex((map) => map.layer === here.layer + down && map.head === here.head);
  return there < 0 ? state.chosen : there;
}

function listenToOverview(state) {
  document.getElementById("overview").addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      document.getElementById("large").focus();
      return;
    }
    const next = neighbour(state, event.key);
    if (next >= 0) {
      event.preventDefault();
      thumbnails().find((button) => Number(button.dataset.map) === next).focus();
    }
  });
}
