/* Everything works without this file; it adds a copy button and local times. */
(() => {
  "use strict";

  const announce = (text) => {
    const region = document.querySelector("[data-scim-announce]");
    if (region) {
      region.textContent = text;
    }
  };

  const copy = async (field) => {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(field.value);
      return true;
    }
    field.focus();
    field.select();
    return document.execCommand("copy");
  };

  for (const field of document.querySelectorAll("[data-scim-select]")) {
    field.addEventListener("focus", () => field.select());
    field.addEventListener("click", () => field.select());
  }

  for (const button of document.querySelectorAll("[data-scim-copy]")) {
    const field = document.getElementById(button.dataset.scimCopy);
    const label = button.querySelector("[data-scim-label]");
    if (!field || !label) {
      continue;
    }
    const resting = label.textContent;
    let timer = 0;
    button.hidden = false;
    button.addEventListener("click", async () => {
      let copied = false;
      try {
        copied = await copy(field);
      } catch {
        copied = false;
      }
      if (!copied) {
        field.focus();
        field.select();
      }
      label.textContent = copied ? "Copied" : "Press Ctrl+C";
      announce(
        copied
          ? `${button.dataset.scimName} copied.`
          : `${button.dataset.scimName} is selected; press Ctrl+C to copy it.`,
      );
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        label.textContent = resting;
      }, 2500);
    });
  }

  const local = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    dateStyle: "medium",
    timeStyle: "medium",
  });
  for (const time of document.querySelectorAll("time[data-scim-time]")) {
    time.title = `${local.format(new Date(time.dateTime))} (your time)`;
  }
})();
