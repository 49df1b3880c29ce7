// Four optimisers race for 300 steps on a surface over (x, y). tests/figures/optimiser_race.py repeats the arithmetic.
const LONGEST = 300;
const NEAR = 0.01;  // arrived: within this share of the starting distance, and staying there

const SURFACES = {
  bowl: {
    name: "round bowl", x: [-1.3, 1.3], y: [-1.3, 1.3], start: [-1, 0.8], goals: [[0, 0]],
    loss: (x, y) => 2 * (x * x + y * y), slope: (x, y) => [4 * x, 4 * y],
  },
  valley: {
    name: "valley, condition 100", x: [-1.3, 1.3], y: [-0.5, 0.5], start: [-1, 0.3], goals: [[0, 0]],
    loss: (x, y) => 0.5 * (x * x + 100 * y * y), slope: (x, y) => [x, 100 * y],
  },
  banana: {
    name: "banana (Rosenbrock)", x: [-1.6, 1.6], y: [-0.6, 1.8], start: [-1, 1.2], goals: [[1, 1]],
    loss: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    slope: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  },
  saddle: {
    name: "saddle", x: [-1.4, 1.4], y: [-1.5, 1.5], start: [-1.2, 0.02], goals: [[0, 1], [0, -1]],
    loss: (x, y) => 0.5 * x * x - 0.5 * y * y + 0.25 * y ** 4 + 0.25, slope: (x, y) => [x, y ** 3 - y],
  },
  plateau: {
    name: "plateau with a hole", x: [-2, 2], y: [-1.4, 1.4], start: [-1.6, 0.6], goals: [[0, 0]],
    loss: (x, y) => 1 - Math.exp(-2 * (x * x + y * y)),
    slope: (x, y) => { const e = 4 * Math.exp(-2 * (x * x + y * y)); return [x * e, y * e]; },
  },
};

/** How each moves one number w with slope g; s is what it remembers of this number, t counts steps from 1. */
const RULES = {
  plain: { name: "Plain", colour: "blue", dash: [], rate: 0.01, move: (w, g, s, t, rate) => w - rate * g },
  momentum: {
    name: "Momentum", colour: "orange", dash: [9, 3], rate: 0.01,
    move: (w, g, s, t, rate, beta) => { s.v = beta * s.v + g; return w - rate * s.v; },
  },
  rmsprop: {
    name: "RMSProp", colour: "green", dash: [2, 3], rate: 0.01,
    move: (w, g, s, t, rate) => { s.q = 0.99 * s.q + 0.01 * g * g; return w - (rate * g) / (Math.sqrt(s.q) + 1e-8); },
  },
  adam: {
    name: "Adam", colour: "pink", dash: [9, 3, 2, 3], rate: 0.01,
    move: (w, g, s, t, rate, beta, corrected) => {
      s.m = beta * s.m + (1 - beta) * g;
      s.q = 0.999 * s.q + 0.001 * g * g;
      const m = corrected ? s.m / (1 - beta ** t) : s.m, q = corrected ? s.q / (1 - 0.999 ** t) : s.q;
      return w - (rate * m) / (Math.sqrt(q) + 1e-8);
    },
  },
};

/** Where one optimiser stands after each step; it ends where the numbers leave all bounds. */
function race(surface, rule, start, { rate, beta, corrected }) {
  const path = [start], memory = [{ v: 0, q: 0, m: 0 }, { v: 0, q: 0, m: 0 }];
  for (let t = 1; t <= LONGEST; t++) {
    const at = path[t - 1], slope = surface.slope(...at);
    const next = at.map((w, i) => rule.move(w, slope[i], memory[i], t, rate, beta, corrected));
    if (!next.every((w) => Math.abs(w) < 1e6)) break;
    path.push(next);
  }
  return path;
}

const distance = (surface, [x, y]) => Math.min(...surface.goals.map(([a, b]) => Math.hypot(x - a, y - b)));

/** The first step from which on the path stays near a lowest point, or null. */
function arrival(surface, path) {
  if (path.length <= LONGEST) return null;
  const within = NEAR * distance(surface, path[0]);
  let t = path.length;
  while (t > 0 && distance(surface, path[t - 1]) <= within) t--;
  return t < path.length ? t : null;
}

function describe(name, surface, path, steps, arrived) {
  if (path.length <= steps) return `${name}: flew off after step ${path.length - 1}`;
  const lost = surface.loss(...path[steps]);
  if (arrived === null) return `${name}: loss ${short(lost)}`;
  return `${name}: loss ${short(lost)}, ${steps < arrived ? "will arrive" : "arrived"} in step ${arrived}`;
}

/** Level lines as dots where the level changes from one cell to the next; drawn once for a size and a theme. */
function levelLines(surface, width, tall, ratio, ink) {
  const made = document.createElement("canvas");
  made.width = Math.max(1, Math.round(width * ratio));
  made.height = Math.max(1, Math.round(tall * ratio));
  const pen = made.getContext("2d"), columns = Math.floor(width / 1.5), rows = Math.floor(tall / 1.5);
  pen.scale(ratio, ratio);
  pen.fillStyle = ink;
  pen.globalAlpha = 0.55;
  const level = (i, j) => {
    const x = surface.x[0] + ((surface.x[1] - surface.x[0]) * (i + 0.5)) / columns;
    const y = surface.y[1] - ((surface.y[1] - surface.y[0]) * (j + 0.5)) / rows;
    return Math.floor(2 * Math.log2(surface.loss(x, y) + 0.004));
  };
  let above = Array.from({ length: columns }, (_, i) => level(i, 0));
  for (let j = 1; j < rows; j++) {
    const row = Array.from({ length: columns }, (_, i) => level(i, j));
    row.forEach((here, i) => {
      if (here !== above[i] || (i && here !== row[i - 1])) pen.fillRect(1.5 * i, 1.5 * j, 1.2, 1.2);
    });
    above = row;
  }
  return made;
}

function render({ model, el }) {
  const { compact = false, surface: first = compact ? "banana" : "valley" } = model.get("config") ?? {};
  const { root, stage, controls, readout } = frame(el, "Optimisers racing on a surface");
  const names = Object.keys(RULES);
  const state = { surface: first, start: [...SURFACES[first].start], steps: LONGEST, beta: 0.9, corrected: true, on: {}, rates: {} };
  const usual = compact ? { plain: 0.001, momentum: 0.0005, rmsprop: 0.02, adam: 0.1 } : {};
  for (const name of names) {
    state.on[name] = true;
    state.rates[name] = usual[name] ?? RULES[name].rate;
  }
  let paths = {}, arrivals = {}, shown = LONGEST, background = null, backgroundKey = "", mapBox = { w: 1, h: 1 };

  const aspect = { valueOf: () => (stage.clientWidth > 520 ? 1.9 : 1.05) };
  const label = "The surface as level lines, with the path of each optimiser, its start and the lowest points; the line of text says where each ends";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    const surface = SURFACES[state.surface], low = 26, ratio = globalThis.devicePixelRatio || 1;
    const w = width, h = tall - low;
    mapBox = { w, h };
    const X = (x) => (w * (x - surface.x[0])) / (surface.x[1] - surface.x[0]);
    const Y = (y) => (h * (surface.y[1] - y)) / (surface.y[1] - surface.y[0]);
    const key = [state.surface, w, h, ratio, paint.grey].join();
    if (key !== backgroundKey) {
      background = levelLines(surface, w, h, ratio, paint.grey);
      backgroundKey = key;
    }
    pen.drawImage(background, 0, 0, w, h);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, w, h);
    pen.clip();
    for (const [x, y] of surface.goals) drawStar(pen, X(x), Y(y), paint.ink);
    for (const name of names) if (state.on[name]) drawPath(pen, paths[name], RULES[name], paint, X, Y);
    pen.fillStyle = paint.ink;
    pen.beginPath();
    pen.arc(X(state.start[0]), Y(state.start[1]), 5.5, 0, 7);
    pen.fill();
    pen.restore();
    drawLegend(pen, w, tall, paint);
  });

  function drawPath(pen, path, { colour, dash }, paint, X, Y) {
    const seen = path.slice(0, shown + 1).filter(([x, y]) => Math.abs(x) < 1e4 && Math.abs(y) < 1e4);
    pen.strokeStyle = pen.fillStyle = paint[colour];
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    seen.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](X(x), Y(y)));
    pen.stroke();
    pen.setLineDash([]);
    const [x, y] = seen.at(-1);
    pen.beginPath();
    pen.arc(X(x), Y(y), 5, 0, 7);
    pen.fill();
    pen.strokeStyle = paint.paper;
    pen.lineWidth = 1;
    pen.stroke();
  }

  function drawStar(pen, x, y, ink) {
    pen.fillStyle = ink;
    pen.beginPath();
    for (let k = 0; k < 10; k++) {
      const size = k % 2 ? 3 : 8, turn = (Math.PI * k) / 5 - Math.PI / 2;
      pen.lineTo(x + size * Math.cos(turn), y + size * Math.sin(turn));
    }
    pen.fill();
  }

  function drawLegend(pen, width, tall, paint) {
    pen.font = "12.5px system-ui, sans-serif";
    pen.textAlign = "left";
    const line = width > 480 ? 30 : 16;
    let x = 2;
    for (const name of names.filter((n) => state.on[n])) {
      pen.strokeStyle = paint[RULES[name].colour];
      pen.lineWidth = 2.5;
      pen.setLineDash(RULES[name].dash);
      pen.beginPath();
      pen.moveTo(x, tall - 9);
      pen.lineTo(x + line, tall - 9);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = paint.ink;
      pen.fillText(RULES[name].name, x + line + 5, tall - 5);
      x += line + 5 + pen.measureText(RULES[name].name).width + 14;
    }
  }

  function compute() {
    const surface = SURFACES[state.surface];
    for (const name of names) {
      paths[name] = race(surface, RULES[name], state.start, { rate: state.rates[name], beta: state.beta, corrected: state.corrected });
      arrivals[name] = arrival(surface, paths[name]);
    }
  }

  function update(tell = true) {
    picture.redraw();
    if (!tell) return;
    const surface = SURFACES[state.surface], running = names.filter((name) => state.on[name]);
    const words = running.map((name) => describe(RULES[name].name, surface, paths[name], state.steps, arrivals[name]));
    const start = `After ${state.steps === 1 ? "1 step" : `${state.steps} steps`}, from a loss of ${short(surface.loss(...state.start))}: `;
    readout.textContent = start + (words.length ? `${words.join("; ")}.` : "nobody runs.");
    const ends = Object.fromEntries(names.map((name) => [name, paths[name][state.steps] ?? null]));
    const firsts = Object.fromEntries(names.map((name) => [name, paths[name][1] ?? null]));
    const { on, rates, ...rest } = state;
    model.set("result", { ...rest, start: [...state.start], on: { ...on }, rates: { ...rates }, ends, firsts, arrivals: { ...arrivals } });
    model.save_changes();
  }

  const settle = () => { film.pause(); compute(); shown = state.steps; readout.setAttribute("aria-live", "polite"); update(); };
  let frames = 0;
  const film = player(root, () => {
    if (++frames % 2) return;
    shown += 1;
    if (shown < state.steps) return update(false);
    if (compact && shown < state.steps + 90) { shown = Math.min(shown, state.steps + 90); return update(false); }
    if (!compact) return settle();
    shown = 0;
  });

  const surfaceOptions = Object.fromEntries(Object.entries(SURFACES).map(([key, { name }]) => [key, name]));
  choice(controls, { label: "Surface", options: surfaceOptions, value: first }, (key) => {
    state.surface = key;
    state.start = [...SURFACES[key].start];
    if (!compact) placeSliders();
    settle();
    if (compact && !calm()) { shown = 0; film.play(); }
  });
  let starts = [];
  function placeSliders() {
    const surface = SURFACES[state.surface];
    starts.forEach((control, i) => {
      const [low, high] = i ? surface.y : surface.x;
      Object.assign(control.input, { min: low, max: high, step: 0.02 });
      control.value = state.start[i];
    });
    state.start = starts.map((control) => Number(control.value.toFixed(2)));
  }
  if (!compact) explore();
  settle();
  if (compact && !calm()) { shown = 0; film.play(); }

  function explore() {
    button(controls, "Run", () => {
      if (calm()) return settle();
      shown = frames = 0;
      readout.setAttribute("aria-live", "off");  // read out at the end, not on the way
      film.play();
    });
    for (const name of names) {
      const { name: title } = RULES[name];
      const row = node("div", { style: "display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; flex-basis: 100%" });
      controls.append(row);
      tick(row, { label: title, value: true }, (x) => { state.on[name] = x; settle(); }).input.parentNode.style.minWidth = "8rem";
      slider(row, { label: `Rate of ${title}`, min: 0.0001, max: 10, step: 0.05, value: state.rates[name], log: true, format: (x) => short(Number(x.toPrecision(2))) }, (x) => { state.rates[name] = x; settle(); });
    }
    slider(controls, { label: "Memory β", min: 0, max: 0.99, step: 0.01, value: 0.9, format: (x) => x.toFixed(2) }, (x) => { state.beta = x; settle(); });
    tick(controls, { label: "Bias correction", value: true }, (x) => { state.corrected = x; settle(); });
    slider(controls, { label: "Steps", min: 1, max: LONGEST, value: LONGEST }, (x) => { state.steps = x; settle(); });
    starts = ["x", "y"].map((axis, i) => slider(controls, { label: `Start ${axis}`, min: -2, max: 2, step: 0.02, value: state.start[i] }, (x) => { state.start[i] = Number(x.toFixed(2)); settle(); }));
    placeSliders();
    picture.element.style.cursor = "crosshair";
    picture.element.addEventListener("click", (event) => {
      const box = picture.element.getBoundingClientRect(), surface = SURFACES[state.surface];
      const across = (event.clientX - box.left) / mapBox.w, down = (event.clientY - box.top) / mapBox.h;
      if (down > 1) return;
      starts[0].value = surface.x[0] + across * (surface.x[1] - surface.x[0]);
      starts[1].value = surface.y[1] - down * (surface.y[1] - surface.y[0]);
      state.start = starts.map((control) => Number(control.value.toFixed(2)));
      settle();
    });
  }

  return () => { film.stop(); picture.stop(); };
}

export default { render };
