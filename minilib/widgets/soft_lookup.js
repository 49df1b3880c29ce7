// A soft look-up: three keys with their values, a query, temperature and mask. And a game of three tokens, each of which
// must look at the one that it beats, by scores that are symmetric or free.
const NAMES = ["Ann", "Bo", "Cy"];
const TOKENS = ["Rock", "Paper", "Scissors"];
const BEATS = [2, 0, 1];  // whom each token must look at
const LOSES = [1, 2, 0];
const REACH = 4;  // the plane shows −4 … 4 both ways

/** Weights over the scores that may be looked at; all 0 if there are none. */
function softmax(scores, looks) {
  const top = Math.max(...scores.filter((_, i) => looks[i]));
  const raised = scores.map((s, i) => (looks[i] ? Math.exp(s - top) : 0));
  const total = raised.reduce((a, b) => a + b, 0);
  return raised.map((e) => (total ? e / total : 0));
}

const dot = ([a, b], [c, d]) => a * c + b * d;

function lookUp({ query, keys, values, temperature, looks }) {
  const scores = keys.map((key) => dot(query, key) / temperature);
  const weights = softmax(scores, looks);
  return { scores, weights, answer: weights.reduce((sum, w, i) => sum + w * values[i], 0) };
}

/** For each token the weight on the one that it beats, and the product of the odds around the circle. */
function play(scores) {
  const weights = scores.map((row, i) => softmax(row, row.map((_, j) => j !== i)));
  const wanted = weights.map((row, i) => row[BEATS[i]]);
  const odds = scores.reduce((sum, row, i) => sum + row[BEATS[i]] - row[LOSES[i]], 0);
  return { weights, wanted, product: Math.exp(odds), won: wanted.every((w) => w > 0.6) };
}

const three = (x) => x.toFixed(3);

function arrow(pen, [x0, y0], [x1, y1], width, colour) {
  const turn = Math.atan2(y1 - y0, x1 - x0), head = 5 + 1.2 * width;
  const stop = [x1 - head * Math.cos(turn), y1 - head * Math.sin(turn)];
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(...stop);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x1, y1);
  for (const side of [-0.45, 0.45]) pen.lineTo(x1 - head * 1.2 * Math.cos(turn + side), y1 - head * 1.2 * Math.sin(turn + side));
  pen.fill();
}

function label(pen, text, x, y, paint, colour) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = paint.paper;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

/** The plane: an arrow for each key, the query as a dot, and a line as wide as the weight. */
function drawPlane(pen, box, state, found, paint) {
  const at = ([x, y]) => [box.x + (box.w * (x + REACH)) / (2 * REACH), box.y + (box.h * (REACH - y)) / (2 * REACH)];
  pen.strokeStyle = paint.grey;
  pen.globalAlpha = 0.25;
  pen.lineWidth = 1;
  for (let t = -REACH; t <= REACH; t++) {
    for (const ends of [[[t, -REACH], [t, REACH]], [[-REACH, t], [REACH, t]]]) {
      pen.beginPath();
      pen.moveTo(...at(ends[0]));
      pen.lineTo(...at(ends[1]));
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  state.keys.forEach((key, i) => {
    if (!found.weights[i]) return;
    pen.strokeStyle = paint.blue;
    pen.globalAlpha = 0.45;
    pen.lineWidth = 1 + 18 * found.weights[i];
    pen.beginPath();
    pen.moveTo(...at(state.query));
    pen.lineTo(...at(key));
    pen.stroke();
    pen.globalAlpha = 1;
  });
  pen.textAlign = "center";
  state.keys.forEach((key, i) => {
    const [x, y] = at(key), colour = state.looks[i] ? paint.ink : paint.grey;
    if (Math.hypot(...key) > 0.2) arrow(pen, at([0, 0]), [x, y], 1.6, colour);
    label(pen, `${NAMES[i]}: ${short(state.values[i])}`, Math.min(Math.max(x, box.x + 26), box.x + box.w - 26), y + (key[1] > 0 ? -9 : 19), paint, colour);
  });
  const [x, y] = at(state.query);
  pen.fillStyle = paint.orange;
  pen.beginPath();
  pen.arc(x, y, 7, 0, 7);
  pen.fill();
  label(pen, "query", Math.min(Math.max(x, box.x + 22), box.x + box.w - 22), y + (state.query[1] > REACH - 0.8 ? 24 : -13), paint, paint.orange);
}

/** The three weights as bars, and the answer on a line from 0 to 10 among the values. */
function drawAnswer(pen, box, state, found, paint) {
  pen.textAlign = "left";
  NAMES.forEach((name, i) => {
    const y = box.y + 24 * i;
    pen.fillStyle = paint.ink;
    pen.fillText(name, box.x, y + 13);
    pen.fillStyle = paint.blue;
    pen.fillRect(box.x + 34, y + 2, (box.w - 90) * found.weights[i], 14);
    pen.fillStyle = paint.ink;
    pen.fillText(three(found.weights[i]), box.x + 40 + (box.w - 90) * found.weights[i], y + 13);
  });
  const X = (v) => box.x + 8 + ((box.w - 24) * v) / 10, line = box.y + 128;
  pen.fillStyle = paint.ink;
  pen.fillText("answer", box.x, line - 38);
  pen.fillStyle = paint.grey;
  pen.fillRect(X(0), line, X(10) - X(0), 1);
  pen.textAlign = "center";
  state.values.forEach((value, i) => {
    pen.fillStyle = state.looks[i] ? paint.ink : paint.grey;
    pen.fillRect(X(value) - 1, line - 6, 2, 12);
    pen.fillText(NAMES[i], X(value), line + 20 + 14 * state.values.slice(0, i).filter((other) => Math.abs(other - value) < 1.2).length);
  });
  if (!found.weights.some(Boolean)) return;
  pen.fillStyle = paint.orange;
  pen.beginPath();
  pen.moveTo(X(found.answer), line - 2);
  pen.lineTo(X(found.answer) - 7, line - 15);
  pen.lineTo(X(found.answer) + 7, line - 15);
  pen.fill();
  label(pen, found.answer.toFixed(2), X(found.answer), line - 19, paint, paint.orange);
}

/** The three tokens in a triangle; an arrow from each to each, as wide as the weight. */
function drawGame(pen, box, found, paint) {
  const centre = [box.x + box.w / 2, box.y + box.h * 0.56], radius = Math.min(box.w * 0.36, box.h * 0.42);
  const spots = TOKENS.map((_, i) => {
    const turn = -Math.PI / 2 + (i * 2 * Math.PI) / 3;
    return [centre[0] + radius * Math.cos(turn), centre[1] + radius * Math.sin(turn)];
  });
  spots.forEach((from, i) => spots.forEach((to, j) => {
    if (i === j) return;
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const [ux, uy] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    const aside = 9, gap = 34;
    const shift = ([x, y], along) => [x + along * ux - aside * uy, y + along * uy + aside * ux];
    const good = BEATS[i] === j;
    arrow(pen, shift(from, gap), shift(to, -gap), 1 + 9 * found.weights[i][j], good ? paint.blue : paint.orange);
  }));
  pen.textAlign = "center";
  spots.forEach(([x, y], i) => {
    label(pen, TOKENS[i], x, y + (i ? 12 : -4), paint, paint.ink);
    label(pen, three(found.wanted[i]), x, y + (i ? 28 : 12), paint, paint.blue);
  });
}

function sentence(state, found) {
  if (!found.weights.some(Boolean)) return "No key may be looked at: there is no answer, and the library gives 0.";
  const parts = NAMES.map((name, i) => `${name} ${state.looks[i] ? three(found.weights[i]) : "hidden"}`);
  return `Scores ${found.scores.map((s, i) => (state.looks[i] ? s.toFixed(2).replace("-", "−") : "hidden")).join(", ")}. Weights: ${parts.join(", ")}. Answer: ${three(found.answer)}.`;
}

function verdict(found, symmetric) {
  const told = TOKENS.map((name, i) => `${name} ${three(found.wanted[i])}`).join(", ");
  const product = `The odds (weight on the one it beats : weight on the other), multiplied around the circle: ${short(found.product)}${symmetric ? ", whatever the scores" : ""}.`;
  return `On the one that it beats: ${told}. ${product} ${found.won ? "All three above 0.6: won." : "Not all three above 0.6."}`;
}

function render({ model, el }) {
  const { mode = "keys" } = model.get("config") ?? {};
  const { stage, controls, readout } = frame(el, "A soft look-up");
  const state = {
    mode, query: [2, 0.5], keys: [[2, 0], [0, 2], [-2, 0]], values: [4, 7, 2], temperature: 1, looks: [true, true, true],
    symmetric: true, pairs: TOKENS.map(() => [0, 0]),
  };
  let found, planeBox, chosen = 0;  // 0: the query, 1 … 3: a key
  const aspect = { valueOf: () => (stage.clientWidth > 520 ? stage.clientWidth / 330 : state.mode === "game" ? 1.05 : 0.7) };
  const picture = canvas(stage, { label: "Three keys and a query, or three tokens, with lines as wide as the weights; the text below says the numbers", aspect }, (pen, width, tall, paint) => {
    pen.font = "13px system-ui, sans-serif";
    if (state.mode === "game") return drawGame(pen, { x: 0, y: 0, w: width, h: tall }, found, paint);
    const wide = width > 520, side = wide ? tall - 8 : Math.min(width - 8, tall - 190);
    planeBox = { x: wide ? 4 : (width - side) / 2, y: 4, w: side, h: side };
    drawPlane(pen, planeBox, state, found, paint);
    drawAnswer(pen, wide ? { x: side + 36, y: 60, w: width - side - 44 } : { x: 8, y: side + 24, w: width - 16 }, state, found, paint);
  });

  /** The table of scores: pair p joins token p with the one that it beats. */
  const table = () => {
    const scores = TOKENS.map(() => [0, 0, 0]);
    state.pairs.forEach(([one, other], p) => {
      scores[p][BEATS[p]] = one;
      scores[BEATS[p]][p] = state.symmetric ? one : other;
    });
    return scores;
  };

  function update() {
    const game = state.mode === "game", scores = table();
    found = game ? play(scores) : lookUp(state);
    forKeys.hidden = game;
    forGame.hidden = !game;
    for (const box of [forKeys, forGame]) box.style.display = box.hidden ? "none" : "";
    picture.redraw();
    readout.textContent = game ? verdict(found, state.symmetric) : sentence(state, found);
    const plain = game ? { mode: "game", symmetric: state.symmetric, scores, ...found } : { ...state, ...found };
    model.set("result", JSON.parse(JSON.stringify(plain)));
    model.save_changes();
  }

  choice(controls, { label: "Show", options: { keys: "three keys and a query", game: "rock, paper, scissors" }, value: mode }, (x) => { state.mode = x; update(); });
  const forKeys = node("div", { class: "lm-controls" }), forGame = node("div", { class: "lm-controls" });
  controls.after(forKeys, forGame);

  const point = () => (chosen ? state.keys[chosen - 1] : state.query);
  slider(forKeys, { label: "Temperature", min: 0.1, max: 100, value: 1, step: 0.01, log: true }, (x) => { state.temperature = x; update(); });
  choice(forKeys, { label: "Move", options: { 0: "the query", 1: "Ann's key", 2: "Bo's key", 3: "Cy's key" }, value: "0" }, (x) => { chosen = Number(x); sync(); });
  const places = ["x", "y"].map((name, i) => slider(forKeys, { label: name, min: -REACH, max: REACH, step: 0.1, value: state.query[i] }, (x) => { point()[i] = x; update(); }));
  NAMES.forEach((name, i) => {
    slider(forKeys, { label: `Value of ${name}`, min: 0, max: 10, step: 0.5, value: state.values[i] }, (x) => { state.values[i] = x; update(); });
  });
  NAMES.forEach((name, i) => tick(forKeys, { label: `may look at ${name}`, value: true }, (x) => { state.looks[i] = x; update(); }));
  const help = "Drag the query or a key; or choose it under Move, and use the two sliders x and y.";
  forKeys.append(node("p", { style: "margin: 0; width: 100%; color: var(--lm-grey)" }, help));
  const sync = () => places.forEach((control, i) => { control.value = point()[i]; });

  const format = (x) => x.toFixed(1).replace("-", "−");
  const extra = [];
  choice(forGame, { label: "Scores", options: { symmetric: "symmetric: three numbers", free: "free: six numbers" }, value: "symmetric" }, (x) => {
    state.symmetric = x === "symmetric";
    rename();
    update();
  });
  const main = TOKENS.map((name, p) => slider(forGame, { label: name, min: -5, max: 5, step: 0.1, value: 0, format }, (x) => { state.pairs[p][0] = x; update(); }));
  TOKENS.forEach((name, p) => extra.push(slider(forGame, { label: `${TOKENS[BEATS[p]]} to ${name}`, min: -5, max: 5, step: 0.1, value: 0, format }, (x) => { state.pairs[p][1] = x; update(); })));
  function rename() {
    main.forEach(({ input }, p) => {
      input.previousElementSibling.textContent = state.symmetric ? `${TOKENS[p]} with ${TOKENS[BEATS[p]]}` : `${TOKENS[p]} to ${TOKENS[BEATS[p]]}`;
    });
    extra.forEach(({ input }) => { input.parentElement.style.display = state.symmetric ? "none" : ""; });
  }
  rename();
  draggable();
  update();

  /** The query and the keys follow the pointer; a finger that touches none of them scrolls the page. */
  function draggable() {
    const { element } = picture;
    const place = (event) => {
      const box = element.getBoundingClientRect(), unit = planeBox.w / (2 * REACH);
      return [(event.clientX - box.left - planeBox.x) / unit - REACH, REACH - (event.clientY - box.top - planeBox.y) / unit];
    };
    const near = (event) => {
      if (state.mode === "game") return -1;
      const [x, y] = place(event), unit = planeBox.w / (2 * REACH);
      const far = [state.query, ...state.keys].map(([a, b]) => unit * Math.hypot(a - x, b - y));
      const best = far.indexOf(Math.min(...far));
      return far[best] < 24 ? best : -1;
    };
    let dragged = -1;
    element.addEventListener("pointerdown", (event) => {
      dragged = near(event);
      if (dragged < 0) return;
      element.setPointerCapture(event.pointerId);
      chosen = dragged;
      forKeys.querySelector("select").value = String(chosen);
      sync();
    });
    element.addEventListener("pointermove", (event) => {
      element.style.cursor = dragged >= 0 || near(event) >= 0 ? "move" : "";
      if (dragged < 0) return;
      place(event).forEach((x, i) => { point()[i] = Math.round(10 * Math.min(REACH, Math.max(-REACH, x))) / 10; });
      sync();
      update();
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { dragged = -1; });
    element.addEventListener("touchstart", (event) => { if (near(event.touches[0]) >= 0) event.preventDefault(); }, { passive: false });
  }

  return () => picture.stop();
}

export default { render };
