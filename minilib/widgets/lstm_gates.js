// An LSTM reads a name letter by letter: surprise, cells, and the gates of one unit. The weights come with the page.
const LONGEST = 16;
const SYMBOLS = "·abcdefghijklmnopqrstuvwxyz";

/** A 16-bit floating-point number as IEEE 754 packs it. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

/** Rows of numbers (a vector is one row) from { shape, float16 }. */
function unpack({ shape, float16 }) {
  const raw = atob(float16), columns = shape[shape.length - 1], rows = shape.length > 1 ? shape[0] : 1;
  const value = (i) => half(raw.charCodeAt(2 * i) | (raw.charCodeAt(2 * i + 1) << 8));
  return Array.from({ length: rows }, (_, r) => Float64Array.from({ length: columns }, (_, c) => value(r * columns + c)));
}

function makeNetwork(weights) {
  const read = (name) => unpack(weights[name]);
  const other = read("memory.bias_hh_l0")[0], bias = read("memory.bias_ih_l0")[0].map((b, i) => b + other[i]);
  return {
    letters: read("letters.weight"), fromInput: read("memory.weight_ih_l0"), fromState: read("memory.weight_hh_l0"),
    bias, head: read("head.weight"), headBias: read("head.bias")[0], units: weights["memory.weight_hh_l0"].shape[1],
  };
}

const dot = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i++) sum += a[i] * b[i]; return sum; };
const sigmoid = (z) => 0.5 + 0.5 * Math.tanh(z / 2);

function softmax(logits) {
  const top = Math.max(...logits), e = logits.map((z) => Math.exp(z - top)), total = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / total);
}

/** Gates i, f, g, o, cell and next-symbol probabilities after each symbol; `erase` counts the letters before it. */
function read(network, ids, shift, erase) {
  const { units } = network, steps = [];
  let h = new Float64Array(units), c = new Float64Array(units);
  ids.forEach((id, t) => {
    if (erase && t === erase) [h, c] = [new Float64Array(units), new Float64Array(units)];
    const x = network.letters[id];
    const z = Array.from(network.bias, (b, r) => b + dot(network.fromInput[r], x) + dot(network.fromState[r], h));
    const part = (k, squash, plus = 0) => Float64Array.from({ length: units }, (_, u) => squash(z[k * units + u] + plus));
    const i = part(0, sigmoid), f = part(1, sigmoid, shift), g = part(2, Math.tanh), o = part(3, sigmoid);
    c = Float64Array.from(c, (old, u) => f[u] * old + i[u] * g[u]);
    h = Float64Array.from(c, (value, u) => o[u] * Math.tanh(value));
    const p = softmax(Array.from(network.headBias, (b, s) => b + dot(network.head[s], h)));
    steps.push({ i, f, g, o, c, p });
  });
  return steps;
}

/** Everything that is shown for what was typed. */
function account(network, { text, shift, erase }) {
  const typed = [...text.toLowerCase()];
  const name = typed.filter((letter) => letter >= "a" && letter <= "z" && letter.length === 1).slice(0, LONGEST);
  const ids = [0, ...name.map((letter) => SYMBOLS.indexOf(letter))];
  const steps = read(network, ids, shift, erase);
  const truth = [...ids.slice(1), 0];
  const bits = steps.map(({ p }, t) => -Math.log2(p[truth[t]]));
  const mean = bits.reduce((a, b) => a + b, 0) / bits.length;
  const skipped = typed.filter((letter) => !(letter >= "a" && letter <= "z" && letter.length === 1)).length;
  return { name: name.join(""), ids, steps, bits, mean, skipped };
}

/** The three likeliest symbols. */
const guesses = (p) => p.map((x, s) => [x, s]).sort((a, b) => b[0] - a[0]).slice(0, 3);
const spoken = (s) => (s ? SYMBOLS[s] : "the end");

/** A colour for −1 … 1: orange, paper, blue. */
function shade(pen, paint, value) {
  pen.fillStyle = value < 0 ? paint.orange : paint.blue;
  pen.globalAlpha = Math.min(1, Math.abs(value));
}

function draw(pen, width, paint, told, { unit }) {
  const left = 46, columns = told.ids.length, wide = Math.min(44, (width - left - 6) / columns);
  const X = (t) => left + t * wide, size = width < 480 ? 12 : 13;
  const write = (text, x, y, align = "center") => { pen.fillStyle = paint.ink; pen.textAlign = align; pen.fillText(text, x, y); };
  pen.font = `${size}px system-ui, sans-serif`;
  // surprise: a bar at the symbol that was to be guessed
  const top = Math.max(8, ...told.bits), ground = 108;
  write("bits", 4, 24, "left");
  told.bits.forEach((b, t) => {
    const tall = (84 * b) / top;
    pen.fillStyle = paint.blue;
    pen.fillRect(X(t) + 2, ground - tall, wide - 4, tall);
    if (wide > 20) write(b.toFixed(1), X(t) + wide / 2, ground - tall - 4);
    write(told.name[t] ?? "·", X(t) + wide / 2, ground + 16);
  });
  write("next", 4, ground + 16, "left");
  // the cells: a column for each symbol that has been read, a row for each unit
  const start = ground + 44, row = 3;
  write("read", 4, start - 8, "left");
  write("cells", 4, start + 20, "left");
  told.steps.forEach(({ c }, t) => {
    write(t ? told.name[t - 1] : "·", X(t) + wide / 2, start - 8);
    c.forEach((value, u) => {
      shade(pen, paint, Math.tanh(value));
      pen.fillRect(X(t), start + u * row, wide - 1, row);
    });
    pen.globalAlpha = 1;
  });
  const units = told.steps[0].c.length, followed = start + (unit - 1) * row;
  pen.strokeStyle = paint.ink;
  pen.lineWidth = 1;
  pen.strokeRect(left - 2, followed - 1, columns * wide + 3, row + 2);
  write(String(unit), left - 6, followed + 6, "right");
  // the gates of the unit that is followed
  let y = start + units * row + 14;
  for (const [key, label] of [["i", "in"], ["f", "forget"], ["g", "new"], ["o", "out"], ["c", "cell"]]) {
    write(label, 4, y + 15, "left");
    told.steps.forEach((step, t) => {
      const value = step[key][unit - 1];
      shade(pen, paint, key === "c" ? Math.tanh(value) : value);
      pen.globalAlpha *= 0.55;  // the number on it must stay readable
      pen.fillRect(X(t), y, wide - 1, 21);
      pen.globalAlpha = 1;
      if (wide > 30) write(short(Number(value.toFixed(1))), X(t) + wide / 2, y + 15);
    });
    y += 23;
  }
}

function sentence(told, { unit, shift, erase }) {
  const last = told.steps[told.steps.length - 1];
  const after = guesses(last.p).map(([p, s]) => `${spoken(s)} ${(100 * p).toFixed(0)} %`).join(", ");
  const worst = told.bits.indexOf(Math.max(...told.bits));
  const skipped = told.skipped ? ` ${told.skipped} character${told.skipped > 1 ? "s" : ""} outside a–z skipped.` : "";
  const changed = `${shift ? `; forget bias ${shift > 0 ? "+" : "−"}${Math.abs(shift)}` : ""}${erase ? `; erased before reading letter ${erase}, ${told.name[erase - 1]}` : ""}`;
  const who = told.name || "nothing but the end";
  return `${who}: ${told.mean.toFixed(2)} bits per character${changed}. Most surprising: ${spoken(told.ids[worst + 1] ?? 0)}, ${told.bits[worst].toFixed(1)} bits. It would have gone on with ${after}. Unit ${unit} ends at ${short(Number(last.c[unit - 1].toFixed(2)))}.${skipped}`;
}

function render({ model, el }) {
  const { weights, name = "smith", unit = 1 } = model.get("config") ?? {};
  const network = makeNetwork(weights), settings = { text: name, unit, shift: 0, erase: 0 };
  const { root, stage, controls, readout } = frame(el, "The gates of an LSTM along a name");
  let told = account(network, settings);

  const tall = 108 + 44 + 3 * network.units + 14 + 5 * 23 + 4;
  const label = "Above, the surprise at each symbol; in the middle all cells after each symbol; below, the gates of one unit. The line of text says the main numbers";
  const picture = canvas(stage, { label, height: tall }, (pen, width, _, paint) => draw(pen, width, paint, told, settings));

  const refresh = () => {
    told = account(network, settings);
    if (settings.erase > told.name.length) {  // the name has become shorter
      settings.erase = told.name.length;
      told = account(network, settings);
    }
    wiped.input.max = told.name.length;
    wiped.value = settings.erase;
    readout.textContent = sentence(told, settings);
    picture.redraw();
    const last = told.steps[told.steps.length - 1];
    model.set("result", {
      ...settings, name: told.name, mean: told.mean, bits: told.bits, skipped: told.skipped,
      cell: told.steps.map(({ c }) => c[settings.unit - 1]), forget: told.steps.map(({ f }) => f[settings.unit - 1]),
      next: Array.from(last.p),
    });
    model.save_changes();
  };

  const id = freshId();
  const field = node("input", {
    type: "text", id, maxlength: LONGEST, autocomplete: "off", autocapitalize: "none", spellcheck: "false",
    style: "font: inherit; color: inherit; background: transparent; border: 1px solid var(--lm-grey); border-radius: 4px; padding: 0.15rem 0.6rem",
  });
  field.value = name;
  field.addEventListener("input", () => { settings.text = field.value; refresh(); });
  controls.append(node("div", { class: "lm-control" }, node("label", { for: id }, "A name"), field));
  const set = (key) => (value) => { settings[key] = value; refresh(); };
  const signed = (x) => (x > 0 ? `+${x}` : short(x));
  const whole = slider(controls, { label: "Unit to follow", min: 1, max: network.units, value: unit }, set("unit"));
  const shifted = slider(controls, { label: "Added to forget bias", min: -6, max: 6, step: 0.5, value: 0, format: signed }, set("shift"));
  const when = (t) => (t ? `before letter ${t}, ${told.name[t - 1]}` : "never");
  const wiped = slider(controls, { label: "Erase the memory", min: 0, max: LONGEST, value: 0, format: when }, set("erase"));
  button(controls, "As it was trained", () => {
    Object.assign(settings, { shift: 0, erase: 0 });
    [shifted.value, wiped.value] = [0, 0];
    refresh();
  });
  whole.value = unit;
  refresh();
  return () => picture.stop();
}

export default { render };
