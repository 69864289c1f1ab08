"use strict";
// The API reference has dark colours under a class; it follows the switch of the other pages, else the system.
(() => {
  let choice = null;
  try { choice = localStorage.getItem("theme"); } catch { /* storage is off: the system decides */ }
  const dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark-mode", dark);
})();
