"use strict";
// Names for fields that the stock admin draws without one: select2's boxes, cells of inline tables, a date's two parts.
(() => {
  const text = (element) => element?.textContent.replace(/\s+/g, " ").trim().replace(/[:?]$/, "") ?? "";

  function column(field) { // in an inline table a field's name is the heading above it
    const cell = field.closest("td");
    const heading = cell?.closest("table")?.tHead?.rows[0]?.cells[cell.cellIndex];
    const group = field.closest(".inline-group")?.querySelector(".inline-heading");
    const row = Number(/-(\d+)-[^-]*$/.exec(field.name || field.id)?.[1]);
    return [text(heading), text(group), Number.isNaN(row) ? "" : row + 1].filter((part) => part !== "").join(", ");
  }

  function nameOf(field) {
    const label = field.id ? document.querySelector(`label[for="${CSS.escape(field.id)}"]`) : null;
    if (label) return text(label);
    if (field.closest(".tabular")) return column(field);
    const row = field.closest(".form-row");
    const part = field.previousSibling?.nodeType === Node.TEXT_NODE ? text(field.previousSibling) : "";
    return [text(row?.querySelector("label, legend")), part].filter(Boolean).join(", ");
  }

  function set(element, name) { // only what differs: the observer below sees its own work too
    if (element && name && element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
  }

  function nameBox(select) {
    const box = select.nextElementSibling;
    if (!box?.classList.contains("select2")) return;
    const name = nameOf(select);
    set(box.querySelector(".select2-selection__rendered"), name);
    set(box.querySelector(".select2-search__field"), name);
    const shown = box.querySelector("[role=combobox]");
    if (shown?.hasAttribute("aria-labelledby")) shown.removeAttribute("aria-labelledby");
    const list = shown?.getAttribute("aria-owns"); // select2 follows ARIA 1.0: since 1.2 a combobox controls its list
    if (list) shown.setAttribute("aria-controls", list);
    else shown?.removeAttribute("aria-controls");
    set(shown, [name, select.selectedOptions[0]?.text].filter((part) => part?.trim()).join(": "));
  }

  function nameAll() {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(nameBox);
    for (const field of document.querySelectorAll(".inline-group input, .inline-group select, .inline-group textarea, .datetime input")) {
      if (field.type !== "hidden" && !field.labels?.length && !field.closest(".select2")) set(field, nameOf(field));
    }
    for (const search of document.querySelectorAll(".select2-dropdown .select2-search__field")) set(search, "Search");
    for (const drawn of document.querySelectorAll("body > .select2-container")) { // beside the page's landmarks
      drawn.setAttribute("role", "region");
      set(drawn, "Choices");
    }
    for (const list of document.querySelectorAll(".select2-results__options")) set(list, "Choices");
    for (const message of document.querySelectorAll(".select2-results__message[role=alert]")) { // a list holds options only
      message.setAttribute("role", "option");
      message.setAttribute("aria-disabled", "true");
    }
    for (const heading of document.querySelectorAll("th.original:empty")) {
      heading.append(Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: "Entry" }));
    }
  }

  // select2 draws its boxes after the page is ready, and those of rows that are added later on.
  document.addEventListener("DOMContentLoaded", () => {
    nameAll();
    new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
  });
})();
