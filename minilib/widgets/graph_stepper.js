function render({ model, el }) { el.textContent = "…"; return () => {}; }
export default { render };
