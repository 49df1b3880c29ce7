// Byte-pair encoding in the page: the same cutting into words, the same order of merges as minilib.text.BPETokenizer.
const WORDS = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const START = "The room is large, the service too. 房间很大，服务也很好。";
const MOST = 400; // characters

/** Flat merges [l, r, l, r, …] → the bytes of each token, and "l r" → id. */
function prepare(flat) {
  const tokens = Array.from({ length: 256 }, (_, byte) => [byte]), ranks = new Map();
  for (let i = 0; i < flat.length; i += 2) {
    ranks.set(`${flat[i]} ${flat[i + 1]}`, tokens.length);
    tokens.push([...tokens[flat[i]], ...tokens[flat[i + 1]]]);
  }
  return { tokens, ranks };
}

/** The ids of one word: of the pairs that are known, the one learnt first, until none is left. */
function encodeWord(bytes, ranks, limit) {
  let ids = [...bytes];
  for (;;) {
    let first = limit;
    for (let i = 0; i + 1 < ids.length; i++) first = Math.min(first, ranks.get(`${ids[i]} ${ids[i + 1]}`) ?? limit);
    if (first === limit) return ids;
    const merged = [];
    for (let i = 0; i < ids.length; i++) {
      if (i + 1 < ids.length && ranks.get(`${ids[i]} ${ids[i + 1]}`) === first) { merged.push(first); i++; }
      else merged.push(ids[i]);
    }
    ids = merged;
  }
}

function encode(text, { ranks }, merges) {
  const writer = new TextEncoder();
  return (text.match(WORDS) ?? []).flatMap((word) => encodeWord(writer.encode(word), ranks, 256 + merges));
}

/** What a token looks like: its text with blanks and line ends made visible, or the numbers of its bytes. */
function looks(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes));
    return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
  } catch {
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
}

function render({ model, el }) {
  const { merges = {}, names = Object.keys(merges) } = model.get("config") ?? {};
  const { stage, controls, readout } = frame(el, "Watch a text being cut into tokens");
  const prepared = Object.fromEntries(names.map((name) => [name, prepare(merges[name])]));
  const most = Math.min(...names.map((name) => merges[name].length / 2));
  const state = { text: START, tokeniser: names[0], merges: 0 };

  const id = freshId();
  const area = node("textarea", {
    id, rows: 3, maxlength: MOST, spellcheck: "false",
    style: "width: 100%; box-sizing: border-box; font: inherit; color: inherit; background: transparent; border: 1px solid var(--lm-grey); border-radius: 4px; padding: 0.4rem",
  });
  area.value = state.text;
  area.addEventListener("input", () => { state.text = area.value; update(); });
  const boxes = node("div", {
    role: "img",
    style: "display: flex; flex-wrap: wrap; gap: 3px; margin-top: 0.7rem; min-height: 5rem; align-content: flex-start",
  });
  stage.append(node("label", { for: id, style: "display: block; margin-bottom: 0.25rem" }, "Your text"), area, boxes);

  function box(bytes) {
    const whole = bytes.length > 1;
    return node("span", {
      style: `border: ${whole ? 2 : 1}px solid var(--lm-${whole ? "blue" : "grey"}); border-radius: 3px; padding: 0 0.3rem; line-height: 1.5; overflow-wrap: anywhere`,
    }, looks(bytes));
  }

  function update() {
    const chosen = prepared[state.tokeniser];
    const ids = encode(state.text, chosen, state.merges);
    const bytes = new TextEncoder().encode(state.text).length, characters = [...state.text].length;
    show(boxes, ...ids.map((one) => box(chosen.tokens[one])));
    boxes.setAttribute("aria-label", `Tokens: ${ids.map((one) => looks(chosen.tokens[one])).join(" | ")}`);
    const rate = ids.length ? `${(bytes / ids.length).toFixed(2)} bytes a token` : "no token";
    readout.textContent = `After ${state.merges} merges learnt from ${state.tokeniser}: ${ids.length} tokens for ${characters} characters, ${bytes} bytes; ${rate}.`;
    model.set("result", { ...state, ids, bytes, characters });
    model.save_changes();
  }

  choice(controls, { label: "Learnt from", options: Object.fromEntries(names.map((name) => [name, name])), value: state.tokeniser }, (name) => { state.tokeniser = name; update(); });
  slider(controls, { label: "Merges", min: 0, max: most, step: 10, value: 0, format: (x) => String(x) }, (x) => { state.merges = x; update(); });
  update();
  return () => {};
}

export default { render };
