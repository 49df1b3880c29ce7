// The 1,001 test mails of split 0 in chapter 06: the filter's scores, in ten-thousandths, rounded down, sorted. Each
// string holds the steps from one to the next in base 36. The thresholds of the slider are whole ten-thousandths, so
// that rounding down changes no answer.
const GENUINE = "3k 2 s 6 8 c 0 0 u m 2 0 0 0 k 0 0 0 0 0 0 0 1 h 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 c 4 0 0 0 0 0 0 0 0 8 0 0 6 1 0 0 0 0 0 0 0 0 0 0 0 1 c 1 0 0 0 0 0 0 0 0 0 5 6 1 0 0 0 0 0 0 0 0 0 c 2 9 0 0 0 0 0 0 0 b 0 0 0 a 0 0 0 0 0 0 9 0 0 0 0 0 6 4 0 0 0 0 0 5 3 0 0 9 0 0 0 7 1 0 0 0 8 0 0 0 4 4 0 0 0 7 0 0 0 0 0 0 7 0 0 7 0 0 0 0 7 7 0 0 5 1 7 6 3 3 6 0 0 0 5 0 6 0 1 5 0 2 0 3 0 0 5 0 0 0 0 0 0 6 5 0 5 0 0 5 0 0 5 0 0 4 0 5 0 0 4 1 0 4 1 8 0 2 3 3 1 4 3 2 0 4 0 0 4 8 0 4 0 0 0 0 0 8 0 0 4 3 0 4 4 0 7 0 0 4 0 0 3 7 0 4 0 3 0 0 7 0 0 0 0 3 0 0 a 0 0 3 0 3 0 c 4 0 b 5 4 3 0 0 6 5 3 3 2 3 8 0 a 0 3 2 8 2 5 5 0 3 0 4 3 2 5 4 3 4 2 3 8 9 0 9 2 g a 0 0 2 0 0 1 3 b 6 2 2 7 2 5 d 3 2 2 1 7 3 0 7 7 1 2 2 4 2 e e 4 9 2 37 3 j 3b 2 6 t 6 11 f 2e 7 i 1 3 4 b 4 c 1r l y 4 1z 2c 0 q i d 1 15 9 13 e 8 8 17 1k c 1 p h 1o b m 6 8 6 11 3 g a g t 1a 2 4 1i 9 4 6 1 5 n c 2 1d b 7 1f 7 t b 11 6 6 m 2 c e j g r 4 o 4 n 8 h n n c 1 t 25 8 p 8 8 3 2 f 5 1e g 3 6 m 4 d u 1 l 6 2 9 s 1z o 3 d c 7 11 7 g d 16 c k 22 f z g f 5 1i 2b c j o a 1v k 4 2a l 3 1 5 w 13 3 i 1e i 4 2 2 1a 1u 7 n c 1g 1g h g n m 1 a t b 2 24 8 1e 6 r 25 9 h 5 y 24 2m 10 o 2k j 1 30 5 a z 11 1p 21 l 27 2r j 2a 1l i 80 4k 17 p 9h gq hw i 4q s 24 4e 9t 16 3y w s 8 7g 56 0";
const SPAM = "5y 0 1n 3 40 19 17 c l f 9 i d 0 9 k 4 l m a a 9 0 u c 11 m a 18 0 b 1t 1l y 4e 26 1f di 1z 58 37 1r t 3h 3v 1n 2b 1o 3q 7 m m d v 10 34 5o 8 d 2l 1s 6s 3v i a j q j 1e 42 2 16 5e 1i 4 2l 3p 41 40 8 7 3u 1k a 18 b m 1 t y 2k 6 8 3 11 1 q v 5 1g 23 1t 33 19 1m c u 21 1y 3c 9 5p a j h 7 0 2v c 4 4 1o 7 1 11 3d n x 13 m 1d l p p 7 l 2b 7 1g g 3 0 w h 6 p f 2y 10 1i 4c u s e l 5 1h c a 2a i 22 b u b w 9 9 8 31 2e c 7 t 11 1b 14 4 1o 1k 1u d 8 j q 6 8 1 7 8 7 a 2n 5 u d 2 9 f 3 8 7 9 2 1 i 1 n 9 1q m 1 6 6 n 9 4 2 1 3 6 p 3 b 6 r d a b h 5 7 m y 1 7 g a b 3 1 2 b f c 2 e a 1 7 i 6 l 7 3 0 1 0 5 b 4 1 1 4 2 1 7 3 2 6 1 a 4 9 b k 2 1 3 8 3 2 2 0 1 1 3 1 7 2 1 7 5 0 2 a 1 8 1 5 c 1 1 0 4 6 2 1 5 6 5 1 1 1 1 1 4 1 2 1 1 0 c c 0 6 1 1 3 c 2 8 1 1 0 1 1 2 3 3 0 1 0 1 1 0 1 2 0 2 0 2 1 0 1 2 0 1 1 3 0 2 2 2 2 0 0 0 4 2 1 3 0 4 0 2 0 1 0 2 0 1 1 3 3 0 1 0 1 0 0 1 0 1 0 0 0 1 0 0 1 0 0 2 1 1 1 1";
const UNIT = 10000;

function unpack(text) {
  let sum = 0;
  return text.split(" ").map((step) => (sum += parseInt(step, 36)));
}

const scores = { genuine: unpack(GENUINE), spam: unpack(SPAM) };

/** The share of a sorted list that is at least `limit`. */
const shareFrom = (sorted, limit) => sorted.filter((s) => s >= limit).length / sorted.length;

/** False and true positive rate when what scores at least `threshold` is blocked. */
function rates(threshold) {
  const limit = Math.round(threshold * UNIT);
  return { fpr: shareFrom(scores.genuine, limit), tpr: shareFrom(scores.spam, limit) };
}

/** Both rates at every score that occurs, from nobody blocked to everybody. */
const CURVE = [{ fpr: 0, tpr: 0 }, ...[...new Set([...scores.genuine, ...scores.spam])].sort((a, b) => b - a).map((s) => rates(s / UNIT))];
const GRID = Array.from({ length: 501 }, (_, i) => ({ threshold: i / 500, ...rates(i / 500) }));

const precisionOf = ({ fpr, tpr }, share) => (tpr + fpr === 0 ? 1 : (share * tpr) / (share * tpr + (1 - share) * fpr));
const costOf = ({ fpr, tpr }, share, lost) => 1000 * (lost * (1 - share) * fpr + share * (1 - tpr));

/** Everything that the figure shows for one setting; counts and costs are per 1,000 mails. */
function judge(threshold, lost, share) {
  const at = rates(threshold), precision = precisionOf(at, share), recall = at.tpr;
  let auc = 0, ap = 0;
  for (let i = 1; i < CURVE.length; i++) {
    auc += ((CURVE[i].fpr - CURVE[i - 1].fpr) * (CURVE[i].tpr + CURVE[i - 1].tpr)) / 2;
    ap += (CURVE[i].tpr - CURVE[i - 1].tpr) * precisionOf(CURVE[i], share);
  }
  return {
    ...at, precision, recall, auc, ap,
    f1: recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    accuracy: (1 - share) * (1 - at.fpr) + share * at.tpr,
    matrix: [[1000 * (1 - share) * (1 - at.fpr), 1000 * (1 - share) * at.fpr], [1000 * share * (1 - at.tpr), 1000 * share * at.tpr]],
    cost: costOf(at, share, lost), none: 1000 * share, formula: lost / (lost + 1),
  };
}

const count = (x) => (x === 0 ? "0" : x < 10 ? x.toFixed(1) : x.toFixed(0));
const money = (x) => (x < 100 ? x.toFixed(1) : Math.round(x).toLocaleString("en"));

function sentence(state, found) {
  const gain = found.none - found.cost, same = Math.abs(gain) < 0.05;
  const told = same ? "as much as" : gain > 0 ? `${money(gain)} less than` : `${money(-gain)} more than`;
  return `Threshold ${state.threshold.toFixed(3)}: of 1,000 mails, ${count(found.matrix[0][1])} genuine ones are lost and ${count(found.matrix[1][0])} spams get through. `
    + `That costs ${money(found.cost)}, ${told} no filter (${money(found.none)}). `
    + `Accuracy ${found.accuracy.toFixed(3)}, precision ${found.precision.toFixed(3)}, recall ${found.recall.toFixed(3)}, F1 ${found.f1.toFixed(3)}. `
    + `AUC ${found.auc.toFixed(3)}, average precision ${found.ap.toFixed(3)}.`;
}

/** Axes from 0 to 1 in a box, with a name for each; returns the two scales. */
function axes(pen, box, [title, across, up], paint) {
  pen.strokeStyle = paint.grey;
  pen.lineWidth = 1;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  pen.fillStyle = paint.ink;
  pen.textAlign = "left";
  pen.fillText(title, box.x, box.y - 7);
  pen.textAlign = "center";
  for (const x of [0, 0.5, 1]) pen.fillText(x, box.x + x * box.w, box.y + box.h + 15);
  pen.fillText(across, box.x + box.w / 2, box.y + box.h + 31);
  pen.save();
  pen.translate(box.x - 36, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(up, 0, 0);
  pen.restore();
  pen.textAlign = "right";
}

function trace(pen, points, colour, width = 1.8) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  points.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
  pen.stroke();
}

function dot(pen, [x, y], colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, y, 5, 0, 7);
  pen.fill();
}

/** A curve of rates in the unit square: `point` turns a pair of rates into its two coordinates. */
function drawRates(pen, box, names, point, found, paint) {
  axes(pen, box, names, paint);
  for (const y of [0, 0.5, 1]) pen.fillText(y, box.x - 5, box.y + (1 - y) * box.h + 4);
  const place = (at) => { const [x, y] = point(at); return [box.x + x * box.w, box.y + (1 - y) * box.h]; };
  trace(pen, CURVE.slice(names[0].startsWith("ROC") ? 0 : 1).map(place), paint.blue);
  dot(pen, place(found), paint.orange);
}

function drawCost(pen, box, state, found, paint) {
  axes(pen, box, ["Cost of 1,000 mails", "threshold", "cost"], paint);
  const costs = GRID.map((at) => costOf(at, state.share, state.lost));
  const low = Math.log10(Math.min(...costs, found.none) / 1.4), high = Math.log10(Math.max(...costs) * 1.1);
  const Y = (c) => box.y + box.h * (1 - (Math.log10(c) - low) / (high - low));
  for (let power = Math.ceil(low); power <= high; power++) pen.fillText(power > 2 ? `${10 ** (power - 3)}k` : 10 ** power, box.x - 5, Y(10 ** power) + 4);
  trace(pen, [[box.x, Y(found.none)], [box.x + box.w, Y(found.none)]], paint.grey, 1);
  pen.fillStyle = paint.grey;
  pen.textAlign = "left";
  pen.fillText("no filter", box.x + 6, Y(found.none) - 5);
  pen.setLineDash([4, 4]);
  trace(pen, [[box.x + found.formula * box.w, box.y], [box.x + found.formula * box.w, box.y + box.h]], paint.ink, 1);
  pen.setLineDash([]);
  pen.fillStyle = paint.ink;
  pen.textAlign = "right";
  if (found.formula > 0.5) pen.fillText("formula", box.x + found.formula * box.w - 5, box.y + 15);
  trace(pen, GRID.map((at, i) => [box.x + at.threshold * box.w, Y(costs[i])]), paint.blue);
  dot(pen, [box.x + state.threshold * box.w, Y(found.cost)], paint.orange);
}

/** The four piles as a table that can be read out. */
function piles(parent) {
  const cells = [0, 1].map(() => [0, 1].map(() => node("td", { style: "text-align: right; padding: 0.1rem 0.8rem; font-variant-numeric: tabular-nums" })));
  const head = (text, scope) => node("th", { scope, style: "text-align: left; font-weight: 600; padding: 0.1rem 0.8rem 0.1rem 0" }, text);
  parent.append(node("table", { style: "border-collapse: collapse; margin: 0 0 0.4rem; color: inherit; width: auto" },
    node("thead", {}, node("tr", {}, node("td", {}), head("let through", "col"), head("blocked", "col"))),
    node("tbody", {}, ...["genuine", "spam"].map((name, i) => node("tr", {}, head(`${name}, of 1,000 mails`, "row"), ...cells[i])))));
  return (matrix) => matrix.forEach((row, i) => row.forEach((x, j) => { cells[i][j].textContent = count(x); }));
}

function render({ model, el }) {
  const { compact = false } = model.get("config") ?? {};
  const { root, stage, controls, readout } = frame(el, "A spam filter: threshold, piles, curves and money");
  const mails = scores.genuine.length + scores.spam.length;
  const state = { threshold: 0.5, lost: 20, share: scores.spam.length / mails };
  const fill = compact ? () => {} : piles(stage);
  let found = judge(state.threshold, state.lost, state.share);

  // three charts side by side, or one above the other on a phone: the aspect is asked for at every drawing
  const charts = compact ? 1 : 3;
  const beside = () => stage.clientWidth > 560;
  const aspect = { valueOf: () => { const w = stage.clientWidth || 600; return w / (beside() || compact ? 250 : 250 * charts); } };
  const label = "The cost against the threshold, the ROC curve and the precision–recall curve, with a dot at the threshold; the line of text says what they show";
  const picture = canvas(stage, { label, aspect }, (pen, width, tall, paint) => {
    pen.font = "12.5px system-ui, sans-serif";
    const across = beside() && !compact, w = across ? width / 3 : width;
    const box = (i) => ({ x: (across ? i * w : 0) + 46, y: (across ? 0 : i * 250) + 24, w: w - 62, h: 178 });
    drawCost(pen, box(0), state, found, paint);
    if (compact) return;
    drawRates(pen, box(1), ["ROC", "genuine mails lost", "spam caught"], ({ fpr, tpr }) => [fpr, tpr], found, paint);
    drawRates(pen, box(2), ["Precision–recall", "recall", "precision"], (at) => [at.tpr, precisionOf(at, state.share)], found, paint);
  });

  function update(speak = true) {
    found = judge(state.threshold, state.lost, state.share);
    fill(found.matrix);
    picture.redraw();
    if (speak) readout.textContent = sentence(state, found);
    model.set("result", { ...state, ...found });
    model.save_changes();
  }

  const thresholdControl = slider(controls, { label: "Threshold", min: 0, max: 1, step: 0.002, value: state.threshold, format: (x) => x.toFixed(3) }, (x) => { film.pause(); state.threshold = x; update(); });
  thresholdControl.input.style.width = "17rem";
  if (!compact) {
    slider(controls, { label: "A lost mail costs", min: 1, max: 100, value: state.lost, log: true, format: (x) => String(Math.round(x)) }, (x) => { state.lost = Math.round(x); update(); });
    slider(controls, { label: "Share of spam", min: 1, max: 50, step: 0.2, value: 100 * state.share, format: (x) => `${x.toFixed(1)} %` }, (x) => { state.share = x / 100; update(); });
  }

  // the small version sweeps the threshold up and down
  let frames = 0;
  const film = player(root, () => {
    if (++frames % 3) return;
    thresholdControl.value = 0.75 + 0.245 * Math.sin(frames / 120);
    state.threshold = thresholdControl.value;
    update(frames % 240 === 0);
  });
  update();
  if (compact && !calm()) film.play();
  return () => { film.stop(); picture.stop(); };
}

export default { render };
