// A test set is a mixture of lines that the models have seen and lines that are new. From Python come, for each kind,
// counts of the 16 patterns of right answers: bit i of a pattern is 1 if model i was right.
const PAIRS = { "1,3": [1, 3], "0,1": [0, 1], "2,3": [2, 3], "0,1,2,3": [0, 1, 2, 3] };
const EXACT = "all";
// not "100": an object gives keys that look like numbers first
const SIZES = { all: "endless: no luck", n1000: "1,000", n100: "100" };

const total = (counts) => counts.reduce((sum, n) => sum + n, 0);

/** The accuracy of model i on lines of one kind. */
function accuracy(counts, i) {
  const right = counts.reduce((sum, n, pattern) => sum + ((pattern >> i) & 1 ? n : 0), 0);
  return right / total(counts);
}

/** What each model scores if the share s of an endless test are copies. */
const mixture = (on, s) => on.seen.map((seen, i) => s * seen + (1 - s) * on.new[i]);

/** Scores on a drawn test of `size` lines, the first of them copies. */
function drawn({ seen, new: fresh }, s, size, seed) {
  const random = generator(seed), copies = Math.round(s * size), right = [0, 0, 0, 0];
  for (let line = 0; line < size; line++) {
    const counts = line < copies ? seen : fresh;
    let left = random() * total(counts), pattern = 0;
    while (pattern < 15 && left >= counts[pattern]) left -= counts[pattern++];
    for (let i = 0; i < 4; i++) right[i] += (pattern >> i) & 1;
  }
  return right.map((n) => n / size);
}

/** The contender with the highest score; null if two share it. */
function leader(scores, contenders) {
  const best = Math.max(...contenders.map((i) => scores[i]));
  const first = contenders.filter((i) => Math.abs(scores[i] - best) < 1e-12);
  return first.length === 1 ? first[0] : null;
}

const three = (x) => x.toFixed(3);

function render({ model, el }) {
  const { names, seen, new: fresh } = model.get("config");
  const counts = { seen, new: fresh };
  const on = { seen: names.map((_, i) => accuracy(seen, i)), new: names.map((_, i) => accuracy(fresh, i)) };
  const { stage, controls, readout } = frame(el, "Which model wins, with how many copies in the test");
  const state = { share: 77, size: EXACT, pair: "1,3", seed: 1 };
  let tally = { tests: 0, worse: 0, ties: 0 };

  const contenders = () => PAIRS[state.pair];
  const truth = () => leader(on.new, contenders());
  const scoresOf = (seed) => (state.size === EXACT ? mixture(on, state.share / 100) : drawn(counts, state.share / 100, Number(state.size.slice(1)), seed));

  function take(tests) {
    for (let k = 0; k < tests; k++) {
      if (k) state.seed += 1;
      const first = leader(scoresOf(state.seed), contenders());
      tally.tests += 1;
      tally.ties += first === null ? 1 : 0;
      tally.worse += first !== null && first !== truth() ? 1 : 0;
    }
  }

  const aspect = { valueOf: () => (stage.clientWidth > 520 ? 1.75 : 1.15) };
  const picture = canvas(stage, { label: "Score of four models against the share of copies in the test", aspect }, (pen, width, height, paint) => {
    const ink = [paint.grey, paint.blue, paint.green, paint.orange];
    const box = { x: 46, y: 12, w: width - 64, h: height - 58 };
    const X = (s) => box.x + (box.w * s) / 100, Y = (score) => box.y + box.h * (1 - (score - 0.45) / 0.57);
    pen.font = "13px system-ui, sans-serif";
    pen.strokeStyle = paint.grey;
    pen.lineWidth = 1;
    pen.strokeRect(box.x, box.y, box.w, box.h);
    pen.fillStyle = paint.ink;
    pen.textAlign = "center";
    for (const s of [0, 25, 50, 75, 100]) pen.fillText(s, X(s), box.y + box.h + 17);
    pen.fillText("copies in the test (%)", box.x + box.w / 2, box.y + box.h + 36);
    pen.textAlign = "left";
    pen.fillText("score in the test", box.x + 8, box.y + 18);
    pen.textAlign = "right";
    for (const score of [0.5, 0.6, 0.7, 0.8, 0.9, 1]) pen.fillText(score.toFixed(1), box.x - 6, Y(score) + 4);
    const scores = scoresOf(state.seed);
    pen.setLineDash([4, 4]);
    pen.beginPath();
    pen.moveTo(X(state.share), box.y);
    pen.lineTo(X(state.share), Y(Math.min(...scores)));
    pen.stroke();
    pen.setLineDash([]);
    pen.textAlign = "left";
    names.forEach((name, i) => {
      const takesPart = contenders().includes(i);
      pen.globalAlpha = takesPart ? 1 : 0.5;
      pen.strokeStyle = pen.fillStyle = ink[i];
      pen.lineWidth = takesPart ? 2.4 : 1.4;
      pen.beginPath();
      pen.moveTo(X(0), Y(on.new[i]));
      pen.lineTo(X(100), Y(on.seen[i]));
      pen.stroke();
      pen.beginPath();
      pen.arc(X(state.share), Y(scores[i]), takesPart ? 5 : 3.5, 0, 7);
      pen.fill();
      pen.globalAlpha = 1;
      pen.fillRect(box.x + box.w - 108, box.y + box.h - 20 - 18 * (3 - i) - 4, 14, 3);
      pen.fillStyle = paint.ink;
      pen.fillText(name, box.x + box.w - 88, box.y + box.h - 20 - 18 * (3 - i));
    });
  });

  function tell() {
    const scores = scoresOf(state.seed), first = leader(scores, contenders()), best = truth();
    const listed = contenders().map((i) => `${names[i]} scores ${three(scores[i])}`).join(", ");
    const chosen = first === null ? "The test calls it a tie."
      : first === best ? `The test ships ${names[first]}: the best on new texts too.`
      : `The test ships ${names[first]}, the wrong one: on new texts ${names[best]} is right on ${three(on.new[best])}, ${names[first]} on ${three(on.new[first])}.`;
    const luck = state.size === EXACT ? ""
      : ` Tests drawn here: ${tally.tests}; a wrong winner in ${tally.worse}, a tie in ${tally.ties}.`;
    readout.textContent = `${state.share} % copies: ${listed}. ${chosen}${luck}`;
    picture.redraw();
    model.set("result", { ...state, scores, first, best, seen: on.seen, new: on.new, tally: { ...tally } });
    model.save_changes();
  }

  /** Another setting: the draws begin again. */
  function change(what) {
    Object.assign(state, what, { seed: 1 });
    tally = { tests: 0, worse: 0, ties: 0 };
    take(1);
    for (const one of draws) one.disabled = state.size === EXACT;
    tell();
  }

  slider(controls, { label: "Copies in the test", min: 0, max: 100, value: state.share, format: (s) => `${s} %` }, (share) => change({ share }));
  const of = (key) => PAIRS[key].map((i) => names[i]).join(" or ");
  const pairs = Object.fromEntries(Object.keys(PAIRS).map((key) => [key, PAIRS[key].length > 2 ? "any of the four" : of(key)]));
  choice(controls, { label: "To choose between", options: pairs, value: state.pair }, (pair) => change({ pair }));
  choice(controls, { label: "Lines in the test", options: SIZES, value: state.size }, (size) => change({ size }));
  const again = (tests) => () => { state.seed += 1; take(tests); tell(); };
  const draws = [button(controls, "Draw another test", again(1)), button(controls, "Draw 100 more", again(100))];
  change({});
  return () => picture.stop();
}

export default { render };
