// The loss over the weights of two real columns, body mass index and s5 of the diabetes table, centred. It is a bowl:
// loss(w) = floor + ½ (w − goal)ᵀ H (w − goal). Everything below is computed from H and the goal.
const FLOOR = 3205.190077;
// `rates` spans about 0.05 to 1.1 of each bowl's limit of stability.
const BOWLS = {
  raw: { H: [[38.95127137, 2.05478582], [2.05478582, 0.54454899]], goal: [7.27600054, 56.05638703], half: [15, 75], rates: { min: 0.0025, max: 0.0563, step: 0.0001 }, digits: 4 },
  scaled: { H: [[2, 0.89231308], [0.89231308, 2]], goal: [32.10986972, 29.25018278], half: [46, 42], rates: { min: 0.035, max: 0.76, step: 0.001 }, digits: 3 },
};
const FAR = 2000;  // steps to look ahead for the arrival
const BOUND = 100;  // an excess of so many times the starting one has flown off

/** Curvatures and directions of a symmetric 2 × 2 matrix, the steep one first. */
function axesOf([[a, b], [, d]]) {
  const middle = (a + d) / 2, spread = Math.hypot((a - d) / 2, b);
  return [middle + spread, middle - spread].map((curvature) => {
    const [x, y] = Math.abs(curvature - d) > Math.abs(curvature - a) ? [curvature - d, b] : [b, curvature - a];
    const length = Math.hypot(x, y);
    return { curvature, direction: [x / length, y / length] };
  });
}

const excess = ({ H, goal }, [x, y]) => {
  const e = x - goal[0], f = y - goal[1];
  return 0.5 * (H[0][0] * e * e + 2 * H[0][1] * e * f + H[1][1] * f * f);
};

function step({ H, goal }, [x, y], rate) {
  const e = x - goal[0], f = y - goal[1];
  return [x - rate * (H[0][0] * e + H[0][1] * f), y - rate * (H[1][0] * e + H[1][1] * f)];
}

/** Everything that the figure shows for one setting. */
function walk(columns, rate, start, steps) {
  const bowl = BOWLS[columns], axes = axesOf(bowl.H), first = excess(bowl, start);
  const limit = 2 / axes[0].curvature, path = [start];
  let arrives = null, leaves = null, w = start;
  for (let t = 1; t <= FAR; t++) {
    w = step(bowl, w, rate);
    if (t <= steps) path.push(w);
    const left = excess(bowl, w) / first;
    if (arrives === null && left <= 0.01) arrives = t;
    if (leaves === null && left > BOUND) leaves = t;
    if (((arrives !== null && rate < limit) || leaves !== null) && t >= steps) break;
  }
  // by the formula, not from the path: far out, rounding of the steep axis would drown the flat one
  const share = axes.map(({ curvature }) => Math.abs(1 - rate * curvature) ** steps);
  const left = first === 0 ? 0 : excess(bowl, path.at(-1)) / first;
  return { axes, path, limit, arrives, leaves, steep: share[0], flat: share[1], left, loss: FLOOR + excess(bowl, path.at(-1)) };
}

const GONE = "past all bounds", LOWEST = Math.round(FLOOR);
const percent = (x) => (x > 1000 ? GONE : x > 10 ? `${short(x)} times` : x < 0.0001 ? "under 0.01 %" : `${short(100 * x)} %`);
const inSteps = (n) => `${n} step${n === 1 ? "" : "s"}`;
const asRate = (columns, rate) => rate.toFixed(BOWLS[columns].digits);

/** In words: where the walk stands, whether and when it arrives, the best so far (null: none has arrived). */
function sentence(columns, rate, steps, found, best) {
  const share = rate / found.limit, near = Math.abs(share - 1) < 0.0005;
  const now = found.left > BOUND ? GONE
    : found.left > 1 ? `${short(found.loss)}, its excess over the lowest, ${LOWEST}, ${short(found.left)} times the starting one`
    : `${short(found.loss)}: ${percent(found.left)} of the starting excess over the lowest, ${LOWEST}, is left`;
  return [
    `Rate ${asRate(columns, rate)} is ${share.toFixed(near ? 5 : 3)} of the limit ${short(found.limit)}.`,
    `After ${inSteps(steps)} the loss is ${now}.`,
    outcome(share, found),
    best ? `Best so far from this start: ${inSteps(best.steps)}, at rate ${asRate(columns, best.rate)}.` : "",
  ].join(" ").trim();
}

function outcome(share, { arrives, leaves }) {
  if (share < 1) return arrives === null ? `Still not within 1 % after ${FAR} steps.` : `It is within 1 % after ${inSteps(arrives)}.`;
  const passing = arrives === null ? "" : `It is within 1 % after ${inSteps(arrives)} and does not stay. `;
  return `${passing}It diverges: ${leaves === null ? "slowly" : `${GONE} (over ${BOUND} times the starting excess) after ${inSteps(leaves)}`}.`;
}

function drawMap(pen, box, columns, found, paint) {
  const bowl = BOWLS[columns];
  const [cx, cy] = bowl.goal, [hx, hy] = bowl.half;
  const X = (x) => box.x + box.w * (0.5 + (x - cx) / (2 * hx));
  const Y = (y) => box.y + box.h * (0.5 - (y - cy) / (2 * hy));
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.w, box.h);
  pen.clip();
  pen.strokeStyle = paint.grey;
  for (let level = 0; level < 7; level++) {
    pen.globalAlpha = 0.9 - 0.07 * level;
    const height = 12 * 2.6 ** level;
    pen.beginPath();
    for (let k = 0; k <= 90; k++) {
      const turn = (2 * Math.PI * k) / 90;
      const reach = found.axes.map(({ curvature }, i) => Math.sqrt((2 * height) / curvature) * (i ? Math.sin(turn) : Math.cos(turn)));
      const point = [0, 1].map((i) => bowl.goal[i] + reach[0] * found.axes[0].direction[i] + reach[1] * found.axes[1].direction[i]);
      pen[k ? "lineTo" : "moveTo"](X(point[0]), Y(point[1]));
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
  const seen = found.path.filter(([x, y]) => Math.abs(x) < 1e5 && Math.abs(y) < 1e5);
  pen.strokeStyle = pen.fillStyle = paint.blue;
  pen.lineWidth = 1.4;
  pen.beginPath();
  seen.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](X(x), Y(y)));
  pen.stroke();
  seen.forEach(([x, y], i) => {
    pen.beginPath();
    pen.arc(X(x), Y(y), i ? 2.4 : 5, 0, 7);
    pen.fill();
  });
  pen.fillStyle = paint.orange;
  pen.beginPath();
  for (let k = 0; k < 10; k++) {
    const size = k % 2 ? 3.5 : 9, turn = (Math.PI * k) / 5 - Math.PI / 2;
    pen.lineTo(X(cx) + size * Math.cos(turn), Y(cy) + size * Math.sin(turn));
  }
  pen.fill();
  pen.restore();
  pen.strokeStyle = paint.grey;
  pen.lineWidth = 1;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  pen.fillStyle = paint.ink;
  pen.textAlign = "center";
  for (const x of columns === "raw" ? [0, 10, 20] : [0, 20, 40, 60]) pen.fillText(x, X(x), box.y + box.h + 15);
  pen.fillText("weight of bmi", box.x + box.w / 2, box.y + box.h + 31);
  pen.textAlign = "right";
  for (const y of columns === "raw" ? [0, 40, 80, 120] : [0, 20, 40, 60]) pen.fillText(y, box.x - 5, Y(y) + 4);
  pen.save();
  pen.translate(box.x - 34, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText("weight of s5", 0, 0);
  pen.restore();
}

/** The error that is left along the steep and the flat axis, as a share of the start; the mark is the start. */
function drawBars(pen, box, found, paint) {
  pen.textAlign = "left";
  pen.fillStyle = paint.ink;
  pen.fillText("error left (the mark: at the start)", box.x, box.y + 12);
  [["steep axis", found.steep], ["flat axis", found.flat]].forEach(([name, share], i) => {
    const y = box.y + 36 + 44 * i, full = box.w / 1.5;
    pen.fillStyle = paint.ink;
    pen.fillText(`${name}: ${percent(share)}`, box.x, y);
    pen.fillStyle = share > 1 ? paint.orange : paint.blue;
    pen.fillRect(box.x, y + 6, Math.min(share, 1.5) * full, 12);
    pen.fillStyle = paint.grey;
    pen.fillRect(box.x + full, y + 3, 1, 18);
  });
}

function render({ model, el }) {
  const { compact = false, scaled = false, rate: first = 0.046, steps: count = 20 } = model.get("config") ?? {};
  const { root, stage, controls, readout } = frame(el, "Gradient descent on a real loss surface");
  const state = { columns: scaled ? "scaled" : "raw", start: [0, 0], rate: first, steps: count };
  const records = {};  // the fewest steps and their rate, for each choice of columns and start
  let shown = state.steps, found, mapBox;

  // broad beside its bars, tall above them: the aspect is asked for at every drawing
  const aspect = { valueOf: () => (stage.clientWidth > 520 ? stage.clientWidth / 350 : compact ? 1.25 : 0.82) };
  const label = "Map of the loss over two weights with the path of gradient descent; the line of text says what it shows";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    pen.font = "12.5px system-ui, sans-serif";
    const wide = width > 520;
    const left = 46, bottom = 38;
    mapBox = wide ? { x: left, y: 6, w: Math.min(width * 0.62, 430) - left, h: tall - bottom - 6 } : { x: left, y: 6, w: width - left - 8, h: tall - bottom - (compact ? 6 : 132) };
    drawMap(pen, mapBox, state.columns, found, paint);
    if (wide) drawBars(pen, { x: mapBox.x + mapBox.w + 28, y: 24, w: width - mapBox.x - mapBox.w - 36 }, found, paint);
    else if (!compact) drawBars(pen, { x: 8, y: tall - 118, w: width - 16 }, found, paint);
  });

  /** Keep the best walk from this start; null while none has arrived to stay. */
  function record() {
    const key = `${state.columns} ${state.start}`, { arrives, limit } = found;
    const better = arrives !== null && state.rate < limit && !(records[key]?.steps <= arrives);
    if (better) records[key] = { steps: arrives, rate: state.rate };
    return records[key] ?? null;
  }

  function update(speak = true) {
    found = walk(state.columns, state.rate, state.start, shown);
    const best = record();
    picture.redraw();
    if (speak) readout.textContent = sentence(state.columns, state.rate, shown, found, compact ? null : best);
    const { limit, arrives, leaves, steep, flat, left, loss, path } = found;
    model.set("result", { ...state, start: [...state.start], steps: shown, limit, arrives, leaves, steep, flat, left, loss, end: path.at(-1), best });
    model.save_changes();
  }

  const film = player(root, () => {
    if (++frames % (compact ? 7 : 4)) return;
    if (shown < state.steps) shown += 1;
    else if (!compact) film.pause();
    else if (frames > 7 * (state.steps + 12)) {
      frames = shown = 0;
      rateControl.value = tour[++stop % tour.length];
      state.rate = rateControl.value;
    }
    update(shown === state.steps);
  });
  let frames = 0, stop = 0;
  const tour = [0.046, 0.0525, 0.01];
  const settle = () => { film.pause(); shown = state.steps; update(); };

  // a native range: an arrow key moves by one fine step, page up and page down by a tenth of the range
  const rates = BOWLS[state.columns].rates;
  const rateControl = slider(controls, { label: "Learning rate", ...rates, value: first, format: (x) => asRate(state.columns, x) }, (x) => { state.rate = x; settle(); });
  rateControl.input.style.width = "17rem";
  state.rate = rateControl.value;  // the slider snaps to its own steps
  if (!compact) explore();
  update();
  if (compact && !calm()) {
    shown = 0;
    film.play();
  }

  function explore() {
    const ranges = () => {
      const { goal, half } = BOWLS[state.columns];
      starts.forEach(({ input }, i) => Object.assign(input, { min: Math.ceil(goal[i] - half[i]), max: Math.floor(goal[i] + half[i]) }));
    };
    const startAt = (point) => {
      starts.forEach((control, i) => { control.value = point[i]; });
      state.start = starts.map((control) => control.value);  // the slider keeps it in its range
      settle();
    };
    choice(controls, { label: "Columns", options: { raw: "raw", scaled: "scaled" }, value: state.columns }, (x) => {
      const share = state.rate / found.limit;
      state.columns = x;
      Object.assign(rateControl.input, BOWLS[x].rates);
      rateControl.value = share * (2 / axesOf(BOWLS[x].H)[0].curvature);  // the same share of the other limit
      state.rate = rateControl.value;
      ranges();
      startAt([0, 0]);
    });
    slider(controls, { label: "Steps", min: 1, max: 300, value: state.steps }, (x) => { state.steps = x; settle(); });
    const starts = ["bmi", "s5"].map((name, i) => slider(controls, { label: `Start: weight of ${name}`, min: -100, max: 140, value: 0 }, (x) => { state.start[i] = x; settle(); }));
    ranges();
    button(controls, "Walk again", () => {
      if (calm()) return settle();
      shown = frames = 0;
      update(false);
      film.play();
    });
    const help = "Drag the large dot to move the start, or click a place on the map; the two start sliders do the same from the keyboard.";
    readout.before(node("p", { style: "margin: 0.6rem 0 0; color: var(--lm-grey)" }, help));
    draggable(startAt);
  }

  /** The start follows the pointer; a finger that does not touch the dot scrolls the page. */
  function draggable(startAt) {
    const { element } = picture;
    const place = (event) => {
      const box = element.getBoundingClientRect(), { goal, half } = BOWLS[state.columns];
      const across = (event.clientX - box.left - mapBox.x) / mapBox.w, down = (event.clientY - box.top - mapBox.y) / mapBox.h;
      const inside = across >= 0 && across <= 1 && down >= 0 && down <= 1;
      const dot = state.start.map((w, i) => 0.5 + (i ? -1 : 1) * (w - goal[i]) / (2 * half[i]));
      const touches = Math.hypot((across - dot[0]) * mapBox.w, (down - dot[1]) * mapBox.h) < 24;
      return { inside, touches, point: [goal[0] + (2 * across - 1) * half[0], goal[1] + (1 - 2 * down) * half[1]].map(Math.round) };
    };
    let dragged = false;
    element.addEventListener("pointerdown", (event) => {
      dragged = place(event).touches;
      if (dragged) element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      const { touches, inside, point } = place(event);
      element.style.cursor = dragged || touches ? "move" : inside ? "crosshair" : "";
      if (dragged) startAt(point);
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { dragged = false; });
    element.addEventListener("touchstart", (event) => { if (place(event.touches[0]).touches) event.preventDefault(); }, { passive: false });
    element.addEventListener("click", (event) => { if (place(event).inside) startAt(place(event).point); });
  }

  return () => { film.stop(); picture.stop(); };
}

export default { render };
