// Keeps the parts of a page marked with data-live up to date, until the visitor says stop.
(() => {
  const button = document.querySelector("[data-live-switch]");
  if (!button) return;
  const isOn = () => button.getAttribute("aria-pressed") === "true";

  async function refresh() {
    if (!isOn() || document.hidden) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && fresh.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) {
        part.replaceChildren(...fresh.childNodes);
      }
    }
  }

  button.hidden = false;
  button.addEventListener("click", () => button.setAttribute("aria-pressed", String(!isOn())));
  setInterval(() => refresh().catch(() => {}), 2000);
})();
