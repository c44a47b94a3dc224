// Comfort only: the board, its moves and its marks work without this file.
"use strict";

(() => {
  const LIVE = document.currentScript.dataset.live;
  const current = document.getElementById("current");
  const EVERY = Number(current.dataset.every) * 1000;
  const board = () => document.getElementById("board");
  const cards = (root) => [...root.querySelectorAll(".card")];
  let dragged = null;
  let etag = board().dataset.etag;
  let asOf = board().dataset.now;
  let waiting = null;
  let busy = false;

  // ── current without reloading ──

  /** What must not move or change under somebody: the card in the hand, under the pointer, or with the focus. */
  function held() {
    if (dragged) return dragged;
    const focused = document.activeElement?.closest?.("#board .card");
    // A finger leaves its hover behind; only a pointer that is there counts.
    return focused || (matchMedia("(hover: hover)").matches ? document.querySelector("#board .card:hover") : null);
  }

  function say(sentence) {
    const place = document.getElementById("heard");
    if (place.textContent !== sentence) place.textContent = sentence;
  }

  function name(card) {
    const text = (part) => card.querySelector(part)?.textContent.trim() || "";
    return `${text(".who")}, ${text(".state")}, ${card.dataset.lane} ${card.dataset.time}`;
  }

  function sameShape(now, then) {
    const shape = (root) => [...root.querySelectorAll("[data-cell]")].map((cell) => cell.dataset.cell).join("\n");
    return shape(now) === shape(then);
  }

  /** Bring one cell in line; the held card stays the node it is, and only its words change. */
  function renew(cell, then, kept) {
    const before = new Map(cards(board()).map((card) => [card.id, card]));
    const wanted = cards(then).map((card) => {
      const known = before.get(card.id);
      if (!known || known.dataset.stamp === card.dataset.stamp) return known || card;
      if (known !== kept) return card;
      known.className = card.className;
      Object.assign(known.dataset, card.dataset);
      const [link, words] = [known.querySelector(".open"), card.querySelector(".open")];
      link.innerHTML = words.innerHTML;
      known.querySelector(".says")?.replaceWith(...[card.querySelector(".says")].filter(Boolean));
      return known;
    });
    cards(cell).forEach((card) => { if (!wanted.includes(card) && card !== kept) card.remove(); });
    wanted.forEach((card, place) => {
      if (card === kept && card.parentElement !== cell) return;
      const there = cards(cell)[place];
      if (there !== card && card !== kept) { before.get(card.id)?.remove(); cell.insertBefore(card, cards(cell)[place] || null); }
    });
    cell.classList.toggle("bare", !cards(cell).length);
  }

  function announce(now, then) {
    const known = new Map(cards(now).map((card) => [card.id, card.querySelector(".state").textContent]));
    const fresh = cards(then).filter((card) => !known.has(card.id));
    const changed = cards(then).filter((card) => known.has(card.id) && known.get(card.id) !== card.querySelector(".state").textContent);
    if (fresh.length > 3) say(`${fresh.length} new exams`);
    else if (fresh.length) say(`New: ${fresh.map(name).join("; ")}`);
    else if (changed.length && changed.length <= 3) say(changed.map(name).join("; "));
  }

  /** Take over what the server says now; html: its answer, kept for later where somebody holds what would go elsewhere. */
  function show(html) {
    const found = parsed(html).getElementById("board");
    if (!found) return;
    const [now, then, kept] = [board(), document.importNode(found, true), held()];
    announce(now, then);
    etag = then.dataset.etag;
    if (!sameShape(now, then)) {
      if (kept) { waiting = html; return; }
      const scroller = now.querySelector(".board");
      const [left, top] = [scroller?.scrollLeft || 0, scroller?.scrollTop || 0];
      now.replaceWith(then);
      then.querySelector(".board")?.scrollTo(left, top);
      waiting = null;
      return;
    }
    const goesTo = kept && then.querySelector(`#${kept.id}`)?.closest("[data-cell]").dataset.cell;
    waiting = kept && goesTo !== kept.closest("[data-cell]").dataset.cell ? html : null;
    const top = kept?.getBoundingClientRect().top;
    const cells = new Map([...then.querySelectorAll("[data-cell]")].map((cell) => [cell.dataset.cell, cell]));
    const rows = [...then.querySelectorAll("tbody tr")].map((row) => row.className);
    now.querySelector(".tally")?.replaceChildren(...(then.querySelector(".tally")?.childNodes || []));
    now.querySelectorAll("tbody tr").forEach((row, place) => { row.className = rows[place]; });
    now.querySelectorAll("[data-cell]").forEach((cell) => renew(cell, cells.get(cell.dataset.cell), kept));
    if (kept) (now.querySelector(".board") || document.scrollingElement).scrollTop += kept.getBoundingClientRect().top - top;
  }

  function parsed(html) {
    return new DOMParser().parseFromString(html, "text/html");
  }

  async function refresh() {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(LIVE, { headers: { "X-Live": "1", "If-None-Match": etag }, cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) { location.reload(); return; }
      if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
      asOf = answer.headers.get("X-Now") || asOf;
      if (answer.status === 200) show(await answer.text());
      current.textContent = `as of ${asOf.slice(0, 5)}`;
      current.classList.remove("stale");
    } catch {
      current.textContent = `not current since ${asOf}: no answer from the server, trying again`;
      current.classList.add("stale");
    } finally { busy = false; }
  }

  function letGo() {
    if (waiting && !held()) show(waiting);
  }

  setInterval(refresh, EVERY);
  addEventListener("online", refresh);
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("pointerout", () => setTimeout(letGo));
  document.addEventListener("focusout", () => setTimeout(letGo));

  /** Begin at the hour that it is, unless an address or somebody's scrolling says otherwise. */
  function startNow() {
    const row = board().querySelector("tr.now");
    const scroller = board().querySelector(".board");
    if (!row || location.hash || scrollY) return;
    if (getComputedStyle(scroller).overflowY === "auto") scroller.scrollTop = row.offsetTop - scroller.querySelector("thead").offsetHeight;
    else row.scrollIntoView({ block: "start" });
  }
  startNow();

  // ── moving and marking ──

  const form = document.getElementById("say");
  const dialog = document.getElementById("move");

  /** Post as a form does, and take the page that answers as the board: one path with and without scripts. */
  async function post(action, fields) {
    const body = new URLSearchParams(fields);
    body.set("csrf_token", form.elements.csrf_token.value);
    try {
      const answer = await fetch(action, { method: "POST", body, cache: "no-store" });
      const page = parsed(await answer.text());
      const then = page.getElementById("board");
      if (!then) { refuse(page.querySelector("[role=alert]")?.textContent.trim() || "That was not possible.", fields.card); return; }
      const told = page.getElementById("told");
      document.getElementById("told").replaceChildren(...told.childNodes);
      const focused = document.activeElement?.closest?.("#board .card")?.id;
      document.activeElement?.blur?.();
      const moved = document.importNode(then, true);
      waiting = null;
      board().replaceWith(moved);
      etag = moved.dataset.etag;
      const again = document.getElementById(focused || fields.card);
      again?.querySelector(".open").focus({ preventScroll: false });
    } catch {
      refuse("No answer from the server: nothing may have changed. Look again.", fields.card);
    }
  }

  function refuse(sentence) {
    const notice = document.createElement("div");
    notice.className = "notice failed";
    notice.setAttribute("role", "alert");
    notice.append(Object.assign(document.createElement("p"), { textContent: sentence }));
    document.getElementById("told").replaceChildren(notice);
    etag = "";
    refresh();
  }

  const at = (template, card) => template.replace("/steps/0/", `/steps/${card.dataset.step}/`);

  function move(card, fields) {
    post(at(form.dataset.move, card), { version: card.dataset.version, reason: "", card: card.id, ...fields });
  }

  function ask(card) {
    const inner = dialog.querySelector("form");
    inner.action = at(inner.dataset.action, card);
    inner.dataset.card = card.id;
    dialog.querySelector("h2").textContent = `Move ${card.querySelector(".who").textContent.trim()}`;
    inner.elements.version.value = card.dataset.version;
    const known = [...inner.elements.device.options].some((one) => one.value === card.dataset.lane);
    inner.elements.device.value = known ? card.dataset.lane : "";
    inner.elements.date.value = card.dataset.day || board().dataset.date;
    inner.elements.time.value = card.dataset.time;
    inner.elements.reason.value = "";
    dialog.showModal();
    inner.elements.device.focus();
  }

  dialog?.addEventListener("submit", (event) => {
    event.preventDefault();
    const inner = event.target;
    dialog.close();
    post(inner.action, { ...Object.fromEntries(new FormData(inner)), card: inner.dataset.card });
  });

  if (form) {
    document.addEventListener("dragstart", (event) => {
      const card = event.target.closest?.(".card[draggable]");
      if (!card) return;
      dragged = card;
      event.dataTransfer.setData("text/plain", card.id);
      event.dataTransfer.effectAllowed = "move";
      card.classList.add("dragged");
      board().classList.add("dropping");
    });
    document.addEventListener("dragover", (event) => {
      const cell = event.target.closest?.("[data-hour]");
      document.querySelectorAll(".cell.over").forEach((one) => { if (one !== cell) one.classList.remove("over"); });
      if (!dragged || !cell) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "move";
      cell.classList.add("over");
    });
    document.addEventListener("drop", (event) => {
      const cell = event.target.closest?.("[data-hour]");
      if (!dragged || !cell) return;
      event.preventDefault();
      const card = dragged;
      const minutes = card.dataset.time.slice(3) || "00";
      const device = cell.dataset.lane === card.dataset.lane ? "" : cell.dataset.device;
      const time = `${cell.dataset.hour}:${minutes}`;
      const stays = !device && time === card.dataset.time && cell.contains(card);
      if (!stays) move(card, { device, date: board().dataset.date, time });
    });
    document.addEventListener("dragend", () => {
      dragged?.classList.remove("dragged");
      dragged = null;
      board().classList.remove("dropping");
      document.querySelectorAll(".cell.over").forEach((one) => one.classList.remove("over"));
      letGo();
    });
  }

  /** The card next to this one in a direction: in its cell, else in the nearest cell that has one. */
  function neighbour(card, key) {
    const from = card.getBoundingClientRect();
    const sideways = key === "ArrowLeft" || key === "ArrowRight";
    const ahead = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    let [best, least] = [null, Infinity];
    for (const other of cards(board())) {
      const to = other.getBoundingClientRect();
      const along = ahead * (sideways ? to.left - from.left : to.top - from.top);
      const across = Math.abs(sideways ? to.top - from.top : to.left - from.left);
      if (other !== card && along > 1 && along + 3 * across < least) [best, least] = [other, along + 3 * across];
    }
    return best;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const link = event.target.closest?.("#board .card .open");
    const card = link?.closest(".card");
    if (!card) return;
    if (event.key.startsWith("Arrow")) {
      const next = neighbour(card, event.key);
      if (next) { event.preventDefault(); next.querySelector(".open").focus(); }
    } else if (event.key === "m" && dialog && card.draggable) {
      event.preventDefault();
      ask(card);
    } else if (form) {
      const status = card.dataset.says.split(" ").find((one) => one.startsWith(`${event.key}:`))?.split(":")[1];
      if (status) { event.preventDefault(); post(at(form.dataset.mark, card), { version: card.dataset.version, status, card: card.id }); }
    }
  });
})();
