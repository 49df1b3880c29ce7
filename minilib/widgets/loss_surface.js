function render({ model, el }) { frame(el, "Loss surface"); return () => {}; }
export default { render };
