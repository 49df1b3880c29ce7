// Two networks of chapter 07 (conv 8, 5×5, stride 2 – ReLU – conv 16, 3×3, stride 2 – ReLU – dense), run on a picture of
// 28 × 28 that the reader draws, chooses, moves and turns. Weights and pictures come from Python as base64.
const SIDE = 28, NAMES = ["plain", "augmented"], OWN = "own";

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Numbers of 16 bits: sign, 5 bits of exponent, 10 of fraction. */
function halves(text) {
  const bytes = bytesOf(text);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const h = bytes[2 * i] | (bytes[2 * i + 1] << 8), exponent = (h >> 10) & 31, fraction = h & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return h >> 15 ? -size : size;
  });
}

/** The weights of one network, in the order in which Python lists them. */
function unpack(text) {
  const all = halves(text), sizes = { w1: 200, b1: 8, w2: 1152, b2: 16, w3: 7840, b3: 10 }, net = {};
  let start = 0;
  for (const [name, size] of Object.entries(sizes)) net[name] = all.subarray(start, start += size);
  return net;
}

/** A convolution with ReLU: x holds `channels` maps of n × n, the result as many maps as there are biases. */
function convolve(x, channels, n, w, b, k, stride, padding) {
  const m = Math.floor((n + 2 * padding - k) / stride) + 1, y = new Float64Array(b.length * m * m);
  for (let o = 0; o < b.length; o++) for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) {
    let sum = b[o];
    for (let c = 0; c < channels; c++) for (let u = 0; u < k; u++) {
      const row = i * stride + u - padding;
      if (row < 0 || row >= n) continue;
      for (let v = 0; v < k; v++) {
        const column = j * stride + v - padding;
        if (column >= 0 && column < n) sum += w[((o * channels + c) * k + u) * k + v] * x[(c * n + row) * n + column];
      }
    }
    y[(o * m + i) * m + j] = Math.max(sum, 0);
  }
  return y;
}

function run(net, picture) {
  const first = convolve(picture, 1, 28, net.w1, net.b1, 5, 2, 2);
  const second = convolve(first, 8, 14, net.w2, net.b2, 3, 2, 1);
  const logits = Array.from(net.b3, (bias, o) => second.reduce((sum, x, i) => sum + net.w3[784 * o + i] * x, bias));
  const top = Math.max(...logits), raised = logits.map((z) => Math.exp(z - top)), total = raised.reduce((a, b) => a + b);
  return { first, second, logits, chances: raised.map((e) => e / total), answer: logits.indexOf(top) };
}

/** A new picture: the pixel (y, x) comes from the place `from(y, x)` of the old one, between pixels interpolated. */
function resample(old, from) {
  const made = new Float64Array(SIDE * SIDE), at = (i, j) => (i < 0 || j < 0 || i >= SIDE || j >= SIDE ? 0 : old[SIDE * i + j]);
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) {
    const [v, u] = from(y, x), i = Math.floor(v), j = Math.floor(u), a = v - i, b = u - j;
    made[SIDE * y + x] = (1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) + a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1));
  }
  return made;
}

/** Turned about the middle by so many degrees, clockwise, then moved. */
function moved(picture, right, down, turn) {
  const s = Math.sin((turn * Math.PI) / 180), c = Math.cos((turn * Math.PI) / 180), middle = (SIDE - 1) / 2;
  return resample(picture, (y, x) => {
    const v = y - down - middle, u = x - right - middle;
    return [c * v - s * u + middle, s * v + c * u + middle];
  });
}

/** As the makers of MNIST did: the ink fits a box of 20 × 20, its centre of mass comes to the middle. */
function centred(picture) {
  let mass = 0, cy = 0, cx = 0, box = [SIDE, -1, SIDE, -1];
  picture.forEach((ink, n) => {
    const y = Math.floor(n / SIDE), x = n % SIDE;
    mass += ink; cy += ink * y; cx += ink * x;
    if (ink > 0.1) box = [Math.min(box[0], y), Math.max(box[1], y), Math.min(box[2], x), Math.max(box[3], x)];
  });
  if (box[1] < 0) return picture;
  const scale = 20 / (Math.max(box[1] - box[0], box[3] - box[2]) + 1), middle = (SIDE - 1) / 2;
  return resample(picture, (y, x) => [(y - middle) / scale + cy / mass, (x - middle) / scale + cx / mass]);
}

const percent = (p) => `${p > 0.995 && p < 1 ? "over 99" : Math.round(100 * p)} %`;

function render({ model, el }) {
  const config = model.get("config"), stored = bytesOf(config.digits), labels = config.labels;
  const nets = NAMES.map((name) => unpack(config.networks[name]));
  const { stage, controls, readout } = frame(el, "Two convolutional networks read a digit");
  const state = { digit: "10", right: 0, down: 0, turn: 0, centre: false, maps: "augmented" };
  const cursor = [14, 14];
  let base, drawing, input, found, cell = 8, editing = false;

  const pick = (index) => Float64Array.from(stored.subarray(784 * index, 784 * (index + 1)), (ink) => ink / 255);
  base = pick(Number(state.digit));

  const wide = () => stage.clientWidth > 520;
  const tile = () => Math.min(62, Math.floor((stage.clientWidth - 32) / 9));
  const tall = () => 28 * (wide() ? 8 : 6) + 3 * tile() + 68;
  const aspect = { valueOf: () => (stage.clientWidth || 600) / tall() };
  const label = "The picture, the probabilities that the two networks give to the ten digits, and the feature maps of one of them; the line of text says the answers";
  const picture = canvas(stage, { label, aspect }, draw);
  const pad = picture.element;
  Object.entries({ tabindex: "0", role: "application", "aria-label": `Drawing board. Arrow keys move the cursor, space sets or takes ink. ${label}` }).forEach(([key, value]) => pad.setAttribute(key, value));

  function grey(pen, values, offset, n, x, y, size, top, ink) {
    pen.fillStyle = ink;
    for (let k = 0; k < n * n; k++) {
      const value = values[offset + k] / top;
      if (value <= 0.004) continue;
      pen.globalAlpha = Math.min(1, value);
      const i = Math.floor(k / n), j = k % n, edge = (at) => Math.round((at * size) / n);
      pen.fillRect(x + edge(j), y + edge(i), edge(j + 1) - edge(j), edge(i + 1) - edge(i));
    }
    pen.globalAlpha = 1;
  }

  function draw(pen, width, height, paint) {
    cell = wide() ? 8 : 6;
    const side = 28 * cell, t = tile();
    pen.font = `${wide() ? 13 : 12}px system-ui, sans-serif`;
    pen.lineWidth = 1;
    grey(pen, drawing, 0, SIDE, 1, 1, side, 1, paint.ink);
    pen.strokeStyle = paint.grey;
    pen.strokeRect(0.5, 0.5, side + 1, side + 1);
    if (editing) {
      pen.strokeStyle = paint.orange;
      pen.lineWidth = 2;
      pen.strokeRect(1 + cursor[1] * cell, 1 + cursor[0] * cell, cell, cell);
      pen.lineWidth = 1;
    }
    const left = side + 34, room = Math.min(width - left - 8, 300), step = (side - 22) / 10, bar = Math.max(4, step / 2 - 2);
    const ink = [paint.orange, paint.blue];
    for (let d = 0; d < 10; d++) {
      const y = 22 + d * step;
      pen.fillStyle = paint.ink;
      pen.textAlign = "right";
      pen.fillText(d, left - 6, y + step / 2 + 3);
      found.forEach(({ chances }, n) => {
        pen.fillStyle = ink[n];
        pen.fillRect(left, y + n * (bar + 0.5), Math.max(1, room * chances[d]), bar);
      });
    }
    pen.textAlign = "left";
    NAMES.forEach((name, n) => {
      const x = left + n * (wide() ? 90 : 54);
      pen.fillStyle = ink[n];
      pen.fillRect(x, 4, 9, 9);
      pen.fillStyle = paint.ink;
      pen.fillText(name, x + 13, 13);
    });
    const shown = found[NAMES.indexOf(state.maps)], top = side + 26;
    pen.fillText("what the networks get, and the 8 maps after the first layer", 0, top - 6);
    grey(pen, input, 0, SIDE, 0, top, t, 1, paint.ink);
    const gallery = (maps, n, count, y) => {
      const most = Math.max(...maps, 1e-9);
      for (let k = 0; k < count; k++) {
        const x = (1 + (k % 8)) * (t + 4), down = y + Math.floor(k / 8) * (t + 4);
        grey(pen, maps, k * n * n, n, x, down, t, most, paint.ink);
        pen.strokeRect(x + 0.5, down + 0.5, t - 1, t - 1);
      }
    };
    pen.strokeStyle = paint.grey;
    pen.strokeRect(0.5, top + 0.5, t - 1, t - 1);
    gallery(shown.first, 14, 8, top);
    pen.fillStyle = paint.ink;
    pen.fillText("the 16 maps after the second", 0, top + t + 20);
    gallery(shown.second, 7, 16, top + t + 26);
  }

  function sentence() {
    const what = state.digit === OWN ? "Your own drawing" : `A stored ${labels[Number(state.digit)]}`;
    const shift = [[state.right, "right", "left"], [state.down, "down", "up"]].filter(([by]) => by).map(([by, more, less]) => `${by > 0 ? more : less} by ${Math.abs(by)}`);
    if (state.turn) shift.push(`turned ${state.turn > 0 ? "clockwise" : "anticlockwise"} by ${Math.abs(state.turn)}°`);
    if (!input.some((ink) => ink > 0.1)) return "The board is empty. Draw with the pointer, or with arrow keys and space.";
    const says = found.map(({ chances, answer }, n) => `${NAMES[n]} says ${answer} (${percent(chances[answer])})`).join(", ");
    const agree = found[0].answer === found[1].answer ? "They agree." : "They disagree.";
    return `${[what, ...shift].join(", ")}${state.centre ? ", then centred" : ""}: ${says}. ${agree}`;
  }

  function update() {
    drawing = moved(base, state.right, state.down, state.turn);
    input = state.centre ? centred(drawing) : drawing;
    found = nets.map((net) => run(net, input));
    picture.redraw();
    readout.textContent = sentence();
    const sum = (values) => values.reduce((a, b) => a + b, 0), chosen = found[NAMES.indexOf(state.maps)];
    const numbers = { plain: found[0].logits, augmented: found[1].logits, first: sum(chosen.first), second: sum(chosen.second) };
    model.set("result", { ...state, ...numbers, ink: sum(input), drawn: Array.from(base, (ink) => Math.round(1e4 * ink) / 1e4), cursor: [...cursor], answers: found.map(({ answer }) => answer) });
    model.save_changes();
  }

  /** What stands on the board becomes the drawing: from here on the reader changes it. */
  function own() {
    base = Float64Array.from(drawing);
    Object.assign(state, { digit: OWN, right: 0, down: 0, turn: 0 });
    digit.value = OWN;
    for (const control of moves) control.value = 0;
  }

  function dab(i, j) {
    for (const [di, dj, ink] of [[0, 0, 1], [0, 1, 0.6], [0, -1, 0.6], [1, 0, 0.6], [-1, 0, 0.6]]) {
      const y = i + di, x = j + dj;
      if (y >= 0 && x >= 0 && y < SIDE && x < SIDE) base[SIDE * y + x] = Math.max(base[SIDE * y + x], ink);
    }
  }

  const options = Object.fromEntries(labels.map((d, n) => [`${n}`, `${d}${n % 2 ? ", another" : ""}`]));
  const digit = choice(controls, { label: "Digit", options: { ...options, [OWN]: "your own drawing" }, value: state.digit }, (value) => {
    if (value === OWN) base = new Float64Array(784);
    else base = pick(Number(value));
    state.digit = value;
    update();
  });
  const pixels = (x) => `${String(x).replace("-", "−")}`;
  const moves = [
    slider(controls, { label: "Move right", min: -6, max: 6, value: 0, format: pixels }, (x) => { state.right = x; update(); }),
    slider(controls, { label: "Move down", min: -6, max: 6, value: 0, format: pixels }, (x) => { state.down = x; update(); }),
    slider(controls, { label: "Turn", min: -45, max: 45, step: 5, value: 0, format: (x) => `${pixels(x)}°` }, (x) => { state.turn = x; update(); }),
  ];
  choice(controls, { label: "Maps of", options: { augmented: "augmented", plain: "plain" }, value: state.maps }, (value) => { state.maps = value; update(); });
  tick(controls, { label: "centre as MNIST does" }, (value) => { state.centre = value; update(); });
  button(controls, "Clear the board", () => { own(); base.fill(0); update(); });

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  pad.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    if (step) step.forEach((by, axis) => { cursor[axis] = Math.min(27, Math.max(0, cursor[axis] + by)); });
    else {
      own();
      const here = SIDE * cursor[0] + cursor[1];
      if (base[here] >= 1) base[here] = 0;
      else dab(...cursor);
    }
    editing = true;
    update();
  });
  for (const [event, on] of [["focus", true], ["blur", false]]) pad.addEventListener(event, () => { editing = on && pad.matches(":focus-visible"); picture.redraw(); });

  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [event.clientY - box.top, event.clientX - box.left].map((at) => Math.floor((at - 1) / cell));
  };
  const inside = ([i, j]) => i >= 0 && j >= 0 && i < SIDE && j < SIDE;
  let pen = null;
  const stroke = (event) => {
    const to = place(event), [a, b] = pen, steps = Math.max(1, Math.abs(to[0] - a), Math.abs(to[1] - b));
    for (let k = 0; k <= steps; k++) dab(Math.round(a + ((to[0] - a) * k) / steps), Math.round(b + ((to[1] - b) * k) / steps));
    pen = to;
    update();
  };
  pad.addEventListener("pointerdown", (event) => {
    if (!inside(place(event))) return;
    pad.setPointerCapture(event.pointerId);
    own();
    pen = place(event);
    stroke(event);
  });
  pad.addEventListener("pointermove", (event) => {
    pad.style.cursor = inside(place(event)) ? "crosshair" : "";
    if (pen) stroke(event);
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { pen = null; });
  pad.addEventListener("touchstart", (event) => { if (inside(place(event.touches[0]))) event.preventDefault(); }, { passive: false });

  update();
  return () => picture.stop();
}

export default { render };
