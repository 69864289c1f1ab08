"use strict";
// The browsable API: HTML forms know neither JSON nor PUT, PATCH, DELETE and OPTIONS.
(() => {
  const place = document.querySelector("[data-answer]");
  if (!place) return;

  function show(answer) {
    place.textContent = `HTTP ${answer.status}\n\n${answer.body === null ? "" : JSON.stringify(answer.body, null, 4)}`;
    place.scrollIntoView({ block: "nearest" });
    place.focus();
  }

  for (const form of document.querySelectorAll("[data-raw]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const error = form.querySelector("[role=alert]");
      const method = event.submitter?.value || form.dataset.method;
      const text = form.elements._content.value;
      error.hidden = true;
      try { JSON.parse(text); } catch (fault) {
        error.textContent = `This is not JSON: ${fault.message}`;
        error.hidden = false;
        return;
      }
      show(await netmon.send(method, form.getAttribute("action"), text));
    });
  }
  // What was left empty stays out of the address.
  for (const form of document.querySelectorAll("[data-filters]")) {
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }
  for (const button of document.querySelectorAll("[data-send]")) {
    button.addEventListener("click", async () => {
      if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
      const answer = await netmon.send(button.dataset.send, button.dataset.url);
      if (button.dataset.send === "DELETE" && answer.ok) location.href = new URL("..", location.href);
      else show(answer);
    });
  }
})();
