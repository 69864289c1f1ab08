"use strict";
// The list of alerts: keys, choosing many, and staying where one is while the rows come anew.
// And the forms of alerting: fields that follow what was chosen.
(() => {
  const form = document.querySelector("[data-alerts]");
  const place = document.getElementById("alert-rows");
  if (!form || !place) return;
  const bulk = document.getElementById("bulk");
  const rows = () => [...place.querySelectorAll("tr[data-alert]")];
  const boxes = () => [...place.querySelectorAll("input[name=alert]")];
  const title = document.title.replace(/^\(\d+\) /, "");
  let kept = null;

  // On a telephone the alerts come first; a filter that is set stays open.
  const filtering = document.querySelector(".filtering");
  if (filtering && matchMedia("(max-width: 760px)").matches && !location.search) filtering.open = false;

  function count() {
    const chosen = boxes().filter((box) => box.checked);
    for (const box of boxes()) box.closest("tr").classList.toggle("chosen", box.checked);
    const all = place.querySelector("[data-all]");
    if (all) {
      all.checked = chosen.length > 0 && chosen.length === boxes().length;
      all.indeterminate = chosen.length > 0 && !all.checked;
    }
    if (!bulk) return;
    bulk.classList.toggle("has", chosen.length > 0);
    bulk.querySelector(".bulk-n").textContent = chosen.length ? `${chosen.length} chosen` : "None chosen";
  }

  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) for (const box of boxes()) box.checked = event.target.checked;
    count();
  });

  // --- the rows come anew every 15 seconds: what was chosen, opened and focused stays
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== place) return;
    const inside = place.contains(document.activeElement) ? document.activeElement : null;
    kept = {
      chosen: new Set(boxes().filter((box) => box.checked).map((box) => box.value)),
      open: [...place.querySelectorAll("details[open]")].map((one) => one.id),
      focus: inside?.id || "",
      row: inside?.closest("tr[data-alert]")?.dataset.alert ?? "",
      position: inside ? rows().indexOf(inside.closest("tr[data-alert]")) : -1,
    };
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== place || !kept) return;
    for (const box of boxes()) box.checked = kept.chosen.has(box.value);
    for (const id of kept.open) { const one = document.getElementById(id); if (one) one.open = true; }
    const again = kept.focus && document.getElementById(kept.focus);
    if (again) again.focus({ preventScroll: true });
    // The row is gone: the one that took its place.
    else if (kept.row) link(rows()[Math.min(kept.position, rows().length - 1)])?.focus({ preventScroll: true });
    kept = null;
    count();
    const open = Number(place.querySelector("[data-open]")?.dataset.open ?? 0);
    document.title = open ? `(${open}) ${title}` : title;
    for (const badge of document.querySelectorAll("[data-alert-count]")) {
      badge.replaceChildren(...(open ? [String(open), netmon.el("span", { className: "sr" }, " open")] : []));
      badge.classList.toggle("bad", open > 0);
    }
  });

  // --- keys
  const link = (row) => row?.querySelector("a.if");
  const here = () => document.activeElement?.closest?.("tr[data-alert]");
  const box = (row) => row?.querySelector("input[name=alert]");

  function move(step) {
    const all = rows();
    const at = all.indexOf(here());
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + step))];
    link(next)?.focus();
  }

  function act(verb) {
    if (!bulk) return;
    if (!boxes().some((one) => one.checked)) {
      const mine = box(here());
      if (!mine) return netmon.announce("Choose an alert first.");
      mine.checked = true;
      count();
    }
    bulk.querySelector(`[value=${verb}]`).click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const keys = {
      j: () => move(1),
      k: () => move(-1),
      x: () => { const one = box(here()); if (one) { one.checked = !one.checked; count(); } },
      a: () => act("acknowledge"),
      s: () => act("silence"),
      "/": () => { if (filtering) filtering.open = true; document.querySelector("#alert-filters [name=q]").focus(); },
      "?": () => document.getElementById("keys").showModal(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.querySelector("[data-keys]")?.addEventListener("click", () => document.getElementById("keys").showModal());
  count();
})();

// --- other lists of which many are chosen
(() => {
  const form = document.querySelector("[data-picks]");
  if (!form) return;
  const boxes = [...form.querySelectorAll("td input[type=checkbox]")];
  const all = form.querySelector("[data-all]");
  const bulk = form.querySelector("[data-bulk]");
  function count() {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && !all.checked;
    bulk.classList.toggle("has", chosen > 0);
    bulk.querySelector(".bulk-n").textContent = chosen ? `${chosen} chosen` : "None chosen";
  }
  form.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes) box.checked = all.checked;
    count();
  });
  form.addEventListener("submit", (event) => {
    if (boxes.some((box) => box.checked)) return;
    event.preventDefault();
    netmon.announce("Choose a device first.");
    boxes[0]?.focus();
  });
  count();
})();

// --- parts of one alert that come anew keep open what was opened
(() => {
  let open = [];
  document.body.addEventListener("htmx:beforeSwap", () => {
    open = [...document.querySelectorAll("#alert-story details[open]")].map((one) => one.id).filter(Boolean);
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
  });
})();

// --- what can be done with one alert changes with it: only then, and a moment already written stays. A button that
// became another under the pointer takes no click for a moment, and its focus goes to the comment.
(() => {
  const place = () => document.getElementById("alert-acts");
  const isSame = (one, other) => one.childElementCount === other.childElementCount
    && [...one.children].every((child, n) => child.isEqualNode(other.children[n]));
  let kept = null;
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const now = event.detail.target;
    if (now.id !== "alert-acts") return;
    const next = event.detail.fragment.firstElementChild;
    if (next && isSame(next, now)) { event.detail.shouldSwap = false; return; }
    const inside = now.contains(document.activeElement) ? document.activeElement.id : "";
    kept = { focus: inside, until: now.querySelector("#until")?.value ?? "" };
  });
  document.body.addEventListener("htmx:oobAfterSwap", () => {
    if (!kept || !place()) return;
    const until = place().querySelector("#until");
    if (until && kept.until) until.value = kept.until;
    const again = kept.focus && (document.getElementById(kept.focus) ?? document.querySelector("form.doing [name=comment]"));
    if (again) again.focus({ preventScroll: true });
    place().classList.add("fresh");
    setTimeout(() => place()?.classList.remove("fresh"), 700);
    kept = null;
  });
})();

// --- forms: fields that belong to a choice are shown with it ("data-when" names the choices, "data-by" the field)
(() => {
  const parts = [...document.querySelectorAll("[data-when]")];
  if (!parts.length) return;
  function follow() {
    for (const part of parts) {
      const field = document.querySelector(`[name="${part.dataset.by}"]`);
      part.hidden = !part.dataset.when.split(" ").includes(field?.value ?? "");
    }
    for (const hint of document.querySelectorAll("[data-hint-of]")) {
      const chosen = document.querySelector(`[name="${hint.dataset.hintOf}"]`)?.selectedOptions?.[0];
      hint.textContent = chosen?.dataset.hint ?? "";
    }
  }
  document.addEventListener("change", follow);
  follow();
})();
