// One prediction of a trained GPT, stage by stage: what the head would say if it read the stream there.

const LONGEST = 32;

/** Weights as they come, {name: [step, shape, text]}: a letter for each, "P" for 0, "Q" for one step, and so on. */
export function unpacked(weights) {
  const made = {};
  for (const [name, [step, shape, text]] of Object.entries(weights)) {
    made[name] = { data: Float64Array.from(text, (c) => (c.charCodeAt(0) - 80) * step), shape };
  }
  return made;
}

/** x · weightᵀ + bias for a row x; weight (out, in). */
export function linear(x, weight, bias) {
  const [out, width] = weight.shape;
  const y = new Float64Array(out);
  for (let i = 0; i < out; i++) {
    let sum = bias ? bias.data[i] : 0;
    for (let j = 0, at = i * width; j < width; j++, at++) sum += weight.data[at] * x[j];
    y[i] = sum;
  }
  return y;
}

export function layerNorm(x, weight, bias) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.map((v, i) => (v - mean) / Math.sqrt(variance + 1e-5) * weight.data[i] + bias.data[i]);
}

export const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

export function softmax(z) {
  const top = Math.max(...z);
  const powers = Array.from(z, (v) => Math.exp(v - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

const plus = (a, b) => a.map((v, i) => v + b[i]);

/** Causal attention of all rows: what is added to each, and how much the last row looks at each, for every head. */
function attention(rows, w, prefix, heads) {
  const width = rows[0].length, size = width / heads;
  const packed = rows.map((x) => linear(x, w[`${prefix}.in_proj_weight`], w[`${prefix}.in_proj_bias`]));
  const looks = [];
  const found = rows.map(() => new Float64Array(width));
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < rows.length; t++) {
      const scores = [];
      for (let s = 0; s <= t; s++) {
        let sum = 0;
        for (let j = h * size; j < (h + 1) * size; j++) sum += packed[t][j] * packed[s][width + j];
        scores.push(sum / Math.sqrt(size));
      }
      const shares = softmax(scores);
      shares.forEach((share, s) => {
        for (let j = h * size; j < (h + 1) * size; j++) found[t][j] += share * packed[s][2 * width + j];
      });
      if (t === rows.length - 1) looks.push(shares);
    }
  }
  return { added: found.map((x) => linear(x, w[`${prefix}.out_proj.weight`], w[`${prefix}.out_proj.bias`])), looks };
}

/** The last row of the stream at every stage, and where each head of each block looked. */
export function run(model, ids, { dropped = [], places = true } = {}) {
  const { w, heads, blocks } = model, width = w["token_embedding.weight"].shape[1];
  const row = (table, i) => table.data.slice(i * width, (i + 1) * width);
  let x = ids.map((id, t) => {
    const token = row(w["token_embedding.weight"], id);
    return places ? plus(token, row(w["position_embedding.weight"], t)) : token;
  });
  const stages = [x[x.length - 1]], looks = [];
  for (let b = 0; b < blocks; b++) {
    const at = `blocks.${b}`, norm = (rows, n) => rows.map((v) => layerNorm(v, w[`${at}.${n}.weight`], w[`${at}.${n}.bias`]));
    const looked = attention(norm(x, "norm1"), w, `${at}.self_attn`, heads);
    looks.push(looked.looks);
    if (!dropped.includes(b)) x = x.map((v, t) => plus(v, looked.added[t]));
    stages.push(x[x.length - 1]);
    if (!dropped.includes(b)) {
      x = norm(x, "norm2").map((h, t) => plus(x[t], linear(
        linear(h, w[`${at}.linear1.weight`], w[`${at}.linear1.bias`]).map(gelu),
        w[`${at}.linear2.weight`], w[`${at}.linear2.bias`])));
    }
    stages.push(x[x.length - 1]);
  }
  return { stages, looks };
}

/** What the last norm and the head make of a row of the stream. */
export const read = (model, x) => linear(layerNorm(x, model.w["norm.weight"], model.w["norm.bias"]),
  model.w["head.weight"] ?? model.w["token_embedding.weight"], model.w["head.bias"]);

const named = (c) => ({ " ": "space", "\n": "new line" })[c] ?? c;

function render({ model: shared, el }) {
  const { weights, heads, vocabulary, start = "O Romeo, Romeo, wherefore art t" } = shared.get("config");
  const letters = Array.from(vocabulary), ids = new Map(letters.map((c, i) => [c, i]));
  const w = unpacked(weights);
  const blocks = new Set(Object.keys(w).filter((n) => n.startsWith("blocks.")).map((n) => n.split(".")[1])).size;
  const model = { w, heads, blocks };
  const names = ["the embedding"];
  for (let b = 1; b <= blocks; b++) names.push(`block ${b}, attention`, `block ${b}, feed-forward`);
  const parts = frame(el, "Inside one prediction of a GPT");

  const input = node("input", { type: "text", maxlength: LONGEST, id: freshId(), spellcheck: "false", autocomplete: "off" });
  input.value = start;
  input.style.cssText = "font: inherit; font-family: monospace; width: 100%; max-width: 34em; padding: 0.2rem 0.4rem; "
    + "color: inherit; background: transparent; border: 1px solid var(--lm-grey); border-radius: 4px";
  const line = node("div", { class: "lm-control" }, node("label", { for: input.id }, "Text"), input);
  line.style.width = "100%";
  parts.controls.append(line);
  input.addEventListener("input", () => update());
  const stage = slider(parts.controls, { label: "Read after", min: 0, max: names.length - 1, value: names.length - 1,
    format: (i) => names[i] }, () => update());
  const options = {};
  for (let b = 0; b < blocks; b++) for (let h = 0; h < heads; h++) options[`${b}.${h}`] = `block ${b + 1}, head ${h + 1}`;
  const head = choice(parts.controls, { label: "Attention of", options, value: "0.0" }, () => update());
  const drops = Array.from({ length: blocks }, (_, b) => tick(parts.controls, { label: `drop block ${b + 1}` }, () => update()));
  const noPlaces = tick(parts.controls, { label: "drop places" }, () => update());
  const temperature = slider(parts.controls, { label: "Temperature", min: 0.2, max: 2, step: 0.1, value: 1 }, () => update());

  const shaded = node("p", { "aria-hidden": "true" });
  shaded.style.cssText = "font-family: monospace; font-size: 1.05rem; margin: 0 0 0.6rem; line-height: 2; overflow-wrap: anywhere";
  parts.stage.append(shaded);
  let seen;
  const picture = canvas(parts.stage, { label: "Bars: length of the last row at each stage, and the five likeliest next characters", height: 190 },
    (pen, width, height, ink) => draw(pen, width, height, ink));

  function update() {
    const text = Array.from(input.value).filter((c) => ids.has(c)).slice(0, LONGEST);
    const shown = text.length ? text : ["\n"];
    const dropped = drops.flatMap((t, b) => (t.value ? [b] : []));
    const { stages, looks } = run(model, shown.map((c) => ids.get(c)), { dropped, places: !noPlaces.value });
    const at = Math.round(stage.value), [b, h] = head.value.split(".").map(Number);
    const guesses = stages.map((x) => read(model, x)), logits = guesses[at];
    const chances = softmax(logits.map((z) => z / temperature.value));
    const order = chances.map((_, i) => i).sort((i, j) => chances[j] - chances[i]).slice(0, 5);
    seen = {
      norms: stages.map((x) => Math.hypot(...x)), at,
      top: order.map((i) => [letters[i], chances[i]]), guesses: guesses.map((z) => letters[z.indexOf(Math.max(...z))]),
    };
    const look = looks[b][h];
    show(shaded, ...shown.map((c, i) => {
      const span = node("span", {}, c === " " ? "\u00a0" : c === "\n" ? "↵" : c);
      const tall = Math.round(100 * look[i] / Math.max(...look));  // of the highest, so that a flat look shows too
      span.style.cssText = "padding: 0.35em 0 0.1em; background: linear-gradient(to top, "
        + `color-mix(in srgb, var(--lm-blue) 40%, transparent) ${tall}%, transparent ${tall}%)`;
      return span;
    }));
    const most = look.indexOf(Math.max(...look));
    parts.readout.textContent = `Read after ${names[at]}: “${named(seen.top[0][0])}” has the chance ${seen.top[0][1].toFixed(2)}. `
      + `Likeliest at each stage: ${seen.guesses.map(named).join(" → ")}. `
      + `Block ${b + 1}, head ${h + 1} looks most at “${named(shown[most])}”, place ${most + 1} (${look[most].toFixed(2)}).`;
    picture.redraw();
    shared.set("result", {
      text: shown.join(""), stage: at, dropped, places: !noPlaces.value, temperature: temperature.value, block: b, head: h,
      norms: seen.norms, logits: Array.from(logits), top: seen.top, guesses: seen.guesses, look,
    });
    shared.save_changes();
  }

  function draw(pen, width, height, ink) {
    if (!seen) return;
    const half = width / 2, row = (height - 24) / 5, most = Math.max(...seen.norms);
    pen.font = "13px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.fillStyle = ink.ink;
    pen.fillText("length of the row", 0, 8);
    pen.fillText("next character", half + 8, 8);
    const brief = (n) => n.replace("the ", "").replace("embedding", "embed").replace("block ", "")
      .replace(", attention", " attn").replace(", feed-forward", " ff");
    const labels = width < 500 ? names.map(brief) : names;
    const label = width < 500 ? 56 : 150, tall = (height - 24) / names.length;
    seen.norms.forEach((norm, i) => {
      const y = 24 + tall * i, wide = (half - label - 44) * norm / most;
      pen.fillStyle = ink.ink;
      pen.fillText(labels[i], 0, y + tall / 2);
      pen.fillStyle = i === seen.at ? ink.orange : ink.blue;
      pen.fillRect(label, y + 3, Math.max(1, wide), tall - 6);
      pen.fillStyle = ink.ink;
      pen.fillText(norm.toFixed(1), label + wide + 4, y + tall / 2);
    });
    seen.top.forEach(([letter, chance], i) => {
      const y = 24 + row * i, wide = (half - 130) * chance;
      pen.fillStyle = ink.ink;
      pen.fillText(named(letter), half + 8, y + row / 2);
      pen.fillStyle = ink.green;
      pen.fillRect(half + 74, y + 3, Math.max(1, wide), row - 6);
      pen.fillStyle = ink.ink;
      pen.fillText(chance.toFixed(2), half + 78 + wide, y + row / 2);
    });
  }

  update();
  return () => picture.stop();
}

export default { render };
