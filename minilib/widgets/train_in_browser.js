// A small network on points of the plane: data, forward, backward and both optimisers in float64, drawn while it learns.
// tests/figures/train_in_browser.py repeats the same arithmetic with NumPy.
const SHAPES = { circle: "a circle", moons: "two moons", spirals: "two spirals" };
const POINTS = { circle: 200, moons: 200, spirals: 300 };
const GRID = 40;
const LONGEST = 5000;

/** Points [x0, y0, x1, y1, …] in about [−1, 1]² and their classes, 1 or 0; the same for every reader. */
function makeData(kind) {
  const random = generator(7), x = [], y = [];
  for (let i = 0; y.length < POINTS[kind]; i++) {
    const label = i % 2;
    let point;
    if (kind === "circle") {
      point = [2 * random() - 1, 2 * random() - 1];
      const distance = Math.hypot(...point);
      if (Math.abs(distance - 0.65) < 0.05) continue;
      y.push(distance < 0.65 ? 1 : 0);
    } else {
      const t = random();
      if (kind === "moons") {
        const turn = Math.PI * t, [a, b] = label ? [1 - Math.cos(turn), 0.5 - Math.sin(turn)] : [Math.cos(turn), Math.sin(turn)];
        point = [(a - 0.5 + 0.1 * normal(random)) / 1.6, (b - 0.25 + 0.1 * normal(random)) / 1.2];
      } else {
        const radius = 0.1 + 0.85 * t, turn = 12 * radius + Math.PI * label;
        point = [radius * Math.cos(turn) + 0.02 * normal(random), radius * Math.sin(turn) + 0.02 * normal(random)];
      }
      y.push(label);
    }
    x.push(...point);
  }
  return { x: Float64Array.from(x), y: Float64Array.from(y) };
}

/** Layers 2 → width → … → 1; weights (out, in) normal with `scale` times the standard deviation that keeps a signal. */
function makeNetwork({ layers, width, activation, scale, seed }) {
  const random = generator(seed), sizes = [2, ...Array(layers).fill(width), 1];
  return sizes.slice(1).map((m, l) => {
    const n = sizes[l], std = scale * Math.sqrt((activation === "relu" ? 2 : 1) / n);
    const weight = Float64Array.from({ length: m * n }, () => std * normal(random));
    const memory = () => [new Float64Array(m * n), new Float64Array(m)];
    return { n, m, values: [weight, new Float64Array(m)], slopes: memory(), mean: memory(), square: memory() };
  });
}

/** What every layer says for `count` points: arrays (count, m), the last one the scores. */
function forward(network, x, count, relu) {
  const said = [x];
  network.forEach(({ n, m, values: [weight, bias] }, l) => {
    const from = said[l], to = new Float64Array(count * m), last = l === network.length - 1;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < m; j++) {
        let z = bias[j];
        for (let k = 0; k < n; k++) z += weight[j * n + k] * from[i * n + k];
        to[i * m + j] = last ? z : relu ? Math.max(z, 0) : Math.tanh(z);
      }
    }
    said.push(to);
  });
  return said;
}

/** Fill every layer's slopes with the gradient of the mean cross-entropy. */
function backward(network, said, y, relu) {
  const count = y.length;
  let blame = said.at(-1).map((z, i) => (1 / (1 + Math.exp(-z)) - y[i]) / count);
  for (let l = network.length - 1; l >= 0; l--) {
    const { n, m, values: [weight], slopes: [gw, gb] } = network[l], from = said[l], next = new Float64Array(count * n);
    gw.fill(0);
    gb.fill(0);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < m; j++) {
        const g = blame[i * m + j];
        if (g === 0) continue;
        gb[j] += g;
        for (let k = 0; k < n; k++) {
          gw[j * n + k] += g * from[i * n + k];
          next[i * n + k] += g * weight[j * n + k];
        }
      }
    }
    if (l > 0) for (let i = 0; i < next.length; i++) next[i] *= relu ? (from[i] > 0 ? 1 : 0) : 1 - from[i] * from[i];
    blame = next;
  }
}

function update(network, { optimizer, rate }, t) {
  for (const { values, slopes, mean, square } of network) {
    values.forEach((w, part) => {
      const g = slopes[part], m = mean[part], v = square[part];
      for (let i = 0; i < w.length; i++) {
        if (optimizer === "descent") w[i] -= rate * g[i];
        else {
          m[i] = 0.9 * m[i] + 0.1 * g[i];
          v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
          w[i] -= (rate * m[i]) / (1 - 0.9 ** t) / (Math.sqrt(v[i] / (1 - 0.999 ** t)) + 1e-8);
        }
      }
    });
  }
}

/** Loss, accuracy and the share of hidden units that are silent for every point. */
function measure(network, said, y, relu) {
  let loss = 0, right = 0, dead = 0, units = 0;
  said.at(-1).forEach((z, i) => {
    loss += (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - y[i] * z) / y.length;
    right += (z > 0 ? 1 : 0) === y[i] ? 1 : 0;
  });
  network.slice(0, -1).forEach(({ m }, l) => {
    units += m;
    if (!relu) return;
    for (let j = 0; j < m; j++) {
      let silent = true;
      for (let i = 0; i < y.length && silent; i++) silent = said[l + 1][i * m + j] === 0;
      dead += silent ? 1 : 0;
    }
  });
  return { loss, accuracy: right / y.length, dead: units ? dead / units : 0 };
}

/** The loss of answering every point with the share of its class. */
function guessing(y) {
  const p = y.reduce((a, b) => a + b, 0) / y.length;
  return -p * Math.log(p) - (1 - p) * Math.log(1 - p);
}

/** One training run: settings in, `step()` by `step()` what it has learnt. */
function makeRun(settings) {
  const { x, y } = makeData(settings.data), network = makeNetwork(settings), relu = settings.activation === "relu";
  let said = forward(network, x, y.length, relu);
  const run = {
    x, y, network, relu, steps: 0, guessing: guessing(y), losses: [],
    parameters: network.reduce((sum, { n, m }) => sum + n * m + m, 0),
    step() {
      backward(network, said, y, relu);
      update(network, settings, ++run.steps);
      said = forward(network, x, y.length, relu);
      run.look();
    },
    look() {
      Object.assign(run, measure(network, said, y, relu));
      run.losses.push(run.loss);
    },
  };
  run.look();
  return run;
}

const gridPoints = Float64Array.from({ length: 2 * GRID * GRID }, (_, i) => {
  const cell = i >> 1;
  return i % 2 ? 1.1 - (2.2 * (Math.floor(cell / GRID) + 0.5)) / GRID : -1.1 + (2.2 * ((cell % GRID) + 0.5)) / GRID;
});

function drawField(pen, box, run, paint) {
  const scores = forward(run.network, gridPoints, GRID * GRID, run.relu).at(-1), edge = (k) => Math.round((k * box.size) / GRID);
  const X = (x) => box.x + (box.size * (x + 1.1)) / 2.2, Y = (y) => box.y + (box.size * (1.1 - y)) / 2.2;
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.size, box.size);
  pen.clip();
  scores.forEach((z, i) => {
    const sure = Math.abs(1 / (1 + Math.exp(-z)) - 0.5);
    if (!(sure > 0.02)) return;
    pen.globalAlpha = 0.85 * sure;
    pen.fillStyle = z > 0 ? paint.blue : paint.orange;
    const [column, row] = [i % GRID, Math.floor(i / GRID)];
    pen.fillRect(box.x + edge(column), box.y + edge(row), edge(column + 1) - edge(column), edge(row + 1) - edge(row));
  });
  pen.globalAlpha = 0.8;
  pen.strokeStyle = paint.grey;
  const { n, m, values: [weight, bias] } = run.network[0];
  for (let j = 0; j < m; j++) {
    const [a, b] = [weight[j * n], weight[j * n + 1]], square = a * a + b * b;
    if (!(square > 0)) continue;
    const [px, py] = [(-a * bias[j]) / square, (-b * bias[j]) / square], reach = 4 / Math.sqrt(square);
    pen.beginPath();
    pen.moveTo(X(px - b * reach), Y(py + a * reach));
    pen.lineTo(X(px + b * reach), Y(py - a * reach));
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = paint.paper;
  pen.lineWidth = 0.8;
  run.y.forEach((label, i) => {
    const x = X(run.x[2 * i]), y = Y(run.x[2 * i + 1]);
    pen.fillStyle = label ? paint.blue : paint.orange;
    pen.beginPath();
    if (label) pen.arc(x, y, 3.2, 0, 7);
    else pen.rect(x - 2.7, y - 2.7, 5.4, 5.4);
    pen.fill();
    pen.stroke();
  });
  pen.restore();
}

function drawLoss(pen, box, run, paint) {
  const top = 1.5 * run.guessing, last = Math.max(100, run.steps);
  const X = (t) => box.x + (box.w * t) / last, Y = (loss) => box.y + box.h * (1 - Math.min(loss, top) / top);
  const line = (points) => {
    pen.beginPath();
    points.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
    pen.stroke();
  };
  pen.lineWidth = 1;
  pen.strokeStyle = paint.grey;
  line([[box.x, box.y], [box.x, box.y + box.h], [box.x + box.w, box.y + box.h]]);
  pen.setLineDash([5, 4]);
  line([[box.x, Y(run.guessing)], [box.x + box.w, Y(run.guessing)]]);
  pen.setLineDash([]);
  pen.fillStyle = paint.ink;
  pen.textAlign = "left";
  const cut = run.losses.some((loss) => loss > top);
  pen.fillText(cut ? `loss, cut off at ${short(top)}` : "loss", box.x, box.y - 7);
  pen.textAlign = "right";
  pen.fillText(`guessing: ${short(run.guessing)}`, box.x + box.w, Y(run.guessing) - 6);
  pen.fillText(`${last} steps`, box.x + box.w, box.y + box.h + 16);
  pen.textAlign = "center";
  pen.fillText("0", box.x, box.y + box.h + 16);
  pen.strokeStyle = paint.blue;
  pen.lineWidth = 1.8;
  const stride = Math.max(1, Math.floor(run.losses.length / 400));
  line(run.losses.map((loss, t) => [X(t), Y(loss)]).filter(([, y], t) => t % stride === 0 && Number.isFinite(y)));
}

function sentence(run, { layers, activation }) {
  const share = Math.abs(run.loss / run.guessing - 1) < 0.02 ? ", as good as guessing" : "";
  const dead = layers && activation === "relu" ? `; ${Math.round(100 * run.dead)} % of the units dead` : "";
  return `Step ${run.steps}: loss ${short(run.loss)}${share}; ${short(100 * run.accuracy)} % of the points right${dead}. ${run.parameters} parameters.`;
}

function render({ model, el }) {
  const { compact = false, ...given } = model.get("config") ?? {};
  const usual = compact
    ? { data: "spirals", layers: 3, width: 8, activation: "tanh", optimizer: "adam", rate: 0.02, scale: 1, seed: 1 }
    : { data: "circle", layers: 1, width: 8, activation: "relu", optimizer: "adam", rate: 0.05, scale: 1, seed: 1 };
  const settings = { ...usual, ...given };
  const { root, stage, controls, readout } = frame(el, "A small network that is trained in this page");
  let run = makeRun(settings), frames = 0;

  // the text says what the picture shows, and is left alone where nothing has changed
  const tell = () => { if (readout.textContent !== sentence(run, settings)) readout.textContent = sentence(run, settings); };
  // map beside curve where there is room, else above it: the aspect is asked for at every drawing
  const aspect = { valueOf: () => (stage.clientWidth > 520 ? stage.clientWidth / 340 : compact ? 1 : 0.68) };
  const label = "Left: the points, the network's answer as a shade, and the line of each first-layer unit. Right: the loss at each step; the line of text says both";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    pen.font = "12.5px system-ui, sans-serif";
    const wide = width > 520, size = wide ? tall - 4 : Math.min(width, tall) - (compact ? 4 : 0);
    drawField(pen, { x: 0, y: 2, size }, run, paint);
    if (wide) drawLoss(pen, { x: size + 28, y: 22, w: width - size - 36, h: tall - 50 }, run, paint);
    else if (!compact) drawLoss(pen, { x: 8, y: size + 30, w: width - 16, h: tall - size - 56 }, run, paint);
    tell();
  });

  const report = () => {
    tell();
    const { steps, loss, accuracy, dead, parameters } = run;
    model.set("result", { ...settings, steps, loss, accuracy, dead, parameters, guessing: run.guessing });
    model.save_changes();
  };
  const refresh = () => { picture.redraw(); report(); };
  const playing = player(root, () => {
    for (let i = 0; i < 4 && run.steps < LONGEST; i++) run.step();
    if (++frames % 4 === 0) picture.redraw();
    if (frames % 30 === 0) report();
    if (run.steps >= LONGEST || !Number.isFinite(run.loss) || (compact && run.accuracy === 1 && run.loss < 0.02)) pause();
  });
  const play = () => {
    readout.setAttribute("aria-live", "off");  // read out when it stops, not forty times on the way
    start.textContent = "Pause";
    playing.play();
  };
  const pause = () => {
    playing.pause();
    readout.setAttribute("aria-live", "polite");
    start.textContent = "Play";
    refresh();
  };
  const again = () => { run = makeRun(settings); refresh(); };
  const set = (name) => (value) => { settings[name] = value; again(); };

  const start = button(controls, "Play", () => (playing.playing ? pause() : play()));
  if (!compact) button(controls, "One step", () => { pause(); run.step(); refresh(); });
  button(controls, "Reset", () => { pause(); again(); });
  choice(controls, { label: "Data", options: SHAPES, value: settings.data }, set("data"));
  if (!compact) {
    slider(controls, { label: "Hidden layers", min: 0, max: 5, value: settings.layers }, set("layers"));
    slider(controls, { label: "Units in each", min: 1, max: 16, value: settings.width }, set("width"));
    choice(controls, { label: "Activation", options: { relu: "ReLU", tanh: "tanh" }, value: settings.activation }, set("activation"));
    choice(controls, { label: "Optimiser", options: { adam: "Adam", descent: "plain descent" }, value: settings.optimizer }, set("optimizer"));
    slider(controls, { label: "Learning rate", min: 0.001, max: 1, step: 0.05, value: settings.rate, log: true, format: (x) => short(Number(x.toPrecision(2))) }, set("rate"));
    slider(controls, { label: "Start scale", min: 0.01, max: 10, step: 0.1, value: settings.scale, log: true }, set("scale"));
    slider(controls, { label: "Seed", min: 1, max: 20, value: settings.seed }, set("seed"));
  }
  report();
  if (compact && !calm()) play();
  return () => { playing.stop(); picture.stop(); };
}

export default { render };
