"use strict";
// Asks for the view every two seconds, and draws the sections anew that have changed. Texts are set as text alone.
(() => {
  const EVERY_MS = 2000;
  const run = new URLSearchParams(location.search).get("run");
  const drawn = new Map(); // section -> what it shows, as JSON
  let tag = "";
  let shown = "all"; // samples

  const percent = (share) => (share === null || share === undefined ? "–" : (100 * share).toFixed(1));
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  const clock = (s) => (s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` :
    `${Math.floor(s / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}`);

  function table(columns, rows) {
    const head = columns.map(([title, kind]) => make("th", { scope: "col", class: kind ?? "" }, title));
    const body = rows.map((row) =>
      make("tr", {}, ...row.map((cell, i) => make("td", { class: columns[i][1] ?? "" }, cell))));
    const made = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": columns[0][0] }, made);
  }

  function bar(share) {
    const drawnBar = make("span", { class: "bar", "aria-hidden": "true" });
    drawnBar.style.width = `${8 * (share ?? 0)}rem`;
    return make("span", {}, percent(share), drawnBar);
  }

  function section(id, title, content, draw) {
    const now = JSON.stringify(content);
    if (drawn.get(id) === now) return;
    drawn.set(id, now);
    let place = document.getElementById(id);
    if (!place) document.getElementById("content").append((place = make("section", { id })));
    const at = place.querySelector(".samples")?.scrollTop ?? 0;
    place.replaceChildren(make("h2", {}, title), draw(content));
    const list = place.querySelector(".samples");
    if (list) list.scrollTop = at;
  }

  function leaveOut(id) {
    drawn.delete(id);
    document.getElementById(id)?.remove();
  }

  function models(rows) {
    const splits = [...new Set(rows.flatMap((m) => Object.keys(m.accuracy)))];
    return table([["model"], ...splits.map((s) => [`${s}, %`])],
      rows.map((m) => [m.name, ...splits.map((s) => bar(m.accuracy[s]))]));
  }

  function samples(view) {
    const choices = ["all", "accepted", "turned down"].map((name) => {
      const radio = make("input", { type: "radio", name: "shown", value: name });
      radio.checked = name === shown;
      radio.addEventListener("change", () => { shown = name; filter(); });
      return make("label", {}, radio, ` ${name}`);
    });
    const list = make("ul", { class: "samples", tabindex: "0", "aria-label": "samples" },
      ...view.samples.map((s) => make("li", { "data-accepted": s.verdict === "accepted" },
        make("p", {}, make("strong", { class: s.verdict === "accepted" ? "good" : "bad" }, s.verdict),
          s.rating === null ? "" : `, rated ${s.rating.toFixed(1)}`, s.strategy ? `, ${s.strategy}` : ""),
        make("p", {}, s.question), make("p", { class: "soft" }, s.reply),
        ...(s.feedback ? [make("p", { class: "soft" }, `feedback: ${s.feedback}`)] : []))));
    const filter = () => {
      for (const item of list.children) {
        item.hidden = shown !== "all" && (item.dataset.accepted === "true") !== (shown === "accepted");
      }
    };
    filter();
    return make("div", {}, make("fieldset", {}, make("legend", {}, "Show"), ...choices), list);
  }

  function drawRun(view) {
    document.getElementById("kind").textContent = `Run, method ${view.method}`;
    const spent = view.usd === null ? "" : `, ${view.usd.toFixed(2)} USD`;
    document.getElementById("status").textContent =
      `${view.status === view.stage ? view.status : `${view.status}: ${view.stage}`}. ${view.calls} calls, ${view.tokens.toLocaleString("en")} tokens${spent}`;
    document.getElementById("waiting").hidden = view.status !== "waiting for review";
    document.querySelector("#waiting a").href = run === null ? "review" : `review?run=${encodeURIComponent(run)}`;
    if (view.error) section("error", "It has stopped", view.error, (text) => make("p", { class: "bad" }, text));
    else leaveOut("error");
    if (view.warnings.length) {
      section("warnings", "Warnings", view.warnings,
        (all) => make("ul", { class: "warnings" }, ...all.map((w) => make("li", {}, w))));
    } else leaveOut("warnings");
    section("models", "Accuracy", view.models, models);
    section("stages", "Stages", view.stages, (all) => table([["stage"], ["time", "number"]],
      all.map((s) => [s.name, s.seconds === null ? "under way" : clock(s.seconds) + (s.shared ? " (shared)" : "")])));
    section("patterns", "Patterns and strategies", view.patterns, (all) => table(
      [["iteration", "number"], ["failures", "number"], ["pattern"], ["strategy"]],
      all.map((p) => [p.iteration, p.size, `${p.category_name}: ${p.error_pattern}`,
        p.strategy_name ? `${p.strategy_name}: ${p.generation_approach}` : "none"])));
    section("samples", `New samples: ${view.accepted} accepted, ${view.rejected} turned down`,
      { samples: view.samples, accepted: view.accepted, rejected: view.rejected }, samples);
    section("events", "Events", view.events, (all) => table([["time"], ["event"], ["stage"], ["figures"]],
      all.map((e) => [e.time, e.event, e.stage, e.figures])));
  }

  function drawSweep(view) {
    document.getElementById("kind").textContent = "Sweep";
    const done = view.runs.filter((r) => r.status === "done").length;
    document.getElementById("status").textContent = `${done} of ${view.runs.length} runs are done`;
    section("runs", "Runs", view.runs, (all) => table(
      [["run"], ["status"], ["stage"], ["model"], ["val, %"], ["test, %"], ["tokens", "number"]],
      all.map((r) => {
        const last = r.models.at(-1);
        const link = make("a", { href: `?run=${encodeURIComponent(r.name)}` }, r.name);
        return [r.status === "not begun" ? r.name : link, r.status, r.stage, last?.name ?? "",
          last ? bar(last.accuracy.val) : "", last ? bar(last.accuracy.test) : "", r.tokens.toLocaleString("en")];
      })));
  }

  function tell(problem) {
    const place = document.getElementById("problem");
    place.hidden = !problem;
    place.textContent = problem;
  }

  async function look() {
    try {
      const address = run === null ? "view.json" : `view.json?run=${encodeURIComponent(run)}`;
      const reply = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (reply.status === 200) {
        const view = await reply.json();
        tag = reply.headers.get("ETag");
        document.getElementById("name").textContent = view.name;
        document.title = `${view.name} – pada ui`;
        (view.runs ? drawSweep : drawRun)(view);
      }
      tell(reply.ok || reply.status === 304 ? "" : (await reply.json()).problem);
    } catch {
      tell("`pada ui` does not answer any more; the run goes on without it");
    }
    setTimeout(look, EVERY_MS);
  }

  look();
})();
