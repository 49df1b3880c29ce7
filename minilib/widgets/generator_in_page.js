// A small conditional generator: a linear layer and two transposed convolutions, weights of 5 bits, in plain loops.
const PANEL = 16;

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** One layer's weights as floats. */
function unpack({ scale, weight, bias = [] }) {
  return { weight: Float32Array.from(new Int8Array(bytesOf(weight).buffer), (whole) => whole * scale), bias };
}

/** Pixels from 0 to 1, two to a byte. */
function unpackDigits(text) {
  const flat = Float32Array.from([...bytesOf(text)].flatMap((byte) => [byte >> 4, byte & 15]), (level) => level / 15);
  return Array.from({ length: flat.length / 784 }, (_, i) => flat.subarray(784 * i, 784 * (i + 1)));
}

/** Every number paints the 4 × 4 kernel, two pixels apart, one pixel cut off all round: (n, n, from) → (2n, 2n, to). */
function paint(maps, from, to, n, { weight, bias }) {
  const wide = 2 * n, out = new Float32Array(wide * wide * to);
  for (let i = 0; i < out.length; i++) out[i] = bias[i % to];
  for (let u = 0; u < 16; u++) {
    for (let i = 0; i < n * n; i++) {
      const row = 2 * Math.floor(i / n) - 1 + (u >> 2), column = 2 * (i % n) - 1 + (u & 3);
      if (row < 0 || row >= wide || column < 0 || column >= wide) continue;
      const at = (row * wide + column) * to;
      for (let f = 0; f < from; f++) {
        const value = maps[i * from + f];
        if (value === 0) continue;
        const kernel = (u * from + f) * to;
        for (let t = 0; t < to; t++) out[at + t] += value * weight[kernel + t];
      }
    }
  }
  return out;
}

/** PyTorch's order (from, to, 16) of a transposed convolution's weights → (16, from, to), in which `paint` reads. */
function inOrder({ weight, bias }, from, to) {
  const moved = weight.map((_, i) => weight[(i % (from * to)) * 16 + Math.floor(i / (from * to))]);
  return { weight: moved, bias };
}

/** Noise and a class → 784 pixels from 0 to 1. */
function generate(noise, digit, { latent, channels, first, up1, up2, label }) {
  const beside = latent / 2, wide = 2 * channels;
  const into = [...noise, ...label.weight.subarray(digit * beside, (digit + 1) * beside)];
  const maps = new Float32Array(49 * wide);
  for (let f = 0; f < wide; f++) {
    for (let i = 0; i < 49; i++) {
      let sum = first.bias[f];
      for (let j = 0; j < into.length; j++) sum += first.weight[(49 * f + i) * into.length + j] * into[j];
      maps[i * wide + f] = Math.max(0, sum);
    }
  }
  const half = paint(maps, wide, channels, 7, up1).map((value) => Math.max(0, value));
  return paint(half, channels, 1, 14, up2).map((value) => (Math.tanh(value) + 1) / 2);
}

function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < 784; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

function render({ model, el }) {
  const { latent = 16, channels = 14, layers: packed = [], digits: stored = "" } = model.get("config") ?? {};
  const { stage, controls, readout } = frame(el, "A generator of digits that runs in the page");
  const [first, up1, up2, label] = packed.map(unpack);
  const network = { latent, channels, first, up1: inOrder(up1, 2 * channels, channels), up2: inOrder(up2, channels, 1), label };
  const digits = unpackDigits(stored);
  const state = { digit: 3, first: 0, second: 0, strength: 1, seed: 1 };
  let made, panel, nearest;

  function noise(seed) {
    const random = generator(seed);
    return Array.from({ length: latent }, () => state.strength * normal(random));
  }

  const columns = (stage.clientWidth || 600) < 480 ? 4 : 8, height = columns === 4 ? 460 : 320;
  const told = "A made digit, the nearest real one, and sixteen more made digits; the text below says how alike they are";
  const picture = canvas(stage, { label: told, height }, draw);

  function draw(pen, width, tall, ink) {
    if (!made) return;
    const gap = 6, line = 20;
    const small = Math.min(64, (width - gap * (columns - 1)) / columns), large = Math.min(132, (width - 2 * gap) / 2);
    pen.clearRect(0, 0, width, tall);
    pen.font = "14px system-ui, sans-serif";
    const write = (text, x, y) => { pen.fillStyle = ink.ink; pen.fillText(text, x, y); };
    write("made", 0, 14);
    write(`nearest of ${digits.length} real`, large + 3 * gap, 14);
    plate(pen, made, 0, line, large, ink);
    plate(pen, digits[nearest.index], large + 3 * gap, line, large, ink);
    const below = line + large + gap + line;
    write("sixteen others", 0, below - 6);
    panel.forEach((one, i) => plate(pen, one, (i % columns) * (small + gap), below + Math.floor(i / columns) * (small + gap), small, ink));
  }

  /** 28 × 28 values between the colours of paper and ink. */
  function plate(pen, values, x, y, size, { paper, ink }) {
    const ends = [paper, ink].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    const small = node("canvas", { width: 28, height: 28 }), brush = small.getContext("2d"), image = brush.createImageData(28, 28);
    values.forEach((value, i) => {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = ends[0][c] + value * (ends[1][c] - ends[0][c]);
      image.data[4 * i + 3] = 255;
    });
    brush.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, x, y, size, size);
    pen.strokeStyle = "rgba(128, 128, 128, 0.4)";
    pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }

  function update(everything = true) {
    const other = noise(state.seed);
    made = generate([state.first, state.second, ...other.slice(2)], state.digit, network);
    if (everything) panel = Array.from({ length: PANEL }, (_, i) => generate(noise(1000 * state.seed + i + 1), state.digit, network));
    const far = digits.map((one) => distance(made, one));
    const index = far.indexOf(Math.min(...far));
    nearest = { index, label: index % 10, distance: far[index] };
    const apart = panel.flatMap((a, i) => panel.slice(i + 1).map((b) => distance(a, b)));
    const alike = Math.min(...apart), mean = apart.reduce((a, b) => a + b, 0) / apart.length;
    readout.textContent = `A ${state.digit}. Its nearest real digit is a ${nearest.label}, ${short(nearest.distance)} away. Of the sixteen, the two most alike are ${short(alike)} apart; any two, ${short(mean)} on average.`;
    picture.redraw();
    model.set("result", { ...state, noise: other, made: [...made], nearest: nearest.index, distance: nearest.distance, alike, mean });
    model.save_changes();
  }

  choice(controls, { label: "Digit", options: Object.fromEntries([...Array(10).keys()].map((k) => [k, String(k)])), value: state.digit }, (value) => { state.digit = Number(value); update(); });
  slider(controls, { label: "First number", min: -2.5, max: 2.5, step: 0.1, value: 0 }, (value) => { state.first = value; update(false); });
  slider(controls, { label: "Second number", min: -2.5, max: 2.5, step: 0.1, value: 0 }, (value) => { state.second = value; update(false); });
  slider(controls, { label: "Strength of the noise", min: 0, max: 1.5, step: 0.1, value: 1 }, (value) => { state.strength = value; update(); });
  button(controls, "Other noise", () => { state.seed += 1; update(); });
  update();
  return () => picture.stop();
}

export default { render };
