// A linear layer under the roof of a machine. tests/figures/roofline.py repeats the arithmetic.
const LOW_I = 0.1, HIGH_I = 1000, LOW = 1, HIGH = 1e7;  // the axes: FLOP per byte, GFLOP per second

/** What the roofline allows: bandwidth in GB/s, peak in GFLOP/s, a layer of width × width on `batch` rows. */
function judge({ bandwidth, peak, width, batch, bytes }) {
  const flop = 2 * batch * width * width;
  const moved = bytes * (width * width + 2 * batch * width);
  const intensity = flop / moved, ridge = peak / bandwidth;
  const speed = Math.min(peak, bandwidth * intensity);
  const seconds = flop / (1e9 * speed);
  return { flop, moved, intensity, ridge, speed, seconds, million: (1e6 * seconds) / batch, share: speed / peak, limit: intensity < ridge ? "memory" : "arithmetic" };
}

function duration(s) {
  if (s < 120) return `${short(s)} s`;
  return s < 7200 ? `${short(s / 60)} minutes` : `${short(s / 3600)} hours`;
}

function sentence({ batch, width, bytes }, found) {
  const wide = width.toLocaleString("en"), rows = batch === 1 ? "1 row" : `${batch.toLocaleString("en")} rows`;
  return `${rows} through a layer ${wide} wide, ${bytes} ${bytes === 1 ? "byte" : "bytes"} a number: ${short(found.intensity)} FLOP per byte, the ridge is at ${short(found.ridge)}. `
    + (found.limit === "memory" ? "Memory limits: " : "Arithmetic limits: ")
    + `${whole(found.speed)} GFLOP/s at most, ${(100 * found.share).toFixed(found.share < 0.1 ? 1 : 0)} % of the peak. A million rows take at least ${duration(found.million)}.`;
}

const whole = (x) => (x < 1e3 ? short(x) : Math.round(x).toLocaleString("en"));

function render({ model, el }) {
  const list = model.get("config")?.machines ?? [["this core", 13, 170]];
  const machines = Object.fromEntries(list.map(([name, ...ceilings]) => [name, ceilings]));
  const names = list.map(([name]) => name);
  const { stage, controls, readout } = frame(el, "A layer under the roofline of a machine");
  const state = { machine: names[0], bandwidth: machines[names[0]][0], peak: machines[names[0]][1], width: 1024, batch: 1, bytes: 4 };
  let found = judge(state);

  const aspect = { valueOf: () => (stage.clientWidth > 520 ? 1.9 : 1.15) };
  const label = "Speed against operations per byte, both axes logarithmic: the roofs of the machines and a dot for the layer; the line of text says where it is";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    const box = { x: 66, y: 14, w: width - 90, h: tall - 62 };
    const X = (i) => box.x + (box.w * Math.log(i / LOW_I)) / Math.log(HIGH_I / LOW_I);
    const Y = (v) => box.y + box.h * (1 - Math.log(v / LOW) / Math.log(HIGH / LOW));
    pen.font = "12.5px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.strokeStyle = paint.grey;
    pen.strokeRect(box.x, box.y, box.w, box.h);
    pen.fillStyle = paint.ink;
    pen.textAlign = "center";
    for (const i of [0.1, 1, 10, 100, 1000]) pen.fillText(i.toLocaleString("en"), X(i), box.y + box.h + 16);
    pen.fillText("FLOP per byte", box.x + box.w / 2, box.y + box.h + 36);
    pen.textAlign = "right";
    for (const [v, text] of [[1, "1"], [100, "100"], [1e4, "10,000"], [1e6, "10⁶"]]) pen.fillText(text, box.x - 6, Y(v) + 4);
    pen.save();
    pen.translate(11, box.y + box.h / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText("GFLOP per second", 0, 0);
    pen.restore();
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.w, box.h);
    pen.clip();
    const roof = (bandwidth, peak, colour, thick) => {
      const corner = Math.min(HIGH_I, Math.max(LOW_I, peak / bandwidth));
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(X(LOW_I), Y(Math.min(peak, bandwidth * LOW_I)));
      pen.lineTo(X(corner), Y(Math.min(peak, bandwidth * corner)));
      pen.lineTo(X(HIGH_I), Y(Math.min(peak, bandwidth * HIGH_I)));
      pen.stroke();
    };
    for (const name of names) roof(...machines[name], paint.grey, 1);
    // where the layer goes as its batch grows, under this roof
    pen.strokeStyle = paint.blue;
    pen.globalAlpha = 0.35;
    pen.lineWidth = 9;
    pen.lineCap = "round";
    pen.beginPath();
    for (let power = 0; power <= 3.6; power += 0.02) {
      const at = judge({ ...state, batch: 10 ** power });
      pen[power ? "lineTo" : "moveTo"](X(at.intensity), Y(at.speed));
    }
    pen.stroke();
    pen.globalAlpha = 1;
    pen.lineCap = "butt";
    roof(state.bandwidth, state.peak, paint.ink, 2.2);
    pen.textAlign = "right";
    for (const name of names) {
      const at = [name, X(HIGH_I) - 8, Y(machines[name][1]) - 8];
      pen.strokeStyle = paint.paper;
      pen.lineWidth = 4;
      pen.strokeText(...at);
      pen.fillStyle = paint.grey;
      pen.fillText(...at);
    }
    pen.fillStyle = paint.orange;
    pen.beginPath();
    pen.arc(X(found.intensity), Y(found.speed), 6, 0, 7);
    pen.fill();
    pen.restore();
  });

  function update() {
    found = judge(state);
    picture.redraw();
    readout.textContent = sentence(state, found);
    model.set("result", { ...state, ...found });
    model.save_changes();
  }

  const set = (name, value) => { state[name] = value; sliders[name].value = value; update(); };
  const options = Object.fromEntries(names.map((name) => [name, name]));
  choice(controls, { label: "Machine", options, value: state.machine }, (name) => {
    state.machine = name;
    [state.bandwidth, state.peak] = machines[name];
    sliders.bandwidth.value = state.bandwidth;
    sliders.peak.value = state.peak;
    update();
  });
  // a slider's steps meet a machine's own numbers, and their doubles, only nearly: where they do, the number counts
  const near = (x, which) => {
    const given = machines[state.machine][which], own = given * 2 ** Math.round(Math.log2(x / given));
    return Math.abs(Math.log10(x / own)) < 0.0026 ? own : x;
  };
  const big = (unit, which) => (x) => {
    const at = near(x, which);
    return `${at === x ? whole(Number(x.toPrecision(3))) : Number(at.toPrecision(4)).toLocaleString("en")} ${unit}`;
  };
  const sliders = {
    bandwidth: slider(controls, { label: "Bandwidth", min: 1, max: 1e4, step: 0.005, value: state.bandwidth, log: true, format: big("GB/s", 0) }, (x) => { state.bandwidth = near(x, 0); update(); }),
    peak: slider(controls, { label: "Peak", min: 10, max: 1e6, step: 0.005, value: state.peak, log: true, format: big("GFLOP/s", 1) }, (x) => { state.peak = near(x, 1); update(); }),
  };
  button(controls, "Double the bandwidth", () => set("bandwidth", Math.min(1e4, 2 * state.bandwidth)));
  button(controls, "Double the peak", () => set("peak", Math.min(1e6, 2 * state.peak)));
  slider(controls, { label: "Rows together", min: 0, max: ROWS.length - 1, value: 0, format: (i) => ROWS[i].toLocaleString("en") }, (i) => { state.batch = ROWS[i]; update(); });
  slider(controls, { label: "Width", ...WIDTHS }, (x) => { state.width = 2 ** x; update(); });
  choice(controls, { label: "Bytes a number", options: BYTES, value: "b4" }, (x) => { state.bytes = Number(x[1]); update(); });
  update();
  return () => picture.stop();
}

const BYTES = { b4: "4 (float32)", b2: "2 (16 bits)", b1: "1 (8 bits)" };

/** Row by row to 64, then by a twentieth more each time, up to 4,000. */
const ROWS = [1];
while (ROWS.at(-1) < 4000) ROWS.push(ROWS.at(-1) < 64 ? ROWS.at(-1) + 1 : Math.min(4000, Math.round(1.05 * ROWS.at(-1))));

/** Widths are powers of two, from 64 to 8,192. */
const WIDTHS = { min: 6, max: 13, value: 10, format: (x) => (2 ** x).toLocaleString("en") };

export default { render };
