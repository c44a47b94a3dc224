// One case: comfort only. Who is named by a key is shown first; whoever leaves the page says so.
"use strict";

(() => {
  document.addEventListener("named", (event) => {
    const side = event.target.closest(".candidate");
    const all = document.getElementById("show-all");
    if (side && all && !side.checkVisibility()) all.checked = true;
  });

  const presence = document.getElementById("presence");
  if (presence?.dataset.leave) {
    addEventListener("pagehide", () => {
      const said = new FormData();
      said.set("csrf_token", presence.dataset.token);
      navigator.sendBeacon(presence.dataset.leave, said);
    });
  }
})();
