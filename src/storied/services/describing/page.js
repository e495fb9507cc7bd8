// What the page does beside showing itself: it finds, copies, opens what a link names, and tells the address it has.
"use strict";

const search = document.getElementById("search");
const said = document.getElementById("said");

for (const code of document.querySelectorAll("pre.curl code")) {
  code.textContent = code.textContent.replaceAll(document.documentElement.dataset.origin, location.origin);
}

for (const pre of document.querySelectorAll("pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(pre.querySelector("code").textContent);
      said.textContent = "Copied.";
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  pre.before(button);
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const one of document.querySelectorAll("[data-words]")) {
    one.hidden = !words.every((word) => one.dataset.words.includes(word));
    found += one.hidden || one.tagName === "LI" ? 0 : 1;
  }
  for (const group of document.querySelectorAll("[data-group]")) {
    group.hidden = group.querySelector("[data-words]:not([hidden])") === null;
  }
  said.textContent = words.length ? `${found} found.` : "";
}

document.getElementById("finding").hidden = false;
search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    search.value = "";
    find();
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !(document.activeElement instanceof HTMLInputElement)) {
    event.preventDefault();
    search.focus();
  }
});
addEventListener("hashchange", openTarget);
openTarget();
