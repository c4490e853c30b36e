// Sets light or dark before the page is drawn: the person's choice, else the system's.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("kvit-theme"); } catch { return null; } };
  const apply = () => { root.dataset.bsTheme = read() || (system.matches ? "dark" : "light"); };
  apply();
  system.addEventListener("change", apply);
  root.classList.add("js");
})();
