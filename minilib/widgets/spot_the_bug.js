// Three programs, one of them right: a network 64 → 24 → 10 is trained on 300 digits whenever a control moves.
// tests/figures/spot_the_bug.py repeats the same arithmetic with NumPy.
const PROGRAMS = { X: "program X", Y: "program Y", Z: "program Z" };
const BUGS = { X: "heap", Y: "none", Z: "cut" };
const [PIXELS, UNITS, CLASSES, TRAIN, EPOCHS] = [64, 24, 10, 300, 10];

function read({ pixels, labels }) {
  const x = Float64Array.from(pixels, (letter) => (letter.charCodeAt(0) - 65) / 16);
  return { x, y: Array.from(labels, Number) };
}

function start() {
  const random = generator(5);
  const matrix = (n, m) => Float64Array.from({ length: n * m }, () => Math.sqrt(2 / m) * normal(random));
  return [matrix(UNITS, PIXELS), new Float64Array(UNITS), matrix(CLASSES, UNITS), new Float64Array(CLASSES)];
}

/** Hidden numbers and chances of the classes for row i. */
function say([w, b, v, c], x, i) {
  const h = new Float64Array(UNITS), p = new Float64Array(CLASSES);
  for (let j = 0; j < UNITS; j++) {
    let z = b[j];
    for (let k = 0; k < PIXELS; k++) z += w[j * PIXELS + k] * x[i * PIXELS + k];
    h[j] = Math.max(z, 0);
  }
  for (let j = 0; j < CLASSES; j++) {
    p[j] = c[j];
    for (let k = 0; k < UNITS; k++) p[j] += v[j * UNITS + k] * h[k];
  }
  const top = Math.max(...p), scores = p.slice();
  let sum = 0;
  for (let j = 0; j < CLASSES; j++) sum += p[j] = Math.exp(p[j] - top);
  for (let j = 0; j < CLASSES; j++) p[j] /= sum;
  return { h, p, scores, log: (j) => scores[j] - top - Math.log(sum) };
}

/** Add the gradient of the mean loss of rows first … last − 1; returns that loss. */
function backward(weights, slopes, { x, y }, first, last, cut) {
  const [, , v] = weights, [gw, gb, gv, gc] = slopes, count = last - first;
  let loss = 0;
  for (let i = first; i < last; i++) {
    const { h, p, log } = say(weights, x, i), back = new Float64Array(UNITS);
    loss -= log(y[i]) / count;
    for (let j = 0; j < CLASSES; j++) {
      const blame = (p[j] - (j === y[i] ? 1 : 0)) / count;
      gc[j] += blame;
      for (let k = 0; k < UNITS; k++) {
        gv[j * UNITS + k] += blame * h[k];
        back[k] += blame * v[j * UNITS + k];
      }
    }
    if (cut) continue;
    for (let k = 0; k < UNITS; k++) {
      if (h[k] === 0) continue;
      gb[k] += back[k];
      for (let q = 0; q < PIXELS; q++) gw[k * PIXELS + q] += back[k] * x[i * PIXELS + q];
    }
  }
  return loss;
}

const empty = (weights) => weights.map((w) => new Float64Array(w.length));

/** Ten passes through the 300 rows: the loss of each pass, and how many of the 100 others are right. */
function train(data, program, rate, batch) {
  const weights = start(), bug = BUGS[program], losses = [];
  let slopes = empty(weights);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    let total = 0;
    for (let first = 0; first < TRAIN; first += batch) {
      const last = Math.min(first + batch, TRAIN);
      if (bug !== "heap") slopes = empty(weights);
      total += backward(weights, slopes, data, first, last, bug === "cut") * (last - first);
      weights.forEach((w, part) => { for (let i = 0; i < w.length; i++) w[i] -= rate * slopes[part][i]; });
    }
    losses.push(total / TRAIN);
  }
  let right = 0;
  for (let i = TRAIN; i < data.y.length; i++) {
    const { scores } = say(weights, data.x, i);
    right += scores.indexOf(Math.max(...scores)) === data.y[i] ? 1 : 0;
  }
  return { losses, right };
}

/** The two tests of the chapter that fit here, run on one batch before any training. */
function preflight(data, program) {
  const weights = start(), bug = BUGS[program];
  let slopes = empty(weights);
  backward(weights, slopes, data, 0, 32, bug === "cut");
  const before = slopes.map((g) => g.slice());
  if (bug !== "heap") slopes = empty(weights);
  backward(weights, slopes, data, 0, 32, bug === "cut");
  const clears = slopes.every((g, part) => g.every((s, i) => Math.abs(s - before[part][i]) < 1e-12));
  return { clears, learns: before.every((g) => g.some((s) => s !== 0)) };
}

function draw(pen, width, tall, paint, { losses }) {
  const box = { x: 8, y: 24, w: width - 16, h: tall - 48 }, top = 3;
  const X = (t) => box.x + (box.w * t) / (EPOCHS - 1), Y = (loss) => box.y + box.h * (1 - Math.min(loss, top) / top);
  const line = (points) => {
    pen.beginPath();
    points.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
    pen.stroke();
  };
  pen.font = "12.5px system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.strokeStyle = paint.grey;
  line([[box.x, box.y], [box.x, box.y + box.h], [box.x + box.w, box.y + box.h]]);
  pen.setLineDash([5, 4]);
  line([[box.x, Y(Math.log(10))], [box.x + box.w, Y(Math.log(10))]]);
  pen.setLineDash([]);
  pen.fillStyle = paint.ink;
  pen.fillText("training loss, cut off at 3 nats", box.x, box.y - 9);
  pen.fillText("pass 1", box.x, box.y + box.h + 17);
  pen.textAlign = "right";
  pen.fillText("guessing: 2.3", box.x + box.w, Y(Math.log(10)) - 6);
  pen.fillText(`pass ${EPOCHS}`, box.x + box.w, box.y + box.h + 17);
  pen.textAlign = "left";
  pen.strokeStyle = paint.blue;
  pen.lineWidth = 2;
  line(losses.map((loss, t) => [X(t), Y(Number.isFinite(loss) ? loss : top)]));
}

function render({ model, el }) {
  const config = model.get("config") ?? {}, data = read(config);
  const settings = { program: "X", rate: 0.01, batch: "30", tests: false };
  const { stage, controls, readout } = frame(el, "Three programs that learn, of which one is right");
  let run = train(data, settings.program, settings.rate, 30);
  const label = "The training loss of the chosen program over ten passes; the line of text says where it begins and ends";
  const picture = canvas(stage, { label, height: 240 }, (pen, width, tall, paint) => draw(pen, width, tall, paint, run));

  const refresh = () => {
    const { program, rate, batch, tests } = settings;
    run = train(data, program, rate, Number(batch));
    const { losses, right } = run, flight = preflight(data, program);
    const passed = (yes) => (yes ? "passed" : "failed");
    const verdict = tests ? ` Tests: "clears" ${passed(flight.clears)}, "all parts learn" ${passed(flight.learns)}.` : "";
    readout.textContent = `Program ${program}: loss from ${short(losses[0])} to ${short(losses.at(-1))}; ${right} of 100 test digits right.${verdict}`;
    picture.redraw();
    model.set("result", { ...settings, first: losses[0], last: losses.at(-1), right, ...flight });
    model.save_changes();
  };
  const set = (name) => (value) => { settings[name] = value; refresh(); };

  choice(controls, { label: "Program", options: PROGRAMS, value: settings.program }, set("program"));
  slider(controls, { label: "Learning rate", min: 0.001, max: 1, step: 0.25, value: settings.rate, log: true, format: (x) => short(Number(x.toPrecision(2))) }, set("rate"));
  choice(controls, { label: "Rows in a batch", options: { 10: "10", 30: "30", 100: "100" }, value: settings.batch }, set("batch"));
  tick(controls, { label: "Run the tests", value: false }, set("tests"));
  refresh();
  return () => picture.stop();
}

export default { render };
