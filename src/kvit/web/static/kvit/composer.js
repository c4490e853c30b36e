// The slider of the composer follows the typed quantity, and the other way round.
(() => {
  const set = (slider) => {
    const field = document.querySelector(slider.dataset.slides);
    const reach = Number(slider.dataset.reach);
    const typed = Number((field?.value || "").replace(/\s/g, "").replace(",", "."));
    if (reach && !Number.isNaN(typed)) slider.value = Math.round((typed / reach) * 100);
  };
  const all = () => document.querySelectorAll("[data-slides]").forEach(set);
  document.addEventListener("input", (event) => {
    const slider = event.target;
    if (!slider.matches?.("[data-slides]")) return;
    const field = document.querySelector(slider.dataset.slides);
    field.value = String(Math.round((Number(slider.dataset.reach) * Number(slider.value)) / 100));
  });
  // The name of a formula goes where the caret stands; without this file the form puts it at the end.
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest?.("[data-inserts]");
      const field = button && document.querySelector(button.dataset.inserts);
      if (!field) return;
      event.preventDefault();
      event.stopPropagation();
      field.setRangeText(button.dataset.word, field.selectionStart, field.selectionEnd, "end");
      field.focus();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    },
    true,
  );
  // A fragment that comes while one types must not take the field away from under the hands.
  let typing = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const here = document.activeElement;
    typing = here?.matches?.("[data-quantity]") ? { value: here.value, at: here.selectionStart } : null;
    if (here?.matches?.("[data-slides]")) typing = { slider: true };
  });
  document.addEventListener("htmx:afterSwap", () => {
    all();
    if (!typing) return;
    const field = document.querySelector(typing.slider ? "[data-slides]" : "[data-quantity]");
    if (!field) return;
    if (!typing.slider) field.value = typing.value;
    field.focus();
    if (!typing.slider) field.setSelectionRange?.(typing.at, typing.at);
  });
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", all) : all();
})();
