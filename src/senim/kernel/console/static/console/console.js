/* What a page does beyond links and forms. Everything here has a way without it. Nothing is kept in the browser. */
(() => {
  "use strict";
  const editing = (element) => element.closest("input, textarea, select, [contenteditable]");

  // Live parts rest while nobody looks, and while the reader has something in them selected.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.target.closest("[data-live]");
    if (!live) return;
    const selection = document.getSelection();
    const reading = selection && !selection.isCollapsed && live.contains(selection.anchorNode);
    if (document.hidden || reading) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && window.htmx) document.querySelectorAll("[data-live]").forEach((live) => window.htmx.trigger(live, "look"));
  });
  // Menus close when the reader turns elsewhere.
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    const rows = event.target.closest("[data-rows] tbody tr");
    if (rows && !event.target.closest("a, button, input") && document.getSelection().isCollapsed) {
      const link = rows.querySelector("a[href]");
      if (link) link.click();
    }
  });

  const move = (step) => {
    const rows = [...document.querySelectorAll("[data-rows] tbody tr")];
    if (!rows.length) return;
    const now = rows.findIndex((row) => row.classList.contains("current"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, now + step))];
    rows.forEach((row) => row.classList.toggle("current", row === next));
    const link = next.querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
      if (location.hash === "#rail") location.hash = "main";
    }
    if (event.ctrlKey || event.metaKey || event.altKey || editing(event.target)) return;
    if (event.key === "/") {
      const field = document.querySelector("[data-find-here]") || document.querySelector("[data-find]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "j") { move(1); } else if (event.key === "k") { move(-1); }
  });

  // A file may be dropped on the field that asks for it.
  document.addEventListener("dragover", (event) => {
    const drop = event.target.closest("[data-drop]");
    if (drop) { event.preventDefault(); drop.classList.add("over"); }
  });
  document.addEventListener("dragleave", (event) => {
    const drop = event.target.closest("[data-drop]");
    if (drop && !drop.contains(event.relatedTarget)) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    const drop = event.target.closest("[data-drop]");
    if (!drop) return;
    event.preventDefault();
    drop.classList.remove("over");
    const field = drop.querySelector("input[type=file]");
    field.files = event.dataTransfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
  // The browser's own button speaks the browser's language, not the page's: the page names the chosen file itself.
  document.documentElement.classList.add("scripted");
  document.addEventListener("change", (event) => {
    const chosen = event.target.closest("[data-drop]")?.querySelector("[data-chosen]");
    if (chosen) chosen.textContent = [...event.target.files].map((file) => file.name).join(", ");
  });

  if (document.body.hasAttribute("data-print")) window.addEventListener("load", () => window.print());
})();
