"use strict";
// A button `data-copy="ID"` copies the text of that element, a line for each list entry.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const lines = source.children.length ? [...source.children].map((line) => line.textContent) : [source.textContent];
  try {
    await navigator.clipboard.writeText(lines.join("\n"));
    button.textContent = "Copied";
    netmon.announce("Copied.");
  } catch { // no clipboard without HTTPS: the text is marked, Ctrl-C does the rest
    getSelection().selectAllChildren(source);
    netmon.announce("Marked: copy it with Ctrl and C.");
  }
});
