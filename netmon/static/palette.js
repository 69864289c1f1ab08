"use strict";
// The search palette: a combobox (WAI-ARIA 1.2) over the search of the API and the entries of the navigation.
(() => {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const { el, icon } = netmon;
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const hint = dialog.querySelector(".hint");
  const KINDS = { router: "router", switch: "switch-horizontal", firewall: "wall", server: "server-2", computer: "device-desktop", camera: "camera", vm: "server", address: "world", interface: "plug", site: "map-2", prefix: "topology-star-3", alert: "bell" };
  const places = [...document.querySelectorAll(".side li a, #user-menu a")].map((link) => ({
    title: link.dataset.title ?? link.textContent.trim(), url: link.href, icon: link.dataset.icon ?? "chevron-right",
  }));
  let options = [];
  let active = -1;
  let request = null;
  let timer = 0;

  function group(title, entries) {
    if (!entries.length) return null;
    const id = `pal-${title.toLowerCase().replaceAll(" ", "-")}`;
    const rows = entries.map((entry) => {
      const row = el("div", { role: "option", id: `pal-${options.length}`, "aria-selected": "false" },
        icon(entry.icon), entry.title, entry.extra ? el("span", { className: "k mono" }, entry.extra) : null);
      const position = options.push({ row, url: entry.url }) - 1;
      row.addEventListener("click", () => go(position));
      row.addEventListener("mousemove", () => select(position));
      return row;
    });
    return el("div", { role: "group", "aria-labelledby": id }, el("div", { className: "h", id, role: "presentation" }, title), ...rows);
  }

  // Only addresses of this site: never a script.
  const safe = (url) => (String(url).startsWith("/") && !String(url).startsWith("//") ? String(url) : "/");

  function show(groups, text, message) {
    options = [];
    const wanted = text.toLowerCase();
    const matching = places.filter((place) => place.title.toLowerCase().includes(wanted)).slice(0, 8);
    list.replaceChildren(...[...groups.map(([title, entries]) => group(title, entries)), group("Go to", matching)].filter(Boolean));
    hint.textContent = message ?? (options.length ? "" : "Nothing found.");
    hint.hidden = !hint.textContent;
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(options.length > 0));
    select(options.length ? 0 : -1);
  }

  function select(position) {
    options[active]?.row.setAttribute("aria-selected", "false");
    active = position;
    const option = options[active];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.row.setAttribute("aria-selected", "true");
    option.row.scrollIntoView({ block: "nearest" });
    return input.setAttribute("aria-activedescendant", option.row.id);
  }

  function go(position) {
    if (options[position]) location.href = options[position].url;
  }

  async function search() {
    const text = input.value.trim();
    request?.abort();
    if (!text) return show([], "");
    request = new AbortController();
    try {
      const address = `${dialog.dataset.url}?q=${encodeURIComponent(text.slice(0, 100))}`;
      const answer = await fetch(address, { signal: request.signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (!answer.ok) return show([], text, "The search does not answer at present.");
      const found = (await answer.json()).groups ?? [];
      return show(found.map((entry) => [String(entry.label), entry.results.map((row) => ({
        title: String(row.title), extra: String(row.extra), url: safe(row.url), icon: KINDS[row.kind] ?? "plug",
      }))]), text);
    } catch (error) {
      return error.name === "AbortError" ? undefined : show([], text, "The search does not answer at present.");
    }
  }

  function open() {
    if (dialog.open) return;
    input.value = "";
    show([], "");
    dialog.showModal();
    input.focus();
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  input.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: active + 1, ArrowUp: active - 1, Home: 0, End: options.length - 1 };
    if (event.key in moves && options.length && !((event.key === "Home" || event.key === "End") && input.value)) {
      event.preventDefault();
      select((moves[event.key] + options.length) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(active);
    }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  for (const button of document.querySelectorAll("[data-palette]")) button.addEventListener("click", open);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return; // a page with a search of its own has taken it
    const typing = event.target.closest?.("input, textarea, select");
    if (((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") || (event.key === "/" && !typing)) {
      event.preventDefault();
      open();
    }
  });
})();
