"use strict";
// Runs before the first paint. The admin keeps its choice under the same key, so that both follow one switch.
(() => {
  let choice = null;
  try { choice = localStorage.getItem("theme"); } catch { /* storage is off: the system decides */ }
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
