// A GPT of two blocks in the page: the same numbers as minilib.pt.GPT with the weights of benchmarks/sampler.py.
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+";
const CONTEXT = 64, MANY = 100, SHOWN = 10;

/** Letters and scales → a matrix; a row of numbers stays what it is. */
function unpack(packed) {
  if (Array.isArray(packed)) return Float64Array.from(packed);
  const { letters, scales } = packed, rows = scales.length, columns = letters.length / rows;
  const worth = new Map([...LETTERS].map((letter, i) => [letter, i - 31]));
  const data = Float32Array.from(letters, (letter, i) => worth.get(letter) * scales[Math.floor(i / columns)]);
  return { data, rows, columns };
}

function times({ data, rows, columns }, x) {
  const out = new Float64Array(rows);
  for (let r = 0, at = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += data[at++] * x[c];
    out[r] = sum;
  }
  return out;
}

function layerNorm(x, weight) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i]);
}

/** Turn each pair of neighbours in x, head by head, by its place. */
function turn(x, place, width) {
  for (let i = 0; i < x.length; i += 2) {
    const angle = place * 10000 ** (-(i % width) / width), cos = Math.cos(angle), sin = Math.sin(angle);
    [x[i], x[i + 1]] = [x[i] * cos - x[i + 1] * sin, x[i] * sin + x[i + 1] * cos];
  }
}

/** What the last of the rows finds in all of them. */
function attend(rows, last, heads) {
  const { q } = rows[last], width = q.length / heads, out = new Float64Array(q.length);
  for (let h = 0; h < heads; h++) {
    const scores = [];
    for (let t = 0; t <= last; t++) {
      let score = 0;
      for (let i = h * width; i < (h + 1) * width; i++) score += q[i] * rows[t].k[i];
      scores.push(score / Math.sqrt(width));
    }
    const weights = softmax(scores);
    for (let t = 0; t <= last; t++) for (let i = h * width; i < (h + 1) * width; i++) out[i] += weights[t] * rows[t].v[i];
  }
  return out;
}

function softmax(z) {
  const top = Math.max(...z), e = z.map((x) => Math.exp(x - top)), sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}

const add = (x, y) => x.map((value, i) => value + y[i]);

/** The logits after ids. */
function nextLogits(model, ids, heads) {
  const table = model["token_embedding.weight"], D = table.columns;
  let stream = ids.map((id) => Float64Array.from(table.data.subarray(id * D, (id + 1) * D)));
  for (let b = 0; model[`blocks.${b}.norm1.weight`]; b++) {
    const part = (name) => model[`blocks.${b}.${name}.weight`];
    const rows = stream.map((x, place) => {
      const packed = times(model[`blocks.${b}.self_attn.in_proj_weight`], layerNorm(x, part("norm1")));
      const [q, k, v] = [0, 1, 2].map((i) => packed.subarray(i * D, (i + 1) * D));
      for (const z of [q, k]) turn(z, place, D / heads);
      return { q, k, v };
    });
    stream = stream.map((x, t) => add(x, times(part("self_attn.out_proj"), attend(rows, t, heads))));
    stream = stream.map((x) => {
      const wide = times(part("linear1"), layerNorm(x, part("norm2"))).map((h) => Math.max(h, 0) ** 2);
      return add(x, times(part("linear2"), wide));
    });
  }
  return [...times(model["head.weight"], layerNorm(stream.at(-1), model["norm.weight"]))];
}

/** As minilib.pt.generate.probabilities. */
function chances(logits, { temperature, topK, topP }) {
  if (temperature === 0) return logits.map((_, i) => Number(i === logits.indexOf(Math.max(...logits))));
  const least = [...logits].sort((a, b) => b - a)[Math.min(topK, logits.length) - 1];
  const p = softmax(logits.map((z) => (z < least ? -Infinity : z / temperature)));
  const order = p.map((_, i) => i).sort((a, b) => p[b] - p[a]);
  let before = 0;
  for (const i of order) {
    const own = p[i];
    if (topP < 1 && before >= topP) p[i] = 0;
    before += own;
  }
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / sum);
}

/** The id at which the probabilities, added up, exceed u. */
function draw(p, u) {
  let sum = 0;
  for (let i = 0; i < p.length; i++) if ((sum += p[i]) > u) return i;
  return p.findLastIndex((x) => x > 0);
}

/** At each place: how long the text is found in the source from there on. */
function matches(text, source) {
  let n = 0;
  return Array.from(text, (_, i) => {
    n = Math.max(n - 1, 0);
    while (i + n < text.length && source.includes(text.slice(i, i + n + 1))) n++;
    return n;
  });
}

/** For each character the longest match that it belongs to. */
function belongs(found) {
  const longest = found.map(() => 0);
  found.forEach((n, i) => { for (let j = i; j < i + n; j++) longest[j] = Math.max(longest[j], n); });
  return longest;
}

const visible = (character) => ({ " ": "␣", "\n": "⏎" })[character] ?? character;

function render({ model, el }) {
  const { vocabulary = "\n a", models = {}, excerpt = "", heads = 3, baseline = 0, prompt = "\n" } = model.get("config") ?? {};
  const letters = [...vocabulary], names = Object.keys(models);
  const ready = Object.fromEntries(names.map((name) => [name, Object.fromEntries(
    Object.entries(models[name]).map(([key, packed]) => [key, unpack(packed)]))]));
  const { root, stage, controls, readout } = frame(el, "A small GPT that writes");
  const state = { model: names[0], prompt, temperature: 0.8, topK: letters.length, topP: 1, seed: 1, written: "" };
  let random = generator(state.seed), left = 0, p = [];

  const id = freshId();
  const area = node("textarea", {
    id, rows: 2, maxlength: 200, spellcheck: "false",
    style: "width: 100%; box-sizing: border-box; font: inherit; color: inherit; background: transparent; border: 1px solid var(--lm-grey); border-radius: 4px; padding: 0.4rem",
  });
  area.value = prompt;
  area.addEventListener("input", () => { state.prompt = area.value; restart(); });
  const text = node("div", { style: "white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace; font-size: 0.9rem; line-height: 1.5; min-height: 9rem; margin: 0.6rem 0" });
  const bars = node("div", { role: "img", style: "display: flex; gap: 4px; align-items: flex-end; height: 6.5rem" });
  stage.append(node("label", { for: id, style: "display: block; margin-bottom: 0.25rem" }, "The text begins with"), area, text, bars);

  function think() {
    const known = [...state.prompt].filter((letter) => letters.includes(letter)).join("") || "\n";
    const ids = [...known + state.written].slice(-CONTEXT).map((letter) => letters.indexOf(letter));
    p = chances(nextLogits(ready[state.model], ids, heads), state);
    return p;
  }

  function one() {
    state.written += letters[draw(p, random())];
    left--;
    think();
  }

  function update() {
    const found = matches(state.written, excerpt), long = belongs(found), best = Math.max(0, ...found);
    const shade = (n) => Math.round(Math.min(1, Math.max(0, Math.log(n / 10) / Math.log(20))) * 45);
    const spans = [];
    [...state.written].forEach((letter, i) => {
      const depth = shade(long[i]);
      if (i && spans.at(-1).depth === depth) spans.at(-1).text += letter;
      else spans.push({ depth, text: letter });
    });
    show(text, ...spans.map((span) => node("span", { style: span.depth ? `background: color-mix(in srgb, var(--lm-orange) ${span.depth}%, transparent)` : "" }, span.text)));
    const order = p.map((_, i) => i).sort((a, b) => p[b] - p[a]).slice(0, SHOWN);
    const most = p[order[0]];
    show(bars, ...order.map((i) => node("div", { style: "flex: 1; text-align: center; font-size: 0.8rem; line-height: 1.3" },
      node("div", { style: `height: ${(4.5 * p[i]) / most}rem; background: var(--lm-blue)` }),
      visible(letters[i]), node("br"), `${Math.round(100 * p[i])}`)));
    bars.setAttribute("aria-label", `Next character, percent: ${order.filter((i) => p[i] > 0).map((i) => `${visible(letters[i])} ${Math.round(100 * p[i])}`).join(", ")}`);
    if (left <= 0) {
      const start = found.indexOf(best), piece = state.written.slice(start, start + Math.min(best, 40)).replaceAll("\n", "⏎");
      const verdict = best > baseline ? `more than the ${baseline} that strangers share` : `strangers share up to ${baseline}`;
      readout.textContent = state.written
        ? `${state.written.length} characters. The longest piece that stands in the excerpt has ${best}, ${verdict}: “${piece}”${best > 40 ? " …" : ""}`
        : `Likeliest next character: ${visible(letters[order[0]])}, ${Math.round(100 * most)} percent. Let it write.`;
      model.set("result", { ...state, probabilities: p, matches: found, longest: best });
      model.save_changes();
    }
  }

  function restart() {
    state.written = "";
    left = 0;
    random = generator(state.seed);
    run.pause();
    think();
    update();
  }

  const run = player(root, () => {
    if (left > 0) one();
    if (left <= 0) run.pause();
    update();
  });

  function write(count) {
    left = count;
    readout.textContent = "Writing …";
    if (calm() || count === 1) {
      while (left > 0) one();
      update();
    } else run.play();
  }

  function set(name) {
    return (value) => { state[name] = value; think(); update(); };
  }

  choice(controls, { label: "Model that has read", options: Object.fromEntries(names.map((name) => [name, name])), value: state.model }, (name) => { state.model = name; restart(); });
  slider(controls, { label: "Temperature", min: 0, max: 2, step: 0.1, value: state.temperature, format: (x) => x.toFixed(1) }, (x) => set("temperature")(Math.round(10 * x) / 10));
  slider(controls, { label: "Top-k", min: 1, max: letters.length, step: 1, value: state.topK, format: (x) => String(x) }, set("topK"));
  slider(controls, { label: "Top-p", min: 0.05, max: 1, step: 0.05, value: state.topP, format: (x) => x.toFixed(2) }, (x) => set("topP")(Math.round(20 * x) / 20));
  slider(controls, { label: "Seed", min: 1, max: 20, step: 1, value: state.seed, format: (x) => String(x) }, (x) => { state.seed = x; restart(); });
  button(controls, `Write ${MANY} characters`, () => write(MANY));
  button(controls, "One character", () => write(1));
  button(controls, "Start again", restart);
  restart();
  return () => run.stop();
}

export default { render };
