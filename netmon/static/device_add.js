"use strict";
// The form that adds a device: it speaks to the API and shows its answer beside the fields.
(() => {
  const form = document.getElementById("add-device");
  if (!form) return;
  const { el } = netmon;
  const summary = form.querySelector("[data-summary]");
  const version = form.elements.snmp_version;
  const button = form.querySelector("[type=submit]");

  const adapt = () => {
    for (const part of form.querySelectorAll("[data-versions]")) {
      part.hidden = !part.dataset.versions.split(" ").includes(version.value);
    }
  };
  version.addEventListener("change", adapt);
  adapt();

  function values() {
    const data = {};
    for (const field of form.elements) {
      if (!field.name || ["kind", "csrfmiddlewaretoken"].includes(field.name) || field.closest("[hidden]")) continue;
      const value = field.type === "password" ? field.value : field.value.trim();
      if (value) data[field.name] = "number" in field.dataset && /^\d+$/.test(value) ? Number(value) : value;
    }
    return data;
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

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    button.disabled = true;
    try {
      const answer = await netmon.send("POST", form.elements.kind.value, values());
      if (answer.ok && Number.isInteger(answer.body?.id)) {
        location.href = `${form.dataset.deviceUrl}${answer.body.id}/`;
        return;
      }
      complain(answer.body);
    } catch {
      complain({ detail: "The server did not answer. Try again." });
    }
    button.disabled = false;
  });
})();
