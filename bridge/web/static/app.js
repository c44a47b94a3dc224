// Comfort only: every page works without this file. Keys: / search, j k rows, Enter open, x tick, a–d decide, ? help.
"use strict";

(() => {
  const rows = () => [...document.querySelectorAll("tbody tr[data-href], tbody tr:has(a.row)")];
  let chosen = -1;

  function typing(target) {
    return target.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
  }

  function choose(step) {
    const all = rows();
    if (!all.length) return;
    all.forEach((row) => row.classList.remove("chosen"));
    chosen = Math.min(Math.max(chosen + step, 0), all.length - 1);
    const row = all[chosen];
    row.classList.add("chosen");
    row.scrollIntoView({ block: "nearest" });
    const link = row.querySelector("a.row");
    if (link) link.focus({ preventScroll: true });
  }

  function tickOf(row) { return row?.querySelector("input[type=checkbox]"); }

  function help() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target)) return;
    const key = event.key;
    if (key === "/") {
      const box = document.getElementById("q");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    } else if (key === "j") { choose(1); }
    else if (key === "k") { choose(-1); }
    else if (key === "Enter" && chosen >= 0 && event.target === document.body) { rows()[chosen]?.querySelector("a.row")?.click(); }
    else if (key === "x" && tickOf(rows()[chosen])) { event.preventDefault(); tickOf(rows()[chosen]).click(); }
    else if (key === "?") { help(); }
    else if (/^[a-dnprstuy1-9]$/.test(key)) {
      const named = document.querySelector(`[data-key="${key}"]`);
      if (!named) return;
      event.preventDefault();
      if (named.type === "radio") named.checked = true;
      if (named.type === "checkbox") named.click();
      named.dispatchEvent(new CustomEvent("named", { bubbles: true }));
      named.focus();
      named.scrollIntoView({ block: "center" });
    }
  });

  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, select, label") && !String(getSelection())) {
      location.assign(row.dataset.href);
    }
    const tickable = event.target.closest("tr:has(.tick)");
    if (tickable && !event.target.closest("a, button, input, select, label") && !String(getSelection())) tickOf(tickable).click();
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (event.target.closest("[data-help]")) help();
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const said = navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent.trim());
      // A copy that is recorded: the page is left only once the text is on the clipboard.
      if (said && copy.form) { event.preventDefault(); said.finally(() => copy.form.submit()); }
    }
    if (!event.target.closest(".me")) document.querySelectorAll(".me[open]").forEach((menu) => menu.removeAttribute("open"));
  });

  document.addEventListener("change", () => {
    const said = document.getElementById("ticked");
    if (said) said.textContent = `${document.querySelectorAll(".tick input:checked").length} chosen.`;
  });

  // Whoever fills in what goes with a choice has chosen it.
  document.addEventListener("input", (event) => {
    const radio = event.target.closest(".cause")?.querySelector("input[type=radio]");
    if (radio && event.target.matches("input[type=text], select")) radio.checked = true;
  });

  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });

  // On a phone the desks are wider than the screen: show the one that is open.
  const here = document.querySelector(".desks a[aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

  // Nobody here: ask the server again, which by then asks for a sign-in and comes back to this place.
  const lock = Number(document.body.dataset.lockSecs || 0);
  if (lock) {
    let timer = 0;
    const wake = () => { clearTimeout(timer); timer = setTimeout(() => location.replace(document.body.dataset.again), (lock + 5) * 1000); };
    ["keydown", "pointerdown", "pointermove", "scroll"].forEach((kind) => addEventListener(kind, wake, { passive: true }));
    wake();
  }

  // Live parts: never move what is under the pointer or in the hand of the keyboard.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (part.matches(":hover") || part.contains(document.activeElement)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", () => { chosen = -1; });
})();
