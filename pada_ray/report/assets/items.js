"use strict";
// The lists of synthetic samples and of val and test items. The document holds one page of a list at a time, and an entry's texts
// only once it is opened. What a model wrote is set as text, never as HTML.
(() => {
  const PER_PAGE = 25;
  const TYPING = 150; // milliseconds to wait for the next key
  const source = document.getElementById("data-items");
  if (!source) return;
  const data = JSON.parse(source.textContent);

  function el(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const modelName = (model) => (model === "base" ? "base model" : model === "iteration-0" ? "vanilla fine-tuning" : model.replace("-", " "));
  const question = (messages) => messages.filter((m) => m.role === "user").at(-1)?.content ?? messages[0]?.content ?? "";
  const said = (messages) => messages.map((m) => el("p", "message", el("span", "role", m.role), m.content));

  function listItems(name, entries, { test, order, line, detail, haystack }) {
    const form = document.querySelector(`form[data-items="${name}"]`);
    if (!form) return null;
    const texts = new Map();
    let found = entries;
    let page = 0;

    const told = el("output", "");
    told.setAttribute("aria-live", "polite");
    const back = el("button", "", "Previous");
    const onward = el("button", "", "Next");
    const number = el("input", "");
    number.type = "number";
    number.min = 1;
    const pages = el("span", "");
    back.type = onward.type = "button";
    const list = el("ul", "entries");
    const bar = el("div", "bar", told, back, el("label", "", "Page ", number), pages, onward);
    document.getElementById(`items-${name}`).append(bar, list);

    function textOf(entry) {
      if (!texts.has(entry)) texts.set(entry, haystack(entry).join("\n").toLowerCase());
      return texts.get(entry);
    }

    function item(entry) {
      const details = el("details", "entry", el("summary", "", ...line(entry)));
      details.addEventListener("toggle", () => {
        if (details.open && details.childElementCount === 1) details.append(detail(entry));
      });
      return el("li", "", details);
    }

    function show() {
      const last = Math.max(0, Math.ceil(found.length / PER_PAGE) - 1);
      page = Math.min(Math.max(page, 0), last);
      list.replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(item));
      told.textContent = `${found.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")}`;
      number.value = page + 1;
      number.max = last + 1;
      pages.textContent = `of ${(last + 1).toLocaleString("en")}`;
      back.disabled = page === 0;
      onward.disabled = page === last;
    }

    function filter() {
      const wanted = Object.fromEntries(new FormData(form));
      const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
      found = entries.filter((entry) => test(entry, wanted) && words.every((word) => textOf(entry).includes(word)));
      if (order) found = order(found, wanted);
      page = 0;
      show();
    }

    let typing;
    form.addEventListener("input", (event) => {
      clearTimeout(typing);
      if (event.target.type === "search") typing = setTimeout(filter, TYPING);
      else filter();
    });
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    const turn = (to) => { page = to; show(); };
    back.addEventListener("click", () => turn(page - 1));
    onward.addEventListener("click", () => turn(page + 1));
    number.addEventListener("change", () => turn(Number(number.value) - 1));
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.target.tagName !== "SUMMARY") return;
      event.preventDefault();
      const summaries = [...list.querySelectorAll("summary")];
      summaries[summaries.indexOf(event.target) + step]?.focus();
    });
    filter();
    return {
      choose(values) {
        form.reset();
        for (const [key, value] of Object.entries(values)) form.elements[key].value = value;
        // Runs after the filter that the reset has scheduled.
        setTimeout(() => { filter(); form.closest("details.fold").open = true; form.parentElement.scrollIntoView(); form.elements.text.focus({ preventScroll: true }); });
      },
    };
  }

  // Synthetic samples

  const latest = (entry) => entry.versions.at(-1);
  const status = (entry) => (latest(entry).rejected ? "never" : entry.versions.length > 1 ? "regenerated" : "first");
  const STATUS = { first: "accepted", regenerated: "accepted", never: "not accepted" };

  function offer(select, values, text = String) {
    for (const value of [...new Set(values)].sort((a, b) => String(a).localeCompare(String(b), "en", { numeric: true }))) {
      select.append(new Option(text(value), value));
    }
  }

  function ratings(version) {
    if (!version.ratings) return "not rated";
    const each = Object.entries(version.ratings).filter(([, rating]) => rating !== null);
    return `rating ${version.overall.toFixed(1)}: ${each.map(([name, rating]) => `${name} ${rating}`).join(", ")}`;
  }

  function draft(version, count) {
    const verdict = (version.rejected ? `rejected: ${version.rejected}` : "accepted") +
      (version.person && version.person !== version.rejected ? `, ${version.person}` : "");
    const which = count > 1 ? `Draft ${version.attempt + 1}` : "Synthetic sample";
    const answer = version.answer === null ? [] : [`, answer ${[version.answer].flat().join(" | ")}`];
    return el(
      "div", "version",
      el("h4", "", `${which}, `, el("span", version.rejected ? "bad" : "good", verdict)),
      el("p", "verdict", `${ratings(version)}${answer}`),
      ...said(version.messages),
      version.feedback ? el("p", "verdict", `Feedback: ${version.feedback}`) : null,
      el("p", "verdict", version.id),
    );
  }

  const samples = listItems("samples", data.samples, {
    haystack: (entry) => [
      entry.seed, entry.group, entry.strategy ?? "",
      ...entry.versions.flatMap((v) => [v.id, v.feedback, ...v.messages.map((m) => m.content)]),
      ...(data.seeds[entry.seed] ?? []).map((m) => m.content),
    ],
    test(entry, wanted) {
      const rating = latest(entry).overall;
      return (
        (!wanted.status || status(entry) === wanted.status) &&
        (!wanted.rejected || entry.versions.some((v) => v.rejected === wanted.rejected)) &&
        (!wanted.iteration || String(entry.iteration) === wanted.iteration) &&
        (!wanted.group || entry.group === wanted.group) &&
        (!wanted.strategy || entry.strategy === wanted.strategy) &&
        (!wanted.from || (rating !== null && rating >= Number(wanted.from))) &&
        (!wanted.to || (rating !== null && rating <= Number(wanted.to)))
      );
    },
    order(found, { order }) {
      const rating = (entry) => latest(entry).overall;
      const byRating = (sign) => (a, b) =>
        rating(a) === null || rating(b) === null ? (rating(a) === null) - (rating(b) === null) : sign * (rating(a) - rating(b));
      const orders = { low: byRating(1), high: byRating(-1), drafts: (a, b) => b.versions.length - a.versions.length };
      return orders[order] ? [...found].sort(orders[order]) : found;
    },
    line: (entry) => [
      el("span", "line", question(latest(entry).messages)),
      el("span", "tag place", `iteration ${entry.iteration}, ${entry.group}`),
      el("span", `tag ${latest(entry).rejected ? "bad" : "good"}`, STATUS[status(entry)]),
      el("span", "rating", latest(entry).overall?.toFixed(1) ?? "–"),
    ],
    detail(entry) {
      const seed = data.seeds[entry.seed];
      const versions = [...entry.versions].reverse();
      return el(
        "div", "sides",
        el(
          "div", "",
          el("h4", "", "Seed ", el("span", "", entry.seed)),
          ...(seed ? said(seed) : [el("p", "verdict", "not among the training samples")]),
          entry.wrong_reply === null ? null
            : el("p", "message", el("span", "role bad", "wrong reply of the previous model"), entry.wrong_reply),
          entry.strategy ? el("p", "verdict", `Strategy: ${entry.strategy}`) : null,
        ),
        el("div", "", ...versions.map((version) => draft(version, versions.length))),
      );
    },
  });
  if (samples) {
    const { iteration, group, strategy, rejected } = document.querySelector('form[data-items="samples"]').elements;
    offer(iteration, data.samples.map((entry) => entry.iteration));
    offer(group, data.samples.map((entry) => entry.group));
    offer(strategy, data.samples.map((entry) => entry.strategy).filter(Boolean));
    offer(rejected, data.samples.flatMap((entry) => entry.versions.map((v) => v.rejected)).filter(Boolean));
  }

  // Val and test items

  const verdict = (step) => (step.failed === null ? "unscored" : step.failed ? "wrong" : "right");
  const TONE = { right: "good", wrong: "bad", unscored: "" };
  const MARK = { right: "✓ ", wrong: "✗ ", unscored: "? " };

  function outcome(entry) {
    const tuned = entry.steps.filter((step) => step.model !== "base" && step.failed !== null);
    if (!tuned.length) return "unscored";
    const right = tuned.map((step) => !step.failed);
    if (right.every(Boolean)) return "always";
    if (!right.some(Boolean)) return "never";
    return right.at(-1) ? "fixed" : "broken";
  }

  function step(model) {
    const analysed = model.cluster !== null;
    const pattern = document.getElementById(`pattern-${model.iteration}-${model.cluster}`);
    const link = el(pattern ? "a" : "span", "", `iteration ${model.iteration}, cluster ${model.cluster}`);
    if (pattern) {
      link.href = `#${pattern.id}`;
      link.addEventListener("click", () => { pattern.open = true; }); // its section: fold.js
    }
    return el(
      "div", "step",
      el("h4", "", `${modelName(model.model)}, `, el("span", TONE[verdict(model)], verdict(model))),
      el("p", "message", model.reply),
      model.rating === null ? null : el("p", "verdict", `Rated ${model.rating}: ${model.feedback}`),
      analysed ? el("p", "verdict", "Analysed in ", link, model.cause ? `: ${model.cause}` : "") : null,
    );
  }

  const itemsOf = (split, kind) => listItems(split, data[split], {
    haystack: (entry) => [entry.id, ...entry.messages.map((m) => m.content), ...entry.steps.flatMap((s) => [s.reply, s.cause ?? ""])],
    test: (entry, wanted) =>
      (!wanted.outcome || outcome(entry) === wanted.outcome) &&
      (!wanted.cluster || entry.steps.some((s) => s.cluster !== null && `${s.iteration}-${s.cluster}` === wanted.cluster)),
    line: (entry) => [
      el("span", "line", question(entry.messages)),
      el("span", "tag", ...entry.steps.map((s) => {
        const mark = el("span", TONE[verdict(s)], MARK[verdict(s)]);
        mark.role = "img";
        mark.title = mark.ariaLabel = `${modelName(s.model)}: ${verdict(s)}`;
        return mark;
      })),
    ],
    detail: (entry) => el(
      "div", "sides",
      el("div", "", el("h4", "", `${kind} item `, el("span", "", entry.id)), ...said(entry.messages)),
      el("div", "", ...entry.steps.map(step)),
    ),
  });
  const val = itemsOf("val", "Val");
  itemsOf("test", "Test");

  // Links from a pattern to its samples and its val items, and from a val item to its pattern

  for (const button of document.querySelectorAll("button[data-show]")) {
    const { show, ...values } = button.dataset;
    button.addEventListener("click", () => (show === "val" ? val : samples)?.choose(values));
  }
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
})();
