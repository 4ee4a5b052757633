// What a mechanism has in place of weights: a card each for the chosen head, or for the chosen layer where heads share it.

const parts = {
  query_features: { name: "Features of the queries", note: "φ(q): what each piece asks by. A weight is a product of two rows of features." },
  key_features: { name: "Features of the keys", note: "φ(k): what each piece is found by; the running sum of them, with the values, is all that is kept." },
  projected_weights: { name: "Weights of the projected keys", note: "How much each piece takes of each of the few keys that all pieces were projected to." },
  key_projection: { name: "Projection of the keys", note: "Learnt, the same for every text: what each position gives to each projected key. Warm colours: negative." },
  value_projection: { name: "Projection of the values", note: "Learnt, the same for every text: what each position gives to each projected value. Warm colours: negative." },
  token_landmarks: { name: "Pieces that ask landmarks", note: "How each piece weighs the landmarks, the means of stretches of pieces." },
  landmarks: { name: "Landmarks among themselves", note: "Its inverse stands between the other two." },
  landmark_tokens: { name: "Landmarks that ask pieces", note: "How each landmark weighs the pieces." },
  buckets: { name: "Buckets", numbered: true, note: "The bucket that each piece falls in, in each round of hashing: alike queries tend to fall in the same one." },
  chunks: { name: "Chunks", numbered: true, note: "The pieces of a round, sorted by bucket and then by place, are cut into chunks. A piece is shown those of its own chunk and of the one before it (before chunk 0 stands the last), in whichever round." },
};

const insideNotes = {
  parts: "This mechanism computes no weights of pieces for pieces; those above are what its parts come to. Below are the parts of the chosen head; rows and columns that are no pieces are numbered.",
  numbers: "Which pieces the chosen head may weigh for one another follows from hashing. Everything is counted from 0.",
};

function partsOf(state) {
  const map = state.maps[state.chosen];
  if (!map || (map.kind !== "encoder" && map.kind !== "decoder")) return [];
  return [...(state.sentence.parts ?? []), ...(state.hypothesis?.parts ?? [])].filter((part) =>
    part.of === map.kind && part.layer === map.layer && (part.head === null || part.head === map.head));
}

function drawInside(state) {
  const shown = partsOf(state);
  byId("inside").hidden = shown.length === 0;
  byId("inside-note").textContent = insideNotes[shown.some((part) => parts[part.name].numbered) ? "numbers" : "parts"];
  byId("parts").replaceChildren(...shown.map((part) => partCard(state, part)));
}

function partCard(state, part) {
  const pieces = (part.of === "encoder" ? state.sentence.source : state.hypothesis.read).map((piece) => piece.piece);
  const named = (arePieces, count) => (arePieces ? pieces : Array.from({ length: count }, (_, i) => String(i)));
  const view = { rows: part.values, queries: named(part.rows_are_pieces, part.values.length), keys: named(part.columns_are_pieces, part.values[0]?.length ?? 0) };
  const box = make("div", { className: "card" });
  box.append(make("h3", { textContent: parts[part.name].name }), make("p", { textContent: parts[part.name].note, className: "quiet" }));
  box.append(...(parts[part.name].numbered ? [numbersTable(view)] : coloured(part, view)));
  return box;
}

// Numbers of groups: a row a piece, a column a round of hashing.
function numbersTable(view) {
  const box = make("div", { className: "numbers", tabIndex: 0 }), table = make("table", {}), head = make("tr", {}), body = make("tbody", {});
  head.append(make("th", {}), ...view.keys.map((round) => make("th", { textContent: `round ${round}`, scope: "col" })));
  const groups = 1 + view.rows.reduce((most, row) => Math.max(most, ...row), 0);
  body.append(...view.rows.map((row, i) => {
    const line = make("tr", {}), piece = make("th", { scope: "row" });
    piece.append(make("bdi", { textContent: view.queries[i] }));
    line.append(piece, ...row.map((number) => {
      const cell = make("td", {}), colour = make("i", {});
      colour.style.background = colourOf((number + 1) / groups);
      cell.append(colour, String(number));
      return cell;
    }));
    return line;
  }));
  table.append(head, body);
  box.append(table);
  return box;
}

// A picture, and what stands under the pointer.
function coloured(part, view) {
  const canvas = make("canvas", {}), pointed = make("p", { className: "pointed" });
  const largest = view.rows.reduce((most, row) => row.reduce((m, cell) => Math.max(m, Math.abs(cell)), most), 0);
  drawCells(canvas, view, Math.max(1, Math.floor(320 / Math.max(1, view.queries.length, view.keys.length))), largest, 8);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${parts[part.name].name}: ${view.queries.length} rows, ${view.keys.length} columns`);
  const point = (row, column) => pointed.replaceChildren(`${view.queries[row]} → ${view.keys[column]}: `, make("b", { textContent: String(view.rows[row][column]) }));
  canvas.addEventListener("pointermove", (event) => {
    const area = canvas.getBoundingClientRect();
    point(clamp(Math.floor(((event.clientY - area.top) / area.height) * view.queries.length), view.queries.length - 1),
      clamp(Math.floor(((event.clientX - area.left) / area.width) * view.keys.length), view.keys.length - 1));
  });
  if (view.queries.length > 0 && view.keys.length > 0) point(0, 0);
  return [canvas, pointed];
}
