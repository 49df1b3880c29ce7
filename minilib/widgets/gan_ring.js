// A GAN on a ring of eight spots, trained in this page: both networks, both losses, R1 and Adam, in float64.
// tests/figures/gan_ring.py plays the same game with PyTorch and minilib.pt.gan, and compares every weight.
const BATCH = 64, WIDTH = 32, NOISE = 4, RATE = 1e-3, SIGMA = 0.1;
const LOOK = 10;        // steps between two looks at what is made
const SAMPLES = 1000;   // points in a look
const LONGEST = 3000, STOPS = [1500, LONGEST];  // moments at which games are compared
const GRID = 44, REACH = 3;
const CENTRES = Array.from({ length: 8 }, (_, k) => [2 * Math.cos((k * Math.PI) / 4), 2 * Math.sin((k * Math.PI) / 4)]);

/** Layers of the given sizes; weights (out, in), then biases, even within ±1/√in, as PyTorch starts them. */
function makeNetwork(sizes, random) {
  return sizes.slice(1).map((m, l) => {
    const n = sizes[l], start = (length) => Float64Array.from({ length }, () => (2 * random() - 1) / Math.sqrt(n));
    const memory = () => [new Float64Array(m * n), new Float64Array(m)];
    return { n, m, values: [start(m * n), start(m)], slopes: memory(), mean: memory(), square: memory() };
  });
}

/** What every layer says for `count` rows of x: arrays (count, m), the input first; `leak`: the slope below zero. */
function forward(network, x, count, leak) {
  const said = [x];
  network.forEach(({ n, m, values: [weight, bias] }, l) => {
    const from = said[l], to = new Float64Array(count * m), last = l === network.length - 1;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < m; j++) {
        let z = bias[j];
        for (let k = 0; k < n; k++) z += weight[j * n + k] * from[i * n + k];
        to[i * m + j] = last || z > 0 ? z : leak * z;
      }
    }
    said.push(to);
  });
  return said;
}

/** Slopes with respect to what enters (blame[0]) and to every layer before its bend (blame[l + 1]), each (count, …). */
function backward(network, said, last, leak) {
  const blame = [last], count = last.length / network.at(-1).m;
  for (let l = network.length - 1; l >= 0; l--) {
    const { n, m, values: [weight] } = network[l], g = blame[0], next = new Float64Array(count * n);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < m; j++) {
        const part = g[i * m + j];
        if (part !== 0) for (let k = 0; k < n; k++) next[i * n + k] += part * weight[j * n + k];
      }
    }
    if (l > 0) for (let i = 0; i < next.length; i++) if (!(said[l][i] > 0)) next[i] *= leak;
    blame.unshift(next);
  }
  return blame;
}

/** Add blame ⊗ input to one layer's slopes: (m, n) for its weights and, if asked, (m,) for its biases. */
function collect({ n, m, slopes: [gw, gb] }, blame, input, withBias = true) {
  for (let i = 0; i < blame.length / m; i++) {
    for (let j = 0; j < m; j++) {
      const part = blame[i * m + j];
      if (part === 0) continue;
      if (withBias) gb[j] += part;
      for (let k = 0; k < n; k++) gw[j * n + k] += part * input[i * n + k];
    }
  }
}

/** Add the slopes of γ/2 · mean |d score / d x|² to a discriminator; `said`: what it says on the real points.
 *  The slope u of the score is a product of weights and bends, so its own slopes are one linear pass of u. */
function addR1(network, said, count, gamma, leak) {
  const blame = backward(network, said, new Float64Array(count).fill(1), leak);
  let u = blame[0].map((v) => (gamma * v) / count);
  network.forEach((layer, l) => {
    collect(layer, blame[l + 1], u, false);
    const { n, m, values: [weight] } = layer, next = new Float64Array(count * m);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < m; j++) {
        let z = 0;
        for (let k = 0; k < n; k++) z += weight[j * n + k] * u[i * n + k];
        next[i * m + j] = said[l + 1][i * m + j] > 0 ? z : leak * z;
      }
    }
    u = next;
  });
}

const clear = (network) => network.forEach(({ slopes }) => slopes.forEach((part) => part.fill(0)));

/** One step of Adam, number t from 1. */
function adam(network, beta1, t) {
  const beta2 = 0.999;
  for (const { values, slopes, mean, square } of network) {
    values.forEach((w, part) => {
      const g = slopes[part], m = mean[part], v = square[part];
      for (let i = 0; i < w.length; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        w[i] -= (RATE * m[i]) / (1 - beta1 ** t) / (Math.sqrt(v[i] / (1 - beta2 ** t)) + 1e-8);
      }
    });
  }
}

const sigmoid = (score) => 1 / (1 + Math.exp(-score));
const makeNoise = (count, random) => Float64Array.from({ length: NOISE * count }, () => normal(random));

/** `count` points of the ring, [x0, y0, x1, y1, …]. */
function drawReal(count, random) {
  const points = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const centre = CENTRES[Math.floor(8 * random())];
    for (const axis of [0, 1]) points[2 * i + axis] = centre[axis] + SIGMA * normal(random);
  }
  return points;
}

/** How many spots hold at least 1 % of all samples within 3σ, and the share of samples that lie in any. */
function count(points) {
  const held = new Array(8).fill(0), n = points.length / 2;
  for (let i = 0; i < n; i++) {
    const k = CENTRES.findIndex(([x, y]) => Math.hypot(points[2 * i] - x, points[2 * i + 1] - y) < 3 * SIGMA);
    if (k >= 0) held[k]++;
  }
  return { modes: held.filter((h) => h >= n / 100).length, good: held.reduce((a, b) => a + b, 0) / n, finite: points.every(Number.isFinite) };
}

/** One game: settings in, `step()` by `step()`; first the judge moves, then the generator, as minilib.pt.gan.train_gan. */
function makeGame({ activation, beta1, r1, seed }) {
  const random = generator(seed), leak = activation === "leaky" ? 0.2 : 0;
  const made = makeNetwork([NOISE, WIDTH, WIDTH, 2], random), judge = makeNetwork([2, WIDTH, WIDTH, 1], random);
  const fixed = makeNoise(SAMPLES, generator(1000 + seed));
  const game = {
    made, judge, steps: 0, history: [],
    step() {
      const real = drawReal(BATCH, random), fake = forward(made, makeNoise(BATCH, random), BATCH, leak).at(-1);
      const said = forward(judge, Float64Array.from([...real, ...fake]), 2 * BATCH, leak);
      clear(judge);
      const wrong = said.at(-1).map((s, i) => (sigmoid(s) - (i < BATCH ? 1 : 0)) / BATCH);
      backward(judge, said, wrong, leak).slice(1).forEach((blame, l) => collect(judge[l], blame, said[l]));
      if (r1 > 0) addR1(judge, said, BATCH, r1, leak);
      adam(judge, beta1, ++game.steps);

      const layers = forward(made, makeNoise(BATCH, random), BATCH, leak);
      const heard = forward(judge, layers.at(-1), BATCH, leak);
      const wish = heard.at(-1).map((s) => (sigmoid(s) - 1) / BATCH);
      clear(made);
      const lesson = backward(judge, heard, wish, leak)[0];
      backward(made, layers, lesson, leak).slice(1).forEach((blame, l) => collect(made[l], blame, layers[l]));
      adam(made, beta1, game.steps);
      if (game.steps % LOOK === 0) game.history.push(game.look());
    },
    look() {
      game.samples = forward(made, fixed, SAMPLES, leak).at(-1);
      return { steps: game.steps, ...count(game.samples) };
    },
    scores: (points) => forward(judge, points, points.length / 2, leak).at(-1),
  };
  game.history.push(game.look());
  return game;
}

const gridPoints = Float64Array.from({ length: 2 * GRID * GRID }, (_, i) => {
  const cell = i >> 1, at = i % 2 ? GRID - 1 - Math.floor(cell / GRID) : cell % GRID;
  return (2 * REACH * (at + 0.5)) / GRID - REACH;
});

function drawMap(pen, box, game, paint) {
  const X = (x) => box.x + (box.size * (x + REACH)) / (2 * REACH), Y = (y) => box.y + (box.size * (REACH - y)) / (2 * REACH);
  const edge = (k) => Math.round((k * box.size) / GRID);
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.size, box.size);
  pen.clip();
  pen.fillStyle = paint.amber;
  game.scores(gridPoints).forEach((s, i) => {
    const [column, row] = [i % GRID, Math.floor(i / GRID)];
    pen.globalAlpha = 0.55 * sigmoid(s);
    pen.fillRect(box.x + edge(column), box.y + edge(row), edge(column + 1) - edge(column), edge(row + 1) - edge(row));
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = paint.ink;
  pen.lineWidth = 1.4;
  for (const [x, y] of CENTRES) {
    pen.beginPath();
    pen.arc(X(x), Y(y), (3 * SIGMA * box.size) / (2 * REACH), 0, 7);
    pen.stroke();
  }
  pen.fillStyle = paint.blue;
  pen.globalAlpha = 0.6;
  for (let i = 0; i < SAMPLES; i++) {
    pen.beginPath();
    pen.arc(X(game.samples[2 * i]), Y(game.samples[2 * i + 1]), 1.7, 0, 7);
    pen.fill();
  }
  pen.restore();
  pen.strokeStyle = paint.grey;
  pen.lineWidth = 1;
  pen.strokeRect(box.x + 0.5, box.y + 0.5, box.size - 1, box.size - 1);
}

/** One curve over the steps, between 0 and `top`. */
function drawCurve(pen, { x, y, w, h }, game, { name, top, title, mark, colour }, paint) {
  const last = Math.max(STOPS[0], game.steps), X = (t) => x + (w * t) / last, Y = (v) => y + h * (1 - v / top);
  const line = (points) => {
    pen.beginPath();
    points.forEach(([a, b], i) => pen[i ? "lineTo" : "moveTo"](a, b));
    pen.stroke();
  };
  pen.lineWidth = 1;
  pen.strokeStyle = paint.grey;
  line([[x, y], [x, y + h], [x + w, y + h]]);
  pen.setLineDash([3, 4]);
  line([[x, Y(top)], [x + w, Y(top)]]);
  pen.setLineDash([]);
  pen.fillStyle = paint.ink;
  pen.textAlign = "left";
  pen.fillText(title, x - 20, y - 12);
  pen.textAlign = "right";
  pen.fillText(mark, x - 5, y + 5);
  pen.fillText("0", x - 5, y + h + 2);
  pen.fillText(`${last.toLocaleString("en")} steps`, x + w, y + h + 16);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.8;
  line(game.history.map((look) => [X(look.steps), Y(look[name])]));
}

function sentence({ steps, history }) {
  const { modes, good, finite } = history.at(-1);
  if (!finite) return `Step ${steps}: a score is no longer a number. Restart with other settings.`;
  return `Step ${steps}: ${modes} of 8 spots covered, ${Math.round(100 * good)} % of the samples good.`;
}

function render({ model, el }) {
  const settings = { activation: "relu", beta1: 0.9, r1: 0, seed: 1, ...model.get("config") };
  const { root, stage, controls, readout } = frame(el, "Two networks that play against each other in this page");
  let game = makeGame(settings);

  const aspect = { valueOf: () => (stage.clientWidth > 520 ? stage.clientWidth / 360 : 0.62) };
  const label = "Points that the generator makes, the eight spots, and a shade where the judge says real; curves of covered spots and good samples over the steps; the line of text says the last values";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    pen.font = "12.5px system-ui, sans-serif";
    const wide = width > 520, size = wide ? tall - 4 : width - 4;
    drawMap(pen, { x: 2, y: 2, size }, game, paint);
    const left = wide ? size + 52 : 34, first = wide ? 28 : size + 34;
    const h = wide ? (tall - 112) / 2 : (tall - size - 106) / 2, box = { x: left, w: width - left - 8, h };
    const modes = { name: "modes", top: 8, title: "spots covered", mark: "8", colour: paint.blue };
    const good = { name: "good", top: 1, title: "share of good samples", mark: "1", colour: paint.green };
    drawCurve(pen, { ...box, y: first }, game, modes, paint);
    drawCurve(pen, { ...box, y: first + h + 52 }, game, good, paint);
    if (readout.textContent !== sentence(game)) readout.textContent = sentence(game);
  });

  const refresh = () => {
    if (game.history.at(-1).steps !== game.steps) game.history.push(game.look());
    picture.redraw();
    const flat = (network) => network.flatMap(({ values }) => values.flatMap((part) => Array.from(part)));
    const { modes, good } = game.history.at(-1);
    model.set("result", { ...settings, steps: game.steps, modes, good, weights: [...flat(game.made), ...flat(game.judge)] });
    model.save_changes();
  };
  const over = () => game.steps >= LONGEST || !game.history.at(-1).finite;
  const playing = player(root, () => {
    const until = performance.now() + 12;
    let looked = false;
    while (performance.now() < until && playing.playing) {
      game.step();
      looked ||= game.steps % LOOK === 0;
      if (STOPS.includes(game.steps) || over()) pause();
    }
    if (looked && playing.playing) picture.redraw();
  });
  const play = () => {
    if (over()) return;
    readout.setAttribute("aria-live", "off");  // read out when it stops, not at every look
    start.textContent = "Pause";
    playing.play();
  };
  const pause = () => {
    playing.pause();
    readout.setAttribute("aria-live", "polite");
    start.textContent = "Play";
    refresh();
  };
  const go = (steps) => {
    for (let i = 0; i < steps && !over(); i++) game.step();
    pause();
  };
  const again = () => { game = makeGame(settings); pause(); };
  const set = (name, read = (x) => x) => (value) => { settings[name] = read(value); again(); };

  const start = button(controls, "Play", () => (playing.playing ? pause() : play()));
  button(controls, "One step", () => go(1));
  button(controls, "100 steps", () => go(100));
  button(controls, "Restart", again);
  choice(controls, { label: "Activation", options: { relu: "ReLU", leaky: "leaky ReLU" }, value: settings.activation }, set("activation"));
  slider(controls, { label: "Momentum β₁", min: 0, max: 0.9, step: 0.1, value: settings.beta1 }, set("beta1"));
  choice(controls, { label: "R1, strength γ", options: { "0.0": "none", 0.1: "0.1", 0.3: "0.3", "1.0": "1", "3.0": "3", "10.0": "10" }, value: settings.r1.toFixed(1) }, set("r1", Number));
  slider(controls, { label: "Seed", min: 1, max: 20, value: settings.seed }, set("seed"));
  refresh();
  return () => { playing.stop(); picture.stop(); };
}

export default { render };
