// What the pages do beyond htmx: menus, keys, the drawer, charts from data. No inline script exists.
"use strict";
(() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Light and dark
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    root.dataset.bsTheme = theme;
    try { localStorage.setItem("kvit-theme", theme); } catch { /* private window: for this page only */ }
  });

  // Side bar on a phone, menus that close when left
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-toggles]");
    if (opener) {
      const open = document.getElementById(opener.dataset.toggles).classList.toggle("open");
      opener.setAttribute("aria-expanded", open);
    }
    all("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });

  // A form is sent once; its button shows that it is at work
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent && !form.hasAttribute("hx-get")) { event.preventDefault(); return; }
    if (form.method === "post" && !event.defaultPrevented) {
      form.dataset.sent = "1";
      one("[type=submit], button:not([type])", form)?.setAttribute("aria-busy", "true");
      setTimeout(() => { delete form.dataset.sent; }, 4000);
    }
  });

  // A session that ended meanwhile takes a form to the login, one that began anew opens it anew: what
  // was typed comes back, to the same person in the same tab. Passwords and files are not kept.
  const KEPT = "kvit-typed";
  const who = document.body.dataset.who || "";
  const typedIn = (form) => [...form.elements].filter((input) =>
    input.name && input.type !== "hidden" && !/^(password|file|submit|button)$/.test(input.type));
  const store = (kept) => {
    try {
      if (kept) sessionStorage.setItem(KEPT, JSON.stringify(kept)); else sessionStorage.removeItem(KEPT);
    } catch { /* no storage: nothing is kept */ }
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!who || form.method !== "post" || event.defaultPrevented || !form.closest("main")) return;
    const values = typedIn(form).map((input) => [input.name, input.value, input.checked === true]);
    store({ who, path: location.pathname, action: form.getAttribute("action") || "", values });
  });
  (() => {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* none */ }
    if (!kept) return;
    if (!who) { store({ ...kept, loggedIn: true }); return; }
    store(null);
    const isBack = kept.loggedIn || one("[data-gives-back]");
    if (!isBack || kept.who !== who || kept.path !== location.pathname) return;
    const form = all("main form").find((one_) => one_.method === "post" && (one_.getAttribute("action") || "") === kept.action);
    if (!form) return;
    const left = [...kept.values];
    for (const input of typedIn(form)) {
      const isBox = /^(checkbox|radio)$/.test(input.type);
      const at = left.findIndex(([name, value]) => name === input.name && (!isBox || value === input.value));
      if (at < 0) continue;
      const [[, value, checked]] = left.splice(at, 1);
      if (isBox) input.checked = checked; else input.value = value;
    }
    if (!kept.loggedIn) return; // the message there has said it
    const told = document.createElement("div");
    told.className = "notice"; told.setAttribute("role", "status"); told.textContent = document.body.dataset.typedKept;
    form.before(told);
  })();

  // Back from a refusal: the browser still has what was typed
  document.addEventListener("click", (event) => {
    if (history.length < 2 || !event.target.closest("[data-goes-back]")) return;
    event.preventDefault();
    history.back();
  });

  // An empty field of a filter is no filter: it stays out of the address
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.target.matches?.("form.filters")) return;
    const data = event.detail.formData;
    for (const [name, value] of [...data.entries()]) if (value === "") data.delete(name);
  });

  // Drawer: opened by htmx into #drawer, closed by Esc, focus goes back to who opened it
  const drawer = document.getElementById("drawer");
  let opener = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target === drawer && drawer.hidden) opener = document.activeElement;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === drawer) { drawer.hidden = false; one("h2, [tabindex]", drawer)?.focus(); }
  });
  const close = () => {
    if (!drawer || drawer.hidden) return false;
    drawer.hidden = true; drawer.replaceChildren();
    const url = new URL(location); url.searchParams.delete("open"); history.replaceState(null, "", url);
    opener?.focus(); return true;
  };
  document.addEventListener("click", (event) => { if (event.target.closest("[data-closes-drawer]")) { event.preventDefault(); close(); } });

  // A refusal that comes back to a fragment is brought into view
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, detail } = { xhr: event.detail.xhr, detail: event.detail };
    if (xhr.status < 400 || detail.target.hasAttribute("data-takes-errors")) return;
    const refusal = document.getElementById("refusal");
    if (refusal) { detail.target = refusal; detail.swapOverride = "innerHTML"; detail.shouldSwap = true; refusal.scrollIntoView({ block: "center" }); }
  });

  // Select rows
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-select], [data-select-all]")) return;
    const list = event.target.closest("[data-chosen-in], form") || document;
    if (event.target.matches("[data-select-all]")) all("[data-select]", list).forEach((box) => { box.checked = event.target.checked; });
    const chosen = all("[data-select]:checked", list);
    all("[data-select]", list).forEach((box) => box.closest("tr").setAttribute("aria-selected", box.checked));
    const bar = one(".bulk-bar", list);
    if (bar) { bar.hidden = !chosen.length; one("[data-selected-count]", bar).textContent = chosen.length; }
  });

  // Columns are moved where they stand; without script the server does it
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-moves]"); if (!button) return;
    event.preventDefault();
    const item = button.closest("li");
    if (button.dataset.moves < 0) item.previousElementSibling?.before(item); else item.nextElementSibling?.after(item);
    button.focus();
  });

  // Keys by place on the keyboard, so that they work in the Russian layout
  let going = 0;
  const rows = () => all("table.list tbody tr");
  const step = (by) => {
    const list = rows(); if (!list.length) return;
    const at = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + by))];
    one("a, button, input", next)?.focus();
  };
  const letters = { Comma: ",", };
  // Their list; a person whose speech or hand presses letters by itself switches them off
  const keys = document.getElementById("keys");
  const isOff = one("[data-keys-off]");
  try { root.dataset.keys = localStorage.getItem("kvit-keys") || "on"; } catch { /* on */ }
  if (keys && isOff) {
    isOff.checked = root.dataset.keys === "off";
    isOff.addEventListener("change", () => {
      root.dataset.keys = isOff.checked ? "off" : "on";
      try { localStorage.setItem("kvit-keys", root.dataset.keys); } catch { /* for this page only */ }
    });
    document.addEventListener("click", (event) => {
      if (!event.target.closest("[data-key=keys]")) return;
      all("details.menu[open]").forEach((menu) => { menu.open = false; });
      keys.showModal();
    });
  }
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") { event.preventDefault(); palette(); return; }
    if (event.key === "Escape") { if (close()) event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || root.dataset.keys === "off") return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const letter = letters[event.code] || event.code.replace("Key", "").toLowerCase();
    if (Date.now() - going < 1500) {
      going = 0;
      const link = one(`[data-go="${letter}"]`); if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.code === "KeyG") going = Date.now();
    else if (event.code === "KeyJ") step(1);
    else if (event.code === "KeyK") step(-1);
    else if (event.code === "KeyX") document.activeElement.closest("tr")?.querySelector("[data-select]")?.click();
    else if (event.code === "KeyF") { const field = one(".filters input:not([type=hidden])"); if (field) { event.preventDefault(); field.focus(); } }
    else if (event.code === "KeyE") one("[data-key=export]")?.click();
    else if (event.code === "KeyW") (document.activeElement.closest("tr") || document).querySelector("[data-key=why]")?.click();
    else if (event.code === "Insert") one("[data-key=new]")?.click();
    else if (event.code === "F2") one("[data-key=edit]")?.click();
    else if (event.key === "/" || event.code === "Slash") { event.preventDefault(); event.shiftKey ? one("[data-key=keys]")?.click() : palette(); }
  });
  const palette = () => { const box = one("[data-palette]"); if (box) { box.closest(".topbar-search")?.classList.add("open"); box.focus(); box.select?.(); } };

  // The palette: opens with what it finds, arrows walk it, Esc gives the focus back
  const paletteBox = one("[data-palette]"), found = document.getElementById("palette-list");
  let paletteOpener = null;
  const closePalette = () => {
    if (!found || found.hidden) return false;
    found.hidden = true; paletteBox.closest(".topbar-search").classList.remove("open");
    paletteOpener?.focus?.(); paletteOpener = null; return true;
  };
  if (paletteBox && found) {
    paletteBox.addEventListener("focus", (event) => { paletteOpener ??= event.relatedTarget; });
    document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target === found) found.hidden = false; });
    document.addEventListener("click", (event) => { if (!event.target.closest(".topbar-search, [data-opens-palette]")) { paletteOpener = null; closePalette(); } });
    paletteBox.closest(".topbar-search").addEventListener("keydown", (event) => {
      const links = all("a[href]", found);
      if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); closePalette() || paletteBox.blur(); return; }
      if (event.key === "Enter" && event.target === paletteBox && paletteBox.value.trim()) { event.preventDefault(); location.assign(`${paletteBox.dataset.go}${encodeURIComponent(paletteBox.value.trim())}`); return; }
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp" || found.hidden) return;
      event.preventDefault();
      const at = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (links[at] || paletteBox).focus();
    });
  }
  document.addEventListener("click", (event) => { if (event.target.closest("[data-opens-palette]")) palette(); });

  // Copy
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]"); if (!button) return;
    await navigator.clipboard?.writeText(button.dataset.copy);
    say(button.dataset.copied || button.textContent);
  });
  const say = (text) => { const region = document.getElementById("said"); if (region) region.textContent = text; };

  // Charts: data-chart names the id of a <script type="application/json"> beside a table of the same
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  let library = null; // asked for once, however many charts wait for it
  const load = () => library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.echarts || one("[data-chart]").dataset.chartLibrary;
    script.onload = done; script.onerror = failed; document.head.append(script);
  });
  async function draw(box) {
    await load();
    const wanted = JSON.parse(document.getElementById(box.dataset.chart).textContent);
    const chart = echarts.getInstanceByDom(box) || echarts.init(box, null, { renderer: "svg" });
    const text = colour("--text"), muted = colour("--muted"), line = colour("--hairline");
    const spoken = (value) => typeof value === "number" ? value.toLocaleString(root.lang).replace("-", "\u2212") : value;
    const axis = { axisLabel: { color: muted, hideOverlap: true, formatter: spoken }, axisLine: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } } };
    chart.setOption({
      animation: false, aria: { enabled: true, decal: { show: (wanted.series || []).length > 1 } },
      color: [1, 2, 3, 4, 5, 6].map((n) => colour(`--series-${n}`)),
      textStyle: { fontFamily: "Inter Variable, sans-serif", color: text },
      grid: { left: 8, right: 32, top: 32, bottom: 8, containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: colour("--card"), borderColor: line, textStyle: { color: text } },
      legend: (wanted.series || []).length > 1 ? { top: 0, left: 0, textStyle: { color: text } } : undefined,
      ...wanted,
      xAxis: { ...axis, ...wanted.xAxis }, yAxis: { ...axis, ...wanted.yAxis },
    }, true);
  }
  // Their colours are those of the theme, whoever turns it: the person or the system
  new MutationObserver(() => all("[data-chart]").forEach(draw)).observe(root, { attributeFilter: ["data-bs-theme"] });
  window.addEventListener("resize", () => all("[data-chart]").forEach((box) => window.echarts?.getInstanceByDom(box)?.resize()));
  // What htmx brought in, also where it took the place of what was asked for
  document.addEventListener("htmx:load", (event) => all("[data-chart]", event.detail.elt).forEach(draw));
  const start = () => { all("[data-chart]").forEach(draw); };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
