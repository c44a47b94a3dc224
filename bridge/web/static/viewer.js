// Comfort only: the links beside the picture do the same. Arrows and wheel go from frame to frame, z is full size.
"use strict";

(() => {
  const box = document.querySelector(".viewer");
  const picture = document.getElementById("picture");
  const narrow = document.getElementById("narrow");

  if (narrow) {
    narrow.closest(".scripted").classList.add("on");
    const rows = [...document.querySelectorAll(".tags tbody tr")];
    const said = document.getElementById("narrowed");
    narrow.addEventListener("input", () => {
      const wanted = narrow.value.trim().toLowerCase();
      let left = 0;
      for (const row of rows) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        left += row.hidden ? 0 : 1;
      }
      said.textContent = wanted ? `${left} of ${rows.length}` : "";
    });
  }
  if (!box || !picture) return;

  const frames = Number(box.dataset.frames);
  let frame = Number(box.dataset.frame);
  const number = document.getElementById("frame-number");

  function show(next) {
    if (next < 1 || next > frames || next === frame) return false;
    frame = next;
    const address = new URL(picture.src);
    address.searchParams.set("frame", frame);
    picture.src = address.href;
    picture.alt = picture.alt.replace(/frame \d+$/, `frame ${frame}`);
    if (number) number.textContent = frame;
    for (const field of document.querySelectorAll('input[name="frame"]')) field.value = frame;
    for (const link of document.querySelectorAll('[data-step="left"], [data-step="right"], .chips a')) {
      const goes = new URL(link.href);
      const step = { left: -1, right: 1 }[link.dataset.step] || 0;
      goes.searchParams.set("frame", Math.min(Math.max(frame + step, 1), frames));
      link.href = goes.href;
    }
    const here = new URL(location.href);
    here.searchParams.set("frame", frame);
    history.replaceState(null, "", here.href);
    return true;
  }

  // One frame is on its way at a time, so that a turn of the wheel does not ask for fifty.
  let wheel = 0;
  box.addEventListener("wheel", (event) => {
    if (frames < 2 || event.ctrlKey) return;
    event.preventDefault();
    if (!picture.complete) return;
    wheel += event.deltaY;
    if (Math.abs(wheel) < 30) return;
    show(frame + Math.sign(wheel));
    wheel = 0;
  }, { passive: false });

  box.addEventListener("click", () => box.classList.toggle("full"));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (event.key === "z") { box.classList.toggle("full"); return; }
    const step = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (!step) return;
    const beside = { left: -1, right: 1 }[step];
    if (beside && frames > 1) { event.preventDefault(); show(frame + beside); return; }
    const link = document.querySelector(`a[data-step="${step}"]`);
    if (link) { event.preventDefault(); link.click(); }
  });
})();
