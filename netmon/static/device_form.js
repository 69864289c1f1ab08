"use strict";
// The forms that add and change a device: they speak to the API and show its answer beside the fields.
(() => {
  const form = document.querySelector("[data-device-form]");
  if (!form) return;
  const { el } = netmon;
  const { api } = form.dataset; // of a device that is there already
  let shown = {};
  let etag = null;
  const summary = form.querySelector("[data-summary]");
  const version = form.elements.snmp_version;
  const login = form.querySelector("[data-ssh-login]"); // of the form that adds
  const button = form.querySelector("[type=submit]");

  const kind = form.elements.kind;

  const adapt = () => {
    for (const part of form.querySelectorAll("[data-kinds]")) {
      const has = [...part.querySelectorAll("[name]")].some((field) => shown[field.name]); // what is stored stays seen
      part.hidden = !has && !part.dataset.kinds.split(" ").includes(kind.value);
    }
    for (const part of form.querySelectorAll("[data-versions]")) {
      part.hidden = !part.dataset.versions.split(" ").includes(version.value);
    }
    for (const part of form.querySelectorAll("[data-ssh]")) {
      part.hidden = !part.dataset.ssh.split(" ").includes(login.value);
    }
  };
  login?.addEventListener("change", adapt);
  version.addEventListener("change", adapt);
  kind.addEventListener("change", adapt);
  adapt();

  function fields() {
    return [...form.elements].filter((field) => field.name && field.name !== "csrfmiddlewaretoken"
      && field.type !== "checkbox" && !field.closest("[hidden]"));
  }

  function valueOf(field) {
    const value = field.type === "password" ? field.value : field.value.trim();
    return "number" in field.dataset && /^\d+$/.test(value) ? Number(value) : value;
  }

  function values() {
    const data = {};
    for (const field of fields()) {
      const value = valueOf(field);
      if (field.name !== "kind" && value !== "") data[field.name] = value;
    }
    return data;
  }

  // What differs from what was read: a field that nobody touched is not sent, nor is an empty secret.
  function changes() {
    const data = {};
    for (const field of fields()) {
      const value = valueOf(field);
      const before = shown[field.name] ?? "";
      if (field.type === "password" ? value !== "" : value !== before) {
        data[field.name] = value !== "" ? value : "number" in field.dataset ? null : field.dataset.empty ?? "";
      }
    }
    const boxes = [...form.querySelectorAll("[name=tags]")];
    const kept = (shown.tags ?? []).filter((slug) => !boxes.some((box) => box.value === slug));
    const tags = [...kept, ...boxes.filter((box) => box.checked).map((box) => box.value)];
    if (tags.slice().sort().join() !== (shown.tags ?? []).slice().sort().join()) data.tags = tags;
    return data;
  }

  function fill(device, tag) {
    shown = device;
    etag = tag;
    for (const field of form.elements) {
      if (!field.name || field.name === "csrfmiddlewaretoken") continue;
      if (field.type === "checkbox") field.checked = (device.tags ?? []).includes(field.value);
      else if (field.type === "password") {
        field.value = "";
        field.placeholder = device[`${field.name}_set`] ? "stored; empty keeps it" : "none stored";
      } else field.value = device[field.name] ?? "";
    }
    adapt();
    form.dataset.ready = "yes";
  }

  async function load() {
    button.disabled = true;
    try {
      const answer = await netmon.send("GET", api);
      if (answer.ok) fill(answer.body, answer.etag);
      else complain(answer.body);
      button.disabled = !answer.ok;
    } catch {
      complain({ detail: "The server did not answer. Try again." });
    }
  }

  function clear() {
    summary.hidden = true;
    for (const note of form.querySelectorAll(".error[data-for]")) note.remove();
    for (const field of form.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }

  function complain(problem) {
    const rest = [];
    let first = null;
    for (const { pointer = "", detail = "" } of problem?.errors ?? []) {
      const field = form.elements[pointer.split("/")[1] ?? ""];
      if (!field || field.closest("[hidden]")) { rest.push(detail); continue; }
      const id = `error-${field.id}`;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", id);
      field.closest("div").append(el("p", { className: "error", id, "data-for": field.name }, detail));
      first ??= field;
    }
    if (!first && !rest.length) rest.push(problem?.detail ?? "The server did not take this. Try again.");
    summary.textContent = rest.join(" ");
    summary.hidden = !rest.length;
    first?.focus();
  }

  const newer = form.querySelector("[data-newer]");
  newer?.querySelector("button").addEventListener("click", async () => {
    clear();
    newer.hidden = true;
    await load();
    form.elements.name.focus();
  });

  async function change(data) {
    const answer = Object.keys(data).length
      ? await netmon.send("PATCH", api, data, etag ? { "If-Match": etag } : {})
      : { ok: true, body: { id: shown.id } };
    if (answer.status === 412) {
      newer.hidden = false;
      newer.querySelector("button").focus();
    }
    return answer;
  }

  // Who entered how to log in wants to know next what to run on the device.
  function leave(id, sent) {
    const isSsh = Object.keys(sent).some((name) => name.startsWith("ssh_"));
    location.href = `${form.dataset.deviceUrl}${id}/${isSsh ? "ssh-setup/" : ""}`;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    button.disabled = true;
    try {
      const sent = api ? changes() : values();
      const answer = api ? await change(sent) : await netmon.send("POST", form.elements.kind.value, sent);
      if (answer.ok && Number.isInteger(answer.body?.id)) {
        leave(answer.body.id, sent);
        return;
      }
      if (answer.status !== 412) complain(answer.body);
    } catch {
      complain({ detail: "The server did not answer. Try again." });
    }
    button.disabled = false;
  });

  const dialog = document.getElementById("delete-device");
  document.getElementById("delete")?.addEventListener("click", () => dialog.showModal());
  dialog?.querySelector("[data-delete]").addEventListener("click", async (event) => {
    const refusal = dialog.querySelector("[role=alert]");
    event.target.disabled = true;
    try {
      const answer = await netmon.send("DELETE", api);
      if (answer.ok) {
        location.href = form.dataset.deviceUrl;
        return;
      }
      refusal.textContent = answer.body?.detail ?? "The server did not take this. Try again.";
    } catch {
      refusal.textContent = "The server did not answer. Try again.";
    }
    refusal.hidden = false;
    event.target.disabled = false;
  });

  if (api) load();
})();
