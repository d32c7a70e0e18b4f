"use strict";
// Sections fold. On a phone all but the first start closed, and a link to what is inside one opens it.
(() => {
  const ALWAYS = ["model", "accuracy"];
  const folds = [...document.querySelectorAll("details.fold")];

  for (const fold of folds) {
    fold.addEventListener("toggle", () => {
      if (!fold.open) return;
      for (const plot of fold.querySelectorAll(".plot")) if (plot.data) Plotly.Plots.resize(plot);
    });
  }
  if (matchMedia("(max-width: 40rem)").matches) {
    for (const fold of folds) fold.open = ALWAYS.includes(fold.parentElement.id);
  }

  function reveal(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    const fold = target.closest("details.fold") ?? target.querySelector(":scope > details.fold");
    if (!fold || fold.open) return;
    fold.open = true;
    target.scrollIntoView();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) reveal(link.hash);
  });
  window.addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);
})();
