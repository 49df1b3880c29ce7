// A computation graph that the reader steps through: values on the way forward, blame on the way back.

// Arithmetic: an operation gives its value and the slope towards each parent. Fixed numbers (k) are not nodes.
const OPERATIONS = {
  "+": { value: ([a, b]) => a + b, slopes: () => [1, 1] },
  "−": { value: ([a, b]) => a - b, slopes: () => [1, -1] },
  "×": { value: ([a, b]) => a * b, slopes: ([a, b]) => [b, a] },
  plus: { value: ([a], k) => a + k, slopes: () => [1] },
  times: { value: ([a], k) => a * k, slopes: (_, k) => [k] },
  power: { value: ([a], k) => a ** k, slopes: ([a], k) => [k * a ** (k - 1)] },
  over: { value: ([a], k) => k / a, slopes: ([a], k) => [-k / a ** 2] },
  relu: { value: ([a]) => Math.max(a, 0), slopes: ([a]) => [a > 0 ? 1 : 0] },
  sigmoid: { value: ([a]) => 1 / (1 + Math.exp(-a)), slopes: ([a], _, y) => [y * (1 - y)] },
  "−ln": { value: ([a]) => -Math.log(a), slopes: ([a]) => [-1 / a] },
};

// A graph: inputs with their start (and the range of a slider), then lines "name = operation parents k".
const GRAPHS = {
  coffee: {
    title: "Coffee: takings = price × (10 − 2 × price)",
    inputs: { price: [3, 0, 5, 0.1] },
    lines: ["−2·price = times price -2", "cups = plus −2·price 10", "takings = × price cups"],
  },
  neuron: {
    title: "A neuron that should say yes: loss = −ln σ(w₁x₁ + w₂x₂ + b)",
    inputs: { "x₁": [1, -4, 4, 0.1], "w₁": [1], "x₂": [1, -4, 4, 0.1], "w₂": [-2], b: [0.5] },
    lines: ["w₁x₁ = × x₁ w₁", "w₂x₂ = × x₂ w₂", "sum = + w₁x₁ w₂x₂", "z = + sum b", "ŷ = sigmoid z", "loss = −ln ŷ"],
  },
  micrograd: {
    title: "micrograd's expression",
    inputs: { a: [-4, -6, 6, 0.5], b: [2, -6, 6, 0.5] },
    lines: [
      "c = + a b", "ab = × a b", "b³ = power b 3", "d = + ab b³", "c+1 = plus c 1", "c′ = + c c+1", "1+c′ = plus c′ 1",
      "−a = times a -1", "rest = + 1+c′ −a", "c″ = + c′ rest", "2d = times d 2", "b+a = + b a", "relu₁ = relu b+a",
      "2d+relu₁ = + 2d relu₁", "d′ = + d 2d+relu₁", "3d′ = times d′ 3", "b−a = − b a", "relu₂ = relu b−a",
      "3d′+relu₂ = + 3d′ relu₂", "d″ = + d′ 3d′+relu₂", "e = − c″ d″", "f = power e 2", "f/2 = times f 0.5",
      "10/f = over f 10", "g = + f/2 10/f",
    ],
  },
};

function read(graph) {
  const nodes = Object.keys(graph.inputs).map((name) => ({ name, parents: [], depth: 0 }));
  const index = new Map(nodes.map((n, i) => [n.name, i]));
  for (const line of graph.lines) {
    const [name, recipe] = line.split(" = ");
    const words = recipe.split(" ");
    const binary = "+−×".includes(words[0]);
    const parents = words.slice(1, binary ? 3 : 2).map((word) => index.get(word));
    index.set(name, nodes.length);
    nodes.push({ name, operation: words[0], parents, k: Number(words[2]), depth: 1 + Math.max(...parents.map((p) => nodes[p].depth)) });
  }
  return nodes;
}

/** Values, slopes towards the parents, and blames; `last` keeps only the last product that a node receives. */
function compute(nodes, inputs, last) {
  const values = [], slopes = [], terms = nodes.map(() => []), blames = nodes.map(() => 0);
  nodes.forEach(({ name, operation, parents, k }, i) => {
    const from = parents.map((p) => values[p]);
    values[i] = operation ? OPERATIONS[operation].value(from, k) : inputs[name];
    slopes[i] = operation ? OPERATIONS[operation].slopes(from, k, values[i]) : [];
  });
  for (let i = nodes.length - 1; i >= 0; i--) {
    const received = terms[i].map(({ child, slope }) => blames[child] * slope);
    blames[i] = i === nodes.length - 1 ? 1 : last ? received.at(-1) : received.reduce((sum, x) => sum + x, 0);
    nodes[i].parents.forEach((p, j) => terms[p].push({ child: i, slope: slopes[i][j] }));
  }
  return { values, slopes, terms, blames };
}

/** Three digits, or as many as it takes to tell 0.9999 from 1. */
function number(x, digits = 3) {
  if (digits < 9 && Math.abs(x) < 1 && Math.abs(Number(x.toPrecision(digits))) === 1) return number(x, digits + 1);
  return (digits > 3 ? x.toPrecision(digits) : short(Math.abs(x) < 1e-12 ? 0 : x)).replaceAll("-", "−");
}

const factor = (x) => (x < 0 ? `(${number(x)})` : number(x));
const WIDE = 80, HIGH = 38, STRIDE = 112, ROW = 74;

/** Columns by depth; within a column near the parents, and never on top of each other. */
function layout(nodes) {
  const columns = [];
  nodes.forEach((n, i) => (columns[n.depth] ??= []).push(i));
  const y = [];
  for (const column of columns) {
    const wish = (i) => nodes[i].parents.length ? nodes[i].parents.reduce((s, p) => s + y[p], 0) / nodes[i].parents.length : i * ROW;
    column.sort((i, j) => wish(i) - wish(j));
    let floor = -Infinity;
    for (const i of column) floor = y[i] = Math.max(wish(i), floor + ROW);
    const shift = column.reduce((s, i) => s + wish(i) - y[i], 0) / column.length;
    for (const i of column) y[i] += shift;
  }
  const raw = nodes.map((n, i) => ({ x: 4 + n.depth * STRIDE, y: y[i] }));
  const bends = nodes.flatMap((n, i) => n.parents.map((p) => route(raw[p], raw[i], false).at.y));
  const top = Math.min(...y.map((v) => v - 6), ...bends.map((v) => v - 16));
  const bottom = Math.max(...y.map((v) => v + HIGH + 26), ...bends.map((v) => v + 10));
  const places = raw.map(({ x, y }) => ({ x, y: y - top }));
  return { places, width: columns.length * STRIDE - STRIDE + WIDE + 8, height: bottom - top };
}

/** From the right side of the parent to the left of the child; a long arrow makes a bow over (or under) what lies between. */
function route(from, to, twin) {
  const span = Math.round((to.x - from.x) / STRIDE);
  if (span < 2) {
    const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x - 2, to.y + HIGH / 2];
    const reach = (x2 - x1) / 2, lift = twin ? -34 : 0;
    return curve([x1, y1], [x1 + reach, y1 - lift], [x2 - reach, y2 - lift], [x2, y2], { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 8 + lift * 0.75 });
  }
  const under = from.y > to.y + 10, side = under ? HIGH * 0.8 : 0; // below a box stands its blame
  const lift = (under ? -1 : 1) * (30 + 10 * span);
  const [x1, y1, x2, y2] = [from.x + WIDE * (under ? 1 : 0.7), from.y + side, to.x + (under ? -2 : WIDE * 0.25), to.y + side];
  const reach = (x2 - x1) / 4;
  const at = { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 0.75 * lift - 5 };
  return curve([x1, y1], [x1 + reach, y1 - lift], [x2 - reach, y2 - lift], [x2, y2], at);
}

/** An arrow: its line, which ends where the head begins, the head, and the place of its label. */
function curve(start, leave, arrive, end, at) {
  const [dx, dy] = [end[0] - arrive[0], end[1] - arrive[1]], far = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [(dx / far) * 7, (dy / far) * 7];
  const neck = [end[0] - ux, end[1] - uy], corner = (side) => `${neck[0] - side * uy * 0.5},${neck[1] + side * ux * 0.5}`;
  return { path: `M${start} C${leave} ${arrive} ${neck}`, head: `${end} ${corner(1)} ${corner(-1)}`, at };
}

/** Labels on their arrows, each a line higher than those it would lie on. */
function apart(labels) {
  const placed = [];
  for (const label of labels.sort((a, b) => b.y - a.y)) {
    let crowd;
    while ((crowd = placed.find((other) => Math.abs(other.x - label.x) < 56 && Math.abs(other.y - label.y) < 14))) label.y = crowd.y - 14;
    placed.push(label);
  }
  return placed;
}

const paint = (property, colour) => `${property}: var(--lm-${colour})`;

function picture(nodes, { places, width, height }, computed, { shown, blamed, current, asked, shrink }) {
  const drawing = vector("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style: `min-width: ${Math.round(width * shrink)}px; max-width: ${Math.round(width * 1.35)}px; font-size: 12px` });
  drawing.setAttribute("aria-label", "The graph as a picture; the list below says the same in words.");
  const boxes = vector("g"), labels = vector("g"), slopes = [];
  nodes.forEach((n, i) => n.parents.forEach((p, j) => {
    const next = asked === p, backward = blamed(i) && (current === p || next), forward = !blamed(nodes.length - 1) && current === i;
    const { path, head, at } = route(places[p], places[i], j === 1 && n.parents[0] === p);
    // a fan of short arrows is bundled at one end: its labels stand at the other
    const wide = nodes[i].depth - nodes[p].depth < 2, near = wide && backward ? places[i].y + 11 : wide && forward ? places[p].y + 11 : null;
    const colour = backward ? "orange" : forward ? "blue" : "line", dashes = next && backward ? "5 4" : "none";
    boxes.append(vector("path", { d: path, fill: "none", "stroke-width": colour === "line" ? 1.4 : 2.6, "stroke-dasharray": dashes, style: paint("stroke", colour) }));
    boxes.append(vector("polygon", { points: head, style: paint("fill", colour === "line" ? "grey" : colour) }));
    if (backward || forward || (nodes.length < 8 && shown(i))) slopes.push({ x: at.x, y: near ?? at.y, text: `× ${number(computed.slopes[i][j])}` });
  }));
  for (const { x, y, text } of apart(slopes)) {
    const made = vector("text", { x, y, "text-anchor": "middle", "stroke-width": 4, "paint-order": "stroke", style: `${paint("fill", "ink")}; ${paint("stroke", "paper")}` });
    made.textContent = text;
    labels.append(made);
  }
  nodes.forEach(({ name }, i) => {
    const { x, y } = places[i], here = i === current, next = i === asked;
    const box = vector("rect", { x, y, width: WIDE, height: HIGH, rx: 7, "stroke-width": here || next ? 2.6 : 1.2, "stroke-dasharray": next ? "5 4" : "none" });
    const edge = next || (here && blamed(nodes.length - 1)) ? "orange" : here ? "blue" : "grey";
    box.setAttribute("style", `${paint("fill", "paper")}; ${paint("stroke", edge)}`);
    boxes.append(box);
    const line = (text, dy, style) => {
      const made = vector("text", { x: x + WIDE / 2, y: y + dy, "text-anchor": "middle", style });
      made.textContent = text;
      boxes.append(made);
    };
    line(name, 15, paint("fill", "grey"));
    if (shown(i)) line(number(computed.values[i]), 31, `${paint("fill", "ink")}; font-weight: 600`);
    if (next) line("blame ?", HIGH + 14, paint("fill", "ink"));
    if (blamed(i)) {
      boxes.append(vector("rect", { x: x + 8, y: y + HIGH + 18, width: WIDE - 16, height: 2.5, style: paint("fill", "orange") }));
      line(`blame ${number(computed.blames[i])}`, HIGH + 14, paint("fill", "ink"));
    }
  });
  drawing.append(boxes, labels);
  return drawing;
}

function render({ model, el }) {
  const { graph: first = "coffee", compact = false } = model.get("config") ?? {};
  const { root, stage, controls, readout } = frame(el, "Step through a computation graph");
  let name, nodes, plan, inputs, computed, step = 0, last = false, told = "", guess, previous, next, end, list;
  const typed = () => guess?.value.trim().replace("−", "-").replace(",", ".");
  Object.assign(stage, { tabIndex: 0, role: "group" });
  const forwards = () => nodes.filter((n) => n.operation).length, steps = () => forwards() + nodes.length;
  const inputCount = () => nodes.length - forwards();
  const shown = (i) => i < inputCount() + step;
  const blamed = (i) => step > forwards() && i >= nodes.length - (step - forwards());
  const askedNode = () => (!compact && step >= forwards() ? nodes.length - 1 - (step - forwards()) : -1); // −1 at the end, too
  const currentNode = () => (step === 0 ? -1 : step <= forwards() ? inputCount() + step - 1 : nodes.length - (step - forwards()));

  function sentence() {
    const i = currentNode();
    if (i < 0) return compact ? "Only the inputs are known." : "Only the inputs are known. Press Next.";
    const { name: label, parents } = nodes[i];
    if (step <= forwards()) {
      return `Forward ${step} of ${forwards()}: ${label} is ${number(computed.values[i])}, made from ${parents.map((p) => `${nodes[p].name} (${number(computed.values[p])})`).join(" and ")}.`;
    }
    const count = `Back ${step - forwards()} of ${nodes.length}: `;
    const terms = computed.terms[i];
    if (!terms.length) return `${count}${label} is the result; its blame for itself is 1.`;
    const products = terms.map(({ child, slope }) => computed.blames[child] * slope);
    const factors = terms.map(({ child, slope }, j) => `${(j ? factor : number)(computed.blames[child])} × ${factor(slope)} (${nodes[child].name})`);
    if (last && terms.length > 1) return `${count}${label} keeps only the last of ${terms.length} products, ${factors.at(-1).replace(/^\((.+?)\)/, "$1")} = ${number(products.at(-1))}.`;
    const sum = products.length > 1 ? ` = ${products.map((x, j) => (j ? (x < 0 ? `− ${number(-x)}` : `+ ${number(x)}`) : number(x))).join(" ")}` : "";
    return `${count}blame of ${label} = ${factors.join(" + ")}${sum} = ${number(computed.blames[i])}.`;
  }

  const summary = () => `The blames of the inputs: ${nodes.slice(0, inputCount()).map(({ name: label }, i) => `${label} ${number(computed.blames[i])}`).join(", ")}.`;

  function draw() {
    computed = compute(nodes, inputs, last);
    const current = currentNode(), asked = askedNode(), at = stage.scrollLeft;
    show(stage, picture(nodes, plan, computed, { shown, blamed, current, asked, shrink: compact ? 0.5 : 0.8 }));
    stage.scrollLeft = at;
    if (current >= 0) {
      const scale = stage.firstChild.clientWidth / plan.width || 1;
      const x = plan.places[current].x * scale, room = stage.clientWidth - WIDE * scale - 40;
      if (x < stage.scrollLeft + 20 || x > stage.scrollLeft + room) stage.scrollLeft = x - room / 2;
    }
    readout.textContent = told + sentence() + (step === steps() && inputCount() > 1 ? ` ${summary()}` : "");
    if (!compact) {
      previous.disabled = step === 0;
      next.disabled = end.disabled = step === steps();
      Object.assign(guess, { disabled: asked < 0, value: "" });
      guess.labels[0].textContent = `Guess the ${asked < 0 ? "next blame" : `blame of ${nodes[asked].name}`}, to two digits`;
      show(list, ...nodes.map((n, i) => node("li", {}, n.name + (shown(i) ? ` = ${number(computed.values[i])}` : "")
        + n.parents.map((p, j) => `${j ? "," : "; from"} ${nodes[p].name}${shown(i) ? ` (slope ${number(computed.slopes[i][j])})` : ""}`).join("")
        + (blamed(i) ? `; blame ${number(computed.blames[i])}` : ""))));
    }
    const pick = (from, known) => Object.fromEntries(nodes.flatMap((n, i) => (known(i) ? [[n.name, from[i]]] : [])));
    model.set("result", { graph: name, step, steps: steps(), last, inputs: { ...inputs }, values: pick(computed.values, shown), blames: pick(computed.blames, blamed) });
    model.save_changes();
  }

  function go(to) {
    const said = typed(), asked = to === step + 1 && step >= forwards() && step < steps() && said;
    step = Math.max(0, Math.min(steps(), to));
    told = "";
    if (asked && Number.isFinite(Number(said))) {
      const right = computed.blames[currentNode()];
      const near = Math.abs(Number(said) - right) <= Math.max(0.005, 0.05 * Math.abs(right));
      told = `You guessed ${number(Number(said))}: ${near ? "right" : "not quite"}. `;
    }
    draw();
  }

  /** Enter in the box: a number is judged, nothing steps on, anything else waits to be mended. */
  function enter() {
    if (Number.isFinite(Number(typed()))) return go(step + 1);
    readout.textContent = `A guess is a number, such as −6. ${sentence()}`;
  }

  function choose(which) {
    name = which;
    plan = layout(nodes = read(GRAPHS[name]));
    inputs = Object.fromEntries(Object.entries(GRAPHS[name].inputs).map(([key, [start]]) => [key, start]));
    stage.setAttribute("aria-label", GRAPHS[name].title);
    step = stage.scrollLeft = 0;
    told = "";
    knobs.replaceChildren();
    for (const [key, [value, min, max, by]] of Object.entries(GRAPHS[name].inputs)) {
      if (by) slider(knobs, { label: key, min, max, step: by, value }, (x) => { inputs[key] = x; told = ""; draw(); });
    }
    draw();
  }

  const knobs = node("div", { class: "lm-controls", style: "margin-top: 0" });
  if (!compact) {
    const titles = { coffee: "Coffee", neuron: "A neuron that should say yes", micrograd: "micrograd's expression" };
    choice(controls, { label: "Graph", options: titles, value: first }, choose);
    previous = button(controls, "Previous", () => go(step - 1));
    next = button(controls, "Next", () => go(step + 1));
    end = button(controls, "To the end", () => go(steps()));
    button(controls, "Start again", () => go(0));
    guess = node("input", { type: "text", inputmode: "decimal", id: freshId(), size: 6, style: "font: inherit; color: inherit; background: transparent; border: 1px solid var(--lm-grey); border-radius: 4px; padding: 0.15rem 0.4rem; min-height: 24px" });
    controls.append(node("div", { class: "lm-control", style: "flex-wrap: wrap" }, node("label", { for: guess.id }), guess));
    guess.addEventListener("keydown", (event) => { if (event.key === "Enter") enter(); });
    tick(controls, { label: "keep the last path only" }, (on) => { last = on; told = ""; draw(); });
    list = node("ol", { style: "margin: 0.4rem 0 0; padding-left: 2.2rem" });
    root.append(node("details", { style: "margin-top: 0.5rem" }, node("summary", {}, "The graph as a list"), list));
    for (const part of [stage, previous, next]) {
      part.addEventListener("keydown", (event) => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (move) { event.preventDefault(); go(step + move); }
      });
    }
  }
  controls.append(knobs);
  choose(compact ? "coffee" : first);
  if (!compact) return () => {};
  let frames = 0;
  const film = player(root, () => { if (++frames % 80 === 0) go(step === steps() ? 0 : step + 1); });
  if (calm()) go(steps()); else film.play();
  return () => film.stop();
}

export default { render };
