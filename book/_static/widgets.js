// Brings the interactive figures of a page to life without a kernel. A figure is an anywidget front-end module: its
// source and state are embedded in the page, so this works served and opened from a folder alike.
(() => {
  const page = JSON.parse(document.getElementById("lm-figures").textContent);
  const modules = new Map();
  const styles = new Set();

  /** The part of anywidget's model that a module may use; nothing is sent anywhere. */
  function makeModel(state) {
    const listeners = new Map();
    const tell = (name, ...details) => [...(listeners.get(name) ?? [])].forEach((react) => react(...details));
    return {
      get: (name) => state[name],
      set(name, value) {
        const changed = state[name] !== value;
        state[name] = value;
        if (changed) tell(`change:${name}`, { changed: { [name]: value } }, value);
        if (changed) tell("change");
      },
      on: (name, react) => listeners.set(name, [...(listeners.get(name) ?? []), react]),
      off: (name, react) => listeners.set(name, react ? (listeners.get(name) ?? []).filter((f) => f !== react) : []),
      save_changes() {},
      send() {},
    };
  }

  /** Import a source once, however many figures share it. */
  function load(key) {
    if (!modules.has(key)) {
      const address = URL.createObjectURL(new Blob([page.sources[key]], { type: "text/javascript" }));
      modules.set(key, import(address).then((loaded) => loaded.default));
    }
    return modules.get(key);
  }

  function dress(key) {
    if (styles.has(key)) return;
    styles.add(key);
    const style = document.createElement("style");
    style.textContent = page.sources[key];
    document.head.append(style);
  }

  async function start(box) {
    const figure = page.figures[box.dataset.figure];
    dress(figure.style);
    const loaded = await load(figure.module);
    const widget = typeof loaded === "function" ? await loaded() : loaded;
    const model = makeModel(figure.state);
    box.replaceChildren();
    box.model = model;
    await widget.initialize?.({ model });
    await widget.render({ model, el: box });
    box.dataset.ready = "true";
  }

  for (const box of document.querySelectorAll(".lm-widget[data-figure]")) {
    start(box).catch((trouble) => {
      box.textContent = "This figure could not be started in this browser.";
      box.dataset.ready = "failed";
      console.error(trouble);
    });
  }
})();
