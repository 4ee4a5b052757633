// What is chosen, and everything drawn again when that changes.

function make(name, properties) {
  const element = document.createElement(name);
  const { role, ...others } = properties;
  if (role) element.setAttribute("role", role);
  return Object.assign(element, others);
}

const byId = (id) => document.getElementById(id);
const clamp = (value, most) => Math.max(0, Math.min(most, value));

class State {
  constructor(data) {
    Object.assign(this, { data, words: false, span: "own", caption: "entropy", lines: "mean", kind: null, chosen: 0, query: 0, key: 0 });
    this.followers = [];  // what shows the weight under the cursor in other models
    this.sentenceIndex = this.hypothesisIndex = 0;
    this.modelIndex = data.checkpoints ? data.models.length - 1 : 0;
  }
  get model() { return this.data.models[this.modelIndex]; }
  get sentence() { return this.model.sentences[this.sentenceIndex]; }
  get hypothesis() { return this.sentence.hypotheses[this.hypothesisIndex]; }
  get allMaps() { return [...this.sentence.maps, ...(this.hypothesis?.maps ?? [])]; }
  get crossMap() {
    const map = this.maps[this.chosen];
    return map?.kind === "cross" ? map : null;
  }
  viewOf(map) { return viewOf(map, this.sentence, this.hypothesis, this.words); }

  // After another sentence or hypothesis.
  refresh() {
    const there = [...new Set(this.allMaps.map((map) => map.kind))];
    if (!there.includes(this.kind)) this.kind = there.includes("cross") ? "cross" : there[0] ?? null;
    drawHeader(this);
    drawKinds(this, there);
    drawSteps(this);
    drawAnswers(this);
    drawFigures(this);
    this.showKind();
  }
  showKind() {
    this.maps = this.allMaps.filter((map) => map.kind === this.kind);
    this.chosen = clamp(this.chosen, this.maps.length - 1);
    byId("attention").hidden = this.maps.length === 0;
    byId("inside").hidden = true;
    if (this.maps.length > 0) {
      const { note, query, key } = kinds[this.kind];
      const implied = !kinds[this.kind].signed && this.maps.some((map) => hasNegative(rowsOf(map)));
      byId("direction").textContent = implied ? `${note} These weights are what a mechanism’s parts come to, and some are negative: warm colours. Figures take their absolute values.` : note;
      byId("query-axis").textContent = `↓ query: ${query}`;
      byId("key-axis").textContent = `→ key: ${key}`;
      drawOverview(this);
      this.showMap();
    }
    drawAlignment(this);
    drawBeside(this);
  }
  showMap() {
    const map = this.maps[this.chosen];
    this.view = this.viewOf(map);
    byId("head-title").textContent = `${kinds[map.kind].name}, ${titleOf(map)}`;
    byId("strongest-title").textContent = this.view.signed ? "The largest of this row" : "This query looks most at";
    byId("figures").textContent = map.toeplitz !== undefined ? `Toeplitz ${map.toeplitz}` : kinds[map.kind].signed ? "" : `Entropy ${map.entropy} nats of ${map.even_entropy} if it looked evenly; ${map.distance} keys off the diagonal` +
      (map.alignment_error === undefined ? "" : `; alignment error ${(100 * map.alignment_error).toFixed(1)} %`);
    this.query = clamp(this.query, this.view.queries.length - 1);
    this.key = clamp(this.key, this.view.keys.length - 1);
    drawLarge(this);
    drawInside(this);
  }
  choose(index) {
    if (index === this.chosen) return;
    this.chosen = index;
    markChosen(this);
    this.showMap();
    if (this.lines === "head") drawAlignment(this);
    drawBeside(this);
  }
  move(query, key) {
    this.query = clamp(query, this.view.queries.length - 1);
    this.key = clamp(key, this.view.keys.length - 1);
    drawCursor(this);
    this.followers.forEach((follow) => follow());
  }
}

function drawHeader(state) {
  const { model, sentence, hypothesis } = state;
  const layers = model.decoder_layers ? `${model.encoder_layers} + ${model.decoder_layers}` : model.encoder_layers;
  byId("model").textContent = [model.name, model.architecture, layers === 1 ? "1 layer" : `${layers} layers`,
    `${model.parameters.toLocaleString("en")} parameters`].join(" · ");
  byId("checkpoint-name").textContent = model.name;
  byId("checkpoint").setAttribute("aria-valuetext", model.name);
  byId("source").textContent = sentence.text;
  byId("translation").textContent = hypothesis?.text ?? "";  // an encoder alone writes nothing
  const total = `log p = ${hypothesis?.log_probability}`;
  byId("search").textContent = !hypothesis ? "" : hypothesis.given ? `${total}. A given translation, which the model has read.`
    : `${total}, score ${hypothesis.score}${hypothesis.cut_short ? ", cut short at the longest output" : ""}. Found by: ${model.search}.`;
  const choices = sentence.hypotheses.map((each, i) => make("option", { value: i, textContent: shortened(each.given ? each.text : `${each.score}  ${each.text}`, 90) }));
  byId("hypothesis").replaceChildren(...choices);
  byId("hypothesis").value = state.hypothesisIndex;
  byId("hypothesis-chooser").hidden = choices.length < 2;
  const nothing = byId("nothing");
  nothing.hidden = state.allMaps.length > 0;
  nothing.textContent = `This model (architecture ${model.architecture}) has ${hypothesis ? "no attention: its decoder reads the whole source from one vector, so there is no weight to show. Below is what it found probable, step by step." : "neither attention nor spatial gating, so there is no weight to show."}`;
}

function chooseModel(state, index) {
  state.modelIndex = index;
  state.hypothesisIndex = 0;
  state.refresh();
}

function drawKinds(state, there) {
  const fieldset = byId("kinds");
  fieldset.replaceChildren(fieldset.firstElementChild, ...Object.keys(kinds).filter((kind) => there.includes(kind)).map((kind) => {
    const label = make("label", {}), input = make("input", { type: "radio", name: "kind", value: kind, checked: kind === state.kind });
    input.addEventListener("change", () => {
      state.kind = kind;
      state.showKind();
    });
    label.append(input, make("span", { textContent: kinds[kind].name }));
    return label;
  }));
}

function listen(state) {
  const { models, checkpoints } = state.data, { sentences } = models[0];
  const on = (id, then) => byId(id).addEventListener("change", (event) => then(event.target));
  byId("sentence").append(...sentences.map((each, i) => make("option", { value: i, textContent: shortened(each.text, 90) })));
  byId("sentence-chooser").hidden = sentences.length < 2;
  byId("caption").append(...Object.entries(captions).map(([value, { name }]) => make("option", { value, textContent: name })));
  const gold = sentences.some((each) => each.hypotheses.some((hypothesis) => hypothesis.gold));
  byId("caption").lastElementChild.hidden = !gold;
  byId("chosen-model").append(...models.map((model, i) => make("option", { value: i, textContent: model.name })));
  byId("model-chooser").hidden = checkpoints || models.length < 2;
  byId("checkpoint-chooser").hidden = !checkpoints || models.length < 2;
  Object.assign(byId("checkpoint"), { max: models.length - 1, value: state.modelIndex });
  on("chosen-model", ({ value }) => chooseModel(state, Number(value)));
  byId("checkpoint").addEventListener("input", ({ target }) => chooseModel(state, Number(target.value)));
  on("sentence", ({ value }) => {
    state.sentenceIndex = Number(value);
    state.hypothesisIndex = 0;
    state.refresh();
  });
  on("hypothesis", ({ value }) => {
    state.hypothesisIndex = Number(value);
    state.refresh();
  });
  on("words", ({ checked }) => {
    state.words = checked;
    state.query = state.key = 0;
    state.showKind();
  });
  on("span", ({ value }) => {
    state.span = value;
    state.showKind();
  });
  on("caption", ({ value }) => {
    state.caption = value;
    drawOverview(state);
  });
  on("lines", ({ value }) => {
    state.lines = value;
    drawAlignment(state);
  });
  listenToOverview(state);
  listenToLarge(state);
  darkness.addEventListener("change", () => state.showKind());
  window.addEventListener("resize", () => state.showKind());
}

try {
  const state = new State(await openDocument());
  byId("main").hidden = false;
  listen(state);
  state.refresh();
  document.documentElement.dataset.ready = "true";
} catch (error) {
  byId("problem").hidden = false;
  byId("problem").textContent = `This page could not be drawn: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
}
