// The search boxes of the choices have no name of their own: they take that of their field.
(() => {
  const name = (box) => {
    const field = box.closest("[class*=field-], .form-row, td, div");
    const label = field && field.querySelector("label");
    box.setAttribute("aria-label", label ? `Search: ${label.textContent.trim()}` : "Search");
  };
  const nameAll = () =>
    document.querySelectorAll(".select2-search__field:not([aria-label])").forEach(name);
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
