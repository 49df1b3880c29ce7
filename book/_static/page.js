// Small repairs for keyboards and folders: boxes that scroll can be reached with the keyboard, and the search page does
// not try to read other pages when the book is opened from a folder, where a browser forbids it.
(() => {
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS === "object") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  const boxes = ".math .formula, .table-scroll, .bd-article figure, .cell_output .output, .lm-stage, .bd-article table, .bd-sidebar-primary, .bd-sidebar-secondary";
  function reach() {
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (scrolls) box.setAttribute("tabindex", "0");
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
    }
  }
  addEventListener("load", reach);
  addEventListener("resize", reach);

  // A printed page shows what is folded.
  const folded = () => document.querySelectorAll("details:not([open])");
  addEventListener("beforeprint", () => folded().forEach((part) => { part.open = true; part.dataset.unfolded = "true"; }));
  addEventListener("afterprint", () => document.querySelectorAll("[data-unfolded]").forEach((part) => {
    part.open = false;
    delete part.dataset.unfolded;
  }));
})();
