// Shared by every interactive figure: the frame, labelled native controls, colours that follow the theme, drawing.

/** A figure's frame inside `el`: a named group with a stage, controls, and a line of text that is read out. */
function frame(el, label) {
  const root = node("div", { class: "lm-figure", role: "group", "aria-label": label });
  const stage = node("div", { class: "lm-stage" });
  const controls = node("div", { class: "lm-controls" });
  const readout = node("p", { class: "lm-readout", "aria-live": "polite" });
  root.append(stage, controls, readout);
  el.append(root);
  return { root, stage, controls, readout };
}

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The same for SVG: `vector("line", { x1: 0 })`. */
function vector(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Replace what `parent` shows without a flash. */
const show = (parent, ...children) => parent.replaceChildren(...children);

/** An id that no other figure of the page has: each figure is a module with its own copy of these functions. */
function freshId() {
  globalThis.lmControls = (globalThis.lmControls ?? 0) + 1;
  return `lm-control-${globalThis.lmControls}`;
}

/** A labelled native range. With `log`, min, max and value are given as they are and the slider moves in powers. */
function slider(parent, { label, min, max, step, value, log = false, format = short }, onInput) {
  const id = freshId();
  const [into, out] = log ? [Math.log10, (x) => 10 ** x] : [(x) => x, (x) => x];
  const input = node("input", { type: "range", id, min: into(min), max: into(max), step: step ?? (log ? 0.02 : 1) });
  const output = node("output", { for: id });
  const read = () => out(Number(input.value));
  const tell = () => {
    output.textContent = format(read());
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.value = into(value);
  input.addEventListener("input", () => { tell(); onInput(read()); });
  parent.append(node("div", { class: "lm-control" }, node("label", { for: id }, label), input, output));
  tell();
  return { input, get value() { return read(); }, set value(x) { input.value = into(x); tell(); } };
}

/** A labelled native choice; `options` maps values to what is shown. */
function choice(parent, { label, options, value }, onChange) {
  const id = freshId();
  const input = node("select", { id });
  for (const [key, text] of Object.entries(options)) input.append(node("option", { value: key }, text));
  input.value = value;
  input.addEventListener("change", () => onChange(input.value));
  parent.append(node("div", { class: "lm-control" }, node("label", { for: id }, label), input));
  return { input, get value() { return input.value; }, set value(x) { input.value = x; } };
}

/** A labelled tick box. */
function tick(parent, { label, value = false }, onChange) {
  const input = node("input", { type: "checkbox" });
  input.checked = value;
  input.addEventListener("change", () => onChange(input.checked));
  parent.append(node("label", { class: "lm-control lm-tick" }, input, label));
  return { input, get value() { return input.checked; }, set value(x) { input.checked = x; } };
}

function button(parent, label, onClick) {
  const made = node("button", { type: "button", class: "lm-button" }, label);
  made.addEventListener("click", onClick);
  parent.append(made);
  return made;
}

/** The colours of the page as it is now: ink, grey, paper and the six of minilib.plot. */
function colours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--lm-${name}`).trim();
  const names = ["ink", "grey", "paper", "blue", "orange", "green", "pink", "sky", "amber"];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** A canvas of width × height drawn in CSS pixels, sharp on any screen, drawn again when size or theme changes. */
function canvas(parent, { label, height, aspect }, draw) {
  const made = node("canvas", { role: "img", "aria-label": label });
  parent.append(made);
  const redraw = () => {
    const width = made.clientWidth || 600;
    const tall = height ?? Math.round(width / aspect);
    const ratio = globalThis.devicePixelRatio || 1;
    made.style.height = `${tall}px`;
    made.width = Math.round(width * ratio);
    made.height = Math.round(tall * ratio);
    const pen = made.getContext("2d");
    pen.scale(ratio, ratio);
    draw(pen, width, tall, colours(made));
  };
  const watcher = new ResizeObserver(redraw);
  watcher.observe(parent);
  const stop = onTheme(redraw);
  return { element: made, redraw, stop: () => { watcher.disconnect(); stop(); } };
}

/** Call `react` when the page turns light or dark; returns a function that stops it. */
function onTheme(react) {
  const watcher = new MutationObserver(react);
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => watcher.disconnect();
}

/** Run `step` on every frame while it is playing, the figure is in sight and the tab is open. */
function player(element, step) {
  let playing = false, inSight = true, request = 0;
  const turn = () => {
    request = 0;
    if (!playing || !inSight) return;
    step();
    next();
  };
  const next = () => { if (playing && inSight && !request) request = requestAnimationFrame(turn); };
  const watcher = new IntersectionObserver(([entry]) => { inSight = entry.isIntersecting; next(); });
  watcher.observe(element);
  return {
    get playing() { return playing; },
    play() { playing = true; next(); },
    pause() { playing = false; },
    stop() { playing = false; watcher.disconnect(); },
  };
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A small seeded generator (mulberry32) of numbers in [0, 1), the same in every browser. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal numbers from a generator of uniform ones (Box and Muller). */
const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A number as a reader wants it: three significant digits, powers of ten beyond a million. */
function short(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "not a number" : x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e6 || size < 1e-4 ? x.toExponential(2) : String(Number(x.toPrecision(3)));
  return text.replace("-", "−");
}
