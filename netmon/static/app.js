"use strict";
// What every page needs: theme, live parts, search palette, requests to the API.
// Text from devices and from the API reaches the page through textContent only.

const netmon = {
  /** An element with properties and children; strings become text nodes. */
  el(tag, props = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name in element && name !== "role") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  },

  icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const use = document.createElementNS(space, "use");
    svg.setAttribute("class", "i");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  },

  /** A request to the API. Resolves to {status, ok, body, etag}; body is null when the answer is not JSON. */
  async send(method, url, data, more = {}) {
    const headers = { Accept: "application/json", ...more };
    const token = document.querySelector("[name=csrfmiddlewaretoken]");
    if (token && method !== "GET") headers["X-CSRFToken"] = token.value;
    if (data !== undefined) headers["Content-Type"] = "application/json";
    const body = data === undefined ? undefined : typeof data === "string" ? data : JSON.stringify(data);
    const answer = await fetch(url, { method, headers, body, credentials: "same-origin" });
    let parsed = null;
    try { parsed = await answer.json(); } catch { /* an empty or foreign answer */ }
    return { status: answer.status, ok: answer.ok, body: parsed, etag: answer.headers.get("ETag") };
  },

  announce(text) {
    const place = document.getElementById("announce");
    if (place) place.textContent = text;
  },
};

// --- theme
(() => {
  const button = document.getElementById("theme");
  if (!button) return;
  const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const show = () => {
    button.replaceChildren(netmon.icon(dark() ? "sun" : "moon"));
    button.setAttribute("aria-label", dark() ? "Use the light theme" : "Use the dark theme");
  };
  button.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* it lasts until the next page then */ }
    show();
    document.dispatchEvent(new CustomEvent("netmon:theme"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show();
    document.dispatchEvent(new CustomEvent("netmon:theme"));
  });
  show();
})();

// --- live parts: one clock for the page; every part that listens to "live" asks again, and 304 changes nothing
(() => {
  const EVERY = 15_000;
  const parts = document.querySelector("[data-live]");
  const shown = document.getElementById("live");
  if (!parts || !shown) return;
  const etags = new Map();
  let answered = Date.now();
  let states = readStates();

  function readStates() {
    return new Map([...document.querySelectorAll("[data-state]")].map((e) => [e.dataset.device, e.dataset.state]));
  }

  document.body.addEventListener("htmx:configRequest", (event) => {
    const known = etags.get(event.detail.path);
    if (known) event.detail.headers["If-None-Match"] = known;
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // The session has ended: the answer is the log-in page, which belongs into the whole window.
    if (new URL(event.detail.xhr.responseURL || location.href).pathname.startsWith("/login/")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, pathInfo } = event.detail;
    if (xhr.status !== 200 && xhr.status !== 304) return;
    answered = Date.now();
    const etag = xhr.getResponseHeader("ETag");
    if (etag) etags.set(pathInfo.requestPath, etag);
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    const now = readStates();
    const changes = [];
    for (const [device, state] of now) if (states.get(device) !== state) changes.push(`${device}: ${state}`);
    for (const device of states.keys()) if (!now.has(device)) changes.push(`${device}: up again`);
    states = now;
    if (changes.length) netmon.announce(changes.slice(0, 5).join(". "));
  });

  const text = shown.querySelector("span");
  setInterval(() => {
    const seconds = Math.round((Date.now() - answered) / 1000);
    const late = seconds > 3 * EVERY / 1000;
    shown.classList.toggle("late", late);
    text.textContent = `${late ? "Not live" : "Live"}, updated ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} ago`;
  }, 1000);
  const ask = () => { if (!document.hidden) document.body.dispatchEvent(new CustomEvent("live")); };
  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", () => { if (Date.now() - answered > EVERY) ask(); });
})();

// --- "poll now" and its result
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-poll]");
    if (!button) return;
    const dialog = document.getElementById("poll-result");
    const list = dialog.querySelector("ul");
    button.disabled = true;
    netmon.announce("Polling.");
    let lines;
    try {
      const answer = await netmon.send("POST", button.dataset.poll);
      lines = answer.ok ? results(answer) : [line("down", "Not polled", answer.body?.detail ?? `HTTP ${answer.status}`)];
    } catch {
      lines = [line("unknown", "Not polled", "The server did not answer.")];
    }
    button.disabled = false;
    list.replaceChildren(...lines);
    if (!dialog.open) dialog.showModal();
    document.body.dispatchEvent(new CustomEvent("live"));
  });

  function results({ status, body }) {
    if (status === 202) return [line("pending", "Polling goes on", "Results appear on this page as they come.")];
    const rows = body?.results ?? [];
    if (!rows.length) return [line("pending", "Nothing to poll", "This device has no enabled checks.")];
    return rows.map((row) => {
      if (!row.ran && !row.error_code) return line("pending", row.module, "It was under way already.");
      const took = typeof row.response_time_ms === "number" ? `answered in ${row.response_time_ms.toFixed(1)} ms` : "answered";
      return line(row.ok ? "up" : "down", row.module, row.ok ? took : row.error_detail || row.error_code || "failed");
    });
  }

  function line(state, title, detail) {
    const words = { up: "Good", down: "Failed", unknown: "No answer", pending: "Started" };
    return netmon.el("li", {},
      netmon.el("span", { className: `st ${state}` }, netmon.el("span", { className: "sr" }, words[state])),
      netmon.el("div", { className: "g" },
        netmon.el("span", { className: "t" }, title), netmon.el("span", { className: "sub" }, detail)));
  }
})();

// --- a row of tabs that scrolls shows the one that is open
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.closest("ul");
  const ends = tab.getBoundingClientRect().right - row.getBoundingClientRect().left;
  if (ends > row.clientWidth) row.scrollLeft = ends - row.clientWidth;
}

// --- dialogs close by their buttons; tables that scroll can be reached by keyboard
document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close) close.closest("dialog").close();
});
