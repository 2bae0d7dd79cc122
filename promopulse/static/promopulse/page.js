// What scripts add to the pages; each works without them.
(() => {
  "use strict";
  const live = document.createElement("div");
  live.setAttribute("role", "status");
  live.className = "unseen";

  const copies = navigator.clipboard ? document.querySelectorAll("[data-copy]") : [];
  copies.forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(code.textContent.trim());
      } catch {
        getSelection().selectAllChildren(code);
        return;
      }
      button.textContent = "Copied";
      live.textContent = `Copied ${code.textContent.trim()}`;
      setTimeout(() => { button.textContent = "Copy"; live.textContent = ""; }, 2000);
    });
  });
  if (copies.length) document.body.append(live);

  const countdowns = [...document.querySelectorAll("[data-countdown]")];
  const tick = () => {
    countdowns.forEach((shown) => {
      const left = Math.ceil((Date.parse(shown.dateTime) - Date.now() - lag) / 1000);
      const minutes = Math.floor(left / 60);
      shown.textContent = left <= 0 ? "0 s" : minutes ? `${minutes} min ${left % 60} s` : `${left} s`;
      if (left <= 0) location.assign(clean());
    });
  };
  const clean = () => {
    const address = new URL(location.href);
    address.searchParams.delete("told");
    return address.href;
  };
  // The server's clock is the one that counts: this machine's may be off.
  let lag = 0;
  if (countdowns.length) {
    const now = Date.parse(countdowns[0].dataset.countdown);
    lag = now - Date.now();
    setInterval(tick, 1000);
  }
  // An outcome is told once: not again when the page is loaded anew.
  if (location.search.includes("told=")) history.replaceState(null, "", clean());
})();
