// What stands below the maps: alignment, next pieces, all figures.

const shortened = (text, longest) => {
  const letters = [...text];
  return letters.length <= longest ? text : letters.slice(0, Math.max(1, longest - 1)).join("") + "…";
};

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const wordsOf = (pieces) => wordGroups(pieces).filter((group) => group.word !== null);

// [target word][source word], of the mean or of the chosen head
function wordWeights(state) {
  const { sentence, hypothesis } = state;
  if (state.lines === "mean" || state.crossMap === null) return hypothesis.words;
  const rows = rowsOf(state.crossMap);
  return mergeToWords(rows, wordsOf(hypothesis.written), wordsOf(sentence.source));
}

// Below the lines: a gold link without a line inside was missed, a line without gold around it is too much.
function drawGold(gold, curve, picture) {
  const sure = new Set((gold?.sure ?? []).map(String));
  for (const link of gold?.possible ?? []) {
    picture.append(svg("path", { d: curve(...link), class: sure.has(String(link)) ? "gold" : "gold possible" }));
  }
}

function drawAlignment(state) {
  const { sentence, hypothesis } = state;
  const section = document.getElementById("alignment");
  section.hidden = !hypothesis?.words;
  if (section.hidden) return;
  const weights = wordWeights(state);
  const source = wordsOf(sentence.source).map((group) => group.text), target = wordsOf(hypothesis.written).map((group) => group.text);
  const widest = (texts) => 8 * Math.max(4, ...texts.map((text) => [...text].length));
  const width = Math.min(680, section.clientWidth), height = 30, left = Math.min(width * 0.34, widest(source) + 4), right = left + width * 0.32;
  const fits = Math.floor((width * 0.34) / 8);
  const picture = document.getElementById("links");
  const rows = Math.max(source.length, target.length);
  const offset = (count) => ((rows - count) * height) / 2;
  const y = (i, count) => offset(count) + (i + 0.5) * height;
  picture.setAttribute("width", width);
  picture.setAttribute("height", rows * height);
  const curve = (j, i) => {
    const from = y(j, source.length), to = y(i, target.length), bend = (right - left) * 0.4;
    return `M${left + 10} ${from}C${left + bend} ${from} ${right - bend} ${to} ${right - 10} ${to}`;
  };
  picture.replaceChildren();
  drawGold(hypothesis.gold, curve, picture);
  target.forEach((word, i) => source.forEach((looked, j) => {
    const weight = weights[i]?.[j] ?? 0;
    if (weight < 0.03) return;
    const line = svg("path", { d: curve(j, i), "stroke-width": (0.75 + 4.5 * weight).toFixed(2), "stroke-opacity": Math.min(1, 0.12 + weight).toFixed(3) });
    line.append(svg("title", {}, `${word} looks at ${looked}: ${weight}`));
    picture.append(line);
  }));
  const name = (text, x, at, anchor) => {
    const label = svg("text", { x, y: at, "text-anchor": anchor }, shortened(text, fits));
    label.append(svg("title", {}, text));
    picture.append(label);
  };
  source.forEach((text, j) => name(text, left, y(j, source.length), "end"));
  target.forEach((text, i) => name(text, right, y(i, target.length), "start"));
  document.getElementById("alignment-note").textContent = "Source on the left, the translation on the right: the stronger a line, the more the word on the right looked at the word on the left when it was written." +
    (hypothesis.gold ? " The broad bands are the gold links; broken ones are possible, not sure." : "");
}

const probability = (log) => {
  const p = Math.exp(log);
  return p >= 0.0001 ? p.toFixed(4) : p.toExponential(1);
};

// A bar as long as p, and p.
function probabilityCell(log) {
  const cell = make("td", { title: `log p = ${log}` }), bar = make("span", { className: "probability" });
  bar.append(make("i", {}));
  bar.firstChild.style.width = `${100 * Math.exp(log)}%`;
  cell.append(bar, probability(log));
  cell.style.whiteSpace = "nowrap";
  return cell;
}

// What was probable; `written` of it stands out.
function choicesCell(probable, written) {
  const cell = make("td", {}), list = make("div", { className: "choices" });
  list.append(...probable.map((next) => {
    const choice = make("span", { title: `log p = ${next.log_probability}` });
    choice.classList.toggle("chosen", next.piece === written);
    choice.append(make("bdi", { textContent: next.piece }), probability(next.log_probability));
    return choice;
  }));
  cell.append(list);
  return cell;
}

// What an encoder-only model says: of the whole text or image, of each mask, of each word.
function drawAnswers(state) {
  const answers = state.sentence.answers ?? [];
  byId("answers").hidden = answers.length === 0;
  byId("answered").replaceChildren(...answers.map((answer) => {
    const row = make("tr", {}), about = make("td", {}), best = answer.probable[0];
    about.append(make("bdi", { textContent: answer.about }));
    row.append(about, probabilityCell(best.log_probability), choicesCell(answer.probable, best.piece));
    return row;
  }));
}

function drawSteps(state) {
  const { hypothesis } = state;
  byId("next").hidden = !hypothesis;
  if (!hypothesis) return;
  document.getElementById("steps").replaceChildren(...hypothesis.steps.map((step, i) => {
    const row = make("tr", {}), wrote = make("td", {});
    wrote.append(make("bdi", { textContent: hypothesis.written[i].piece, title: hypothesis.written[i].piece }));
    row.append(make("td", { textContent: i, className: "number" }), wrote, probabilityCell(step.log_probability),
      choicesCell(step.next, hypothesis.written[i].piece));
    return row;
  }));
}

function drawFigures(state) {
  const maps = state.allMaps.filter((map) => !kinds[map.kind].signed), gold = maps.some((map) => map.alignment_error !== undefined);
  document.getElementById("all-figures").hidden = maps.length === 0;
  document.getElementById("and-error").hidden = document.getElementById("error-column").hidden = !gold;
  document.getElementById("all").replaceChildren(...maps.map((map) => {
    const row = make("tr", {});
    row.append(make("td", { textContent: `${kinds[map.kind].name}, ${titleOf(map)}` }));
    const texts = [map.entropy, map.even_entropy, map.distance];
    if (gold) texts.push(map.alignment_error === undefined ? "–" : map.alignment_error);
    row.append(...texts.map((text) => make("td", { textContent: text, className: "number" })));
    return row;
  }));
}
