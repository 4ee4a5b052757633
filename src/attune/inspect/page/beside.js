// Several models: a card each, with the map that stands where the chosen one does.

function mapsOfModel(state, model) {
  const sentence = model.sentences[state.sentenceIndex];
  const hypothesis = model === state.model ? state.hypothesis : sentence.hypotheses[0];
  return { sentence, hypothesis, maps: [...sentence.maps, ...(hypothesis?.maps ?? [])].filter((map) => map.kind === state.kind) };
}

function drawBeside(state) {
  byId("beside").hidden = state.data.models.length < 2;
  if (byId("beside").hidden) return;
  state.followers = [];
  byId("cards").replaceChildren(...state.data.models.map((model) => card(state, model)));
}

function card(state, model) {
  const { sentence, hypothesis, maps } = mapsOfModel(state, model);
  const box = make("div", { className: "card" });
  box.classList.toggle("chosen", model === state.model);
  box.append(make("h3", { textContent: model.name }), make("p", { textContent: hypothesis?.text ?? "", className: "text", dir: "auto" }));
  if (maps.length === 0) {
    box.append(make("p", { textContent: "This model has no attention of this kind.", className: "quiet" }));
    return box;
  }
  const wanted = state.maps[state.chosen];
  const same = maps.findIndex((map) => map.layer === wanted.layer && map.head === wanted.head);
  const select = make("select", {}), canvas = make("canvas", {}), pointed = make("p", { className: "pointed" });
  select.setAttribute("aria-label", `Head of ${model.name}`);
  select.append(...maps.map((map, i) => make("option", { value: i, textContent: titleOf(map) })));
  select.value = same < 0 ? maps.length - 1 : same;
  box.append(select, canvas, pointed);
  let view;
  const point = (query, key) => {
    const value = view.rows[query]?.[key];
    pointed.replaceChildren(`${view.queries[query] ?? "–"} → ${view.keys[key] ?? "–"}: `,
      make("b", { textContent: value === null ? "masked" : value === undefined ? "–" : String(value) }));
  };
  const show = () => {
    view = viewOf(maps[select.value], sentence, hypothesis, state.words);
    const cell = Math.max(1, Math.floor(320 / Math.max(view.queries.length, view.keys.length)));
    drawCells(canvas, view, cell, state.span === "one" ? 1 : view.largest, 8);
    point(state.query, state.key);
  };
  canvas.addEventListener("pointermove", (event) => {
    const area = canvas.getBoundingClientRect();
    point(clamp(Math.floor(((event.clientY - area.top) / area.height) * view.queries.length), view.queries.length - 1),
      clamp(Math.floor(((event.clientX - area.left) / area.width) * view.keys.length), view.keys.length - 1));
  });
  state.followers.push(() => point(state.query, state.key));
  select.addEventListener("change", show);
  show();
  return box;
}
