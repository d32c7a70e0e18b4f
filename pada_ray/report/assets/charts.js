"use strict";
// Draws the charts in the colours of the reader's theme, and again when the theme changes.
(() => {
  const PALETTE = 8;
  const charts = JSON.parse(document.getElementById("data-charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colourOf = (n) => value(n < 0 ? "--neutral" : `--series-${n % PALETTE}`);

  // A colour that is used again gets stripes in a bar, dashes in a line.
  const stripes = (n) => (n < PALETTE ? "" : ["/", "\\", "x", "-", "|", "+", "."][Math.floor(n / PALETTE - 1) % 7]);

  function dress(trace) {
    const n = trace.meta.colour;
    const colour = colourOf(n);
    const marker = { ...trace.marker, color: colour };
    if (trace.type === "bar") {
      marker.line = { color: value("--paper"), width: 1 };
      marker.pattern = { shape: stripes(n), fgcolor: value("--paper"), size: 7, solidity: 0.25 };
      const font = { color: n < 0 ? value("--ink") : value("--on-series") };
      return { ...trace, marker, insidetextfont: font };
    }
    const bars = (error) => error && { ...error, color: colour, thickness: 1.2, width: 3 };
    const again = n >= PALETTE;
    if (again) marker.symbol = "diamond";
    const line = { color: colour, width: trace.meta.strong ? 3 : 1.6, dash: again ? "dash" : "solid" };
    return { ...trace, marker: { size: 7, ...marker }, line,
      error_x: bars(trace.error_x), error_y: bars(trace.error_y) };
  }

  function axis(given) {
    const line = value("--line");
    return { gridcolor: line, zerolinecolor: value("--soft"), linecolor: line, tickcolor: line, automargin: true,
      fixedrange: true, ...given, title: { ...given.title, font: { size: 13 } } };
  }

  function draw(place) {
    const chooser = place.parentElement.querySelector("select");
    const figure = charts[place.dataset.chart][chooser ? chooser.value : Object.keys(charts[place.dataset.chart])[0]];
    const layout = {
      ...figure.layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: value("--sans"), size: 13, color: value("--ink") },
      margin: { l: 60, r: 20, t: 30, b: 40 },
      legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top" },
      hoverlabel: { bgcolor: value("--raised"), bordercolor: value("--line"), font: { color: value("--ink") }, namelength: -1 },
      xaxis: axis(figure.layout.xaxis ?? {}),
      yaxis: axis(figure.layout.yaxis ?? {}),
    };
    const config = {
      responsive: true,
      displaylogo: false,
      modeBarButtons: [["toImage"]],
      toImageButtonOptions: { format: "svg", filename: place.dataset.chart },
    };
    Plotly.react(place, figure.data.map(dress), layout, config);
  }

  function paint() {
    document.querySelectorAll(".plot").forEach(draw);
    for (const swatch of document.querySelectorAll(".swatch")) {
      const n = Number(swatch.dataset.colour);
      const colour = colourOf(n);
      swatch.style.background = stripes(n)
        ? `repeating-linear-gradient(45deg, ${colour} 0 3px, ${value("--paper")} 3px 5px)`
        : colour;
    }
  }

  for (const place of document.querySelectorAll(".plot")) {
    place.parentElement.querySelector("select")?.addEventListener("change", () => draw(place));
  }
  dark.addEventListener("change", paint);
  paint();
})();
