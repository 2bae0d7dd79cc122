// The boxes of the choices have no name of their own: they take that of their field.
(() => {
  const BOXES =
    ".select2-search__field, .select2-selection--single, .select2-selection__rendered";
  const name = (box) => {
    const field = box.closest("[class*=field-], .form-row, td, div");
    const label = field && field.querySelector("label");
    box.setAttribute("aria-label", label ? label.textContent.trim() : "Search");
  };
  const nameAll = () =>
    document.querySelectorAll(BOXES).forEach((box) => box.hasAttribute("aria-label") || name(box));
  window.addEventListener("load", () => setTimeout(nameAll));
  document.addEventListener("focusin", nameAll);
})();

// What was revealed hides again.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-hide-after]").forEach((shown) => {
    setTimeout(() => {
      document.querySelectorAll("[data-hidden]").forEach((one) => one.removeAttribute("hidden"));
      shown.remove();
    }, Number(shown.dataset.hideAfter) * 1000);
  });
});

// On phones each cell has the name of its column before it. The theme calls the first one "Select
// record" also where there is nothing to select.
document.addEventListener("DOMContentLoaded", () => {
  const head = document.querySelector("#result_list thead th")?.cloneNode(true);
  head?.querySelectorAll(".sortoptions, .material-symbols-outlined").forEach((one) => one.remove());
  document.querySelectorAll("#result_list tbody tr > :first-child[data-label]").forEach((cell) => {
    if (!cell.querySelector("[type=checkbox]")) cell.dataset.label = head.textContent.trim();
  });
});
