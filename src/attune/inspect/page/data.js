// The document that is inside this page, and views of it: a map with its labels, whole or merged to words.

async function openDocument() {
  const packed = Uint8Array.from(atob(document.getElementById("data").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const kinds = {
  encoder: {
    name: "Encoder self-attention",
    note: "Each piece of the source asks what every piece of the source has for it.",
    query: "source piece that asks", key: "source piece that is looked at",
  },
  decoder: {
    name: "Decoder self-attention",
    note: "Each step of the decoder asks what has been read so far, itself included. A row is named after the piece that its step writes; later pieces are masked.",
    query: "step, by the piece it writes", key: "target piece that has been read",
  },
  cross: {
    name: "Cross-attention",
    note: "Each step of the decoder asks the source before it writes its piece.",
    query: "step, by the piece it writes", key: "source piece that is looked at",
  },
  encoder_rollout: {
    name: "Encoder rollout",
    note: "How much of each source piece a layer’s states are made of, if attention were all that mixes: the mean of the heads and half for the residual connection, multiplied through the layers below.",
    query: "state at the source piece", key: "source piece it is made of",
  },
  source_rollout: {
    name: "Source rollout",
    note: "How much of each source piece a decoder layer’s states are made of, through cross-attention and the whole encoder. With the target rollout a row sums to 1.",
    query: "step, by the piece it writes", key: "source piece it is made of",
  },
  decoder_rollout: {
    name: "Target rollout",
    note: "How much of each piece read so far a decoder layer’s states are made of. With the source rollout a row sums to 1.",
    query: "step, by the piece it writes", key: "target piece it is made of",
  },
};

Object.assign(kinds, {
  encoder_tiny: {
    name: "Tiny attention of the encoder",
    note: "aMLP’s one small attention: what it reads is added to the gate, beside what spatial gating adds up.",
    query: "source piece that asks", key: "source piece that is looked at",
  },
  decoder_tiny: {
    name: "Tiny attention of the decoder",
    note: "aMLP’s one small attention: what it reads is added to the gate, beside what spatial gating adds up. Later pieces are masked.",
    query: "step, by the piece it writes", key: "target piece that has been read",
  },
  encoder_gradient: {
    name: "Encoder gradient", signed: true,
    note: "How fast the log-probability of the whole translation would rise with each weight of the encoder: d log p / d weight. Warm colours: it would fall.",
    query: "source piece that asks", key: "source piece that is looked at",
  },
  decoder_gradient: {
    name: "Decoder gradient", signed: true,
    note: "How fast the log-probability of the whole translation would rise with each weight of the decoder’s self-attention: d log p / d weight. Warm colours: it would fall.",
    query: "step, by the piece it writes", key: "target piece that has been read",
  },
  cross_gradient: {
    name: "Cross gradient", signed: true,
    note: "How fast the log-probability of the whole translation would rise with each weight of cross-attention: d log p / d weight. Warm colours: it would fall.",
    query: "step, by the piece it writes", key: "source piece that is looked at",
  },
  removal: {
    name: "Attribution by removal", signed: true,
    note: "What the log-probability of each written piece loses when one source piece is taken out of the sentence. Warm colours: it gains.",
    query: "written piece", key: "source piece that is removed",
  },
  attention_gradient: {
    name: "Attention × gradient", signed: true,
    note: "All weights on a source piece, each times the gradient of the written piece’s log-probability by it, added over layers, heads and steps. Warm colours: negative.",
    query: "written piece", key: "source piece that is looked at",
  },
  input_gradient: {
    name: "Gradient × input", signed: true,
    note: "The gradient of each written piece’s log-probability by a source piece’s embedding, times that embedding. Warm colours: negative.",
    query: "written piece", key: "source piece",
  },
});

const spatial = "The matrix by which spatial gating adds up positions, the same for every sentence; a sentence uses its leading part. Warm colours: negative. Toeplitz: how much of the weights’ variance their distance alone explains, 1 all, 0 nothing.";
Object.assign(kinds, {
  encoder_spatial: {
    name: "Spatial weights of the encoder", signed: true, note: spatial,
    query: "position that is written", key: "position that is read",
  },
  decoder_spatial: {
    name: "Spatial weights of the decoder", signed: true, note: spatial,
    query: "position that is written", key: "position that is read",
  },
});

const titleOf = (map) => (map.layer === null ? "of the whole model" : `layer ${map.layer}`) + (map.head === null ? "" : `, head ${map.head}`);

// null: masked; undefined: left out of a long row
function rowsOf(map) {
  if (map.weights) return map.weights;
  return map.largest.map((row, query) => {
    const cells = new Array(map.keys).fill(undefined);
    for (let key = query + 1; map.causal && key < map.keys; ++key) cells[key] = null;
    for (const [key, weight] of row) cells[key] = weight;
    return cells;
  });
}

// Weights that projections or landmarks come to may be below 0, though none of the kind's are meant to be.
const hasNegative = (rows) => rows.some((row) => row.some((cell) => cell < 0));

// Runs of pieces of one word; a piece of no word is by itself.
function wordGroups(pieces) {
  const groups = [];
  pieces.forEach((piece, i) => {
    const last = groups.at(-1);
    if (last && piece.word !== null && last.word === piece.word) last.members.push(i);
    else groups.push({ word: piece.word, members: [i] });
  });
  return groups.map(({ word, members }) => {
    const text = members.map((i) => pieces[i].piece).join("");
    return { word, members, text: word === null ? text : text.replace(/^▁/, "") };
  });
}

// What a word's pieces look at is averaged, what is looked at in a word's pieces is summed.
function mergeToWords(rows, queries, keys) {
  return queries.map((query) => keys.map((key) => {
    const sums = query.members.map((i) => {
      const cells = key.members.map((j) => rows[i][j]);
      if (cells.every((cell) => cell === null)) return null;
      return cells.reduce((sum, cell) => (typeof cell === "number" ? (sum ?? 0) + cell : sum), undefined);
    });
    if (sums.every((sum) => sum === null)) return null;
    if (sums.every((sum) => typeof sum !== "number")) return undefined;
    const mean = sums.reduce((sum, part) => sum + (part ?? 0), 0) / sums.length;
    return Number(mean.toPrecision(6));
  }));
}

// { rows, queries: [text], keys: [text], largest, leftOut }
function viewOf(map, sentence, hypothesis, words) {
  const ofSource = map.kind.startsWith("encoder");
  const toTarget = map.kind.startsWith("decoder");
  const queryPieces = ofSource ? sentence.source : hypothesis.written;
  const keyPieces = (toTarget ? hypothesis.read : sentence.source).slice(0, map.keys);
  const view = { map, rows: rowsOf(map), leftOut: words ? null : map.left_out ?? null };
  view.queries = queryPieces.map((piece) => piece.piece);
  view.keys = keyPieces.map((piece) => piece.piece);
  if (words) {
    const queries = wordGroups(queryPieces), keys = wordGroups(keyPieces);
    view.rows = mergeToWords(view.rows, queries, keys);
    view.queries = queries.map((group) => group.text);
    view.keys = keys.map((group) => group.text);
  }
  view.signed = kinds[map.kind].signed === true || hasNegative(view.rows);
  view.largest = view.rows.reduce((most, row) => row.reduce((m, cell) => Math.max(m, Math.abs(cell ?? 0)), most), 0);
  return view;
}
