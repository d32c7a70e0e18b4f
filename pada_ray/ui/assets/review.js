"use strict";
// Edits the file of a review. The list holds only the rows in sight, so ten thousand entries scroll as ten do. Each
// change is sent after a moment's rest, and the server says what does not hold. Texts are set as text alone.
(() => {
  const ROW = 44; // pixels, as in review.css
  const REST_MS = 600;
  const EDITED_ELSEWHERE = 409; // the status of an answer to changes of a file that is another one by now
  const run = new URLSearchParams(location.search).get("run");
  const address = run === null ? "review.json" : `review.json?run=${encodeURIComponent(run)}`;
  const id = (name) => document.getElementById(name);
  const list = id("list");
  let review; // as the server gave it; `entries` change here
  let at = 0; // the chosen entry
  const undone = []; // what undo does: {at, entry}, an entry of null takes the last one out
  const unsent = new Map(); // index -> entry
  let take = null; // takes in what stands in a field that has not lost the focus
  let resting = 0;
  let sending = false;

  const ofSamples = () => review.what === "samples";
  const decision = (entry) => entry.decision ?? "accept";
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const texts = (entry) => (ofSamples() ? [entry.messages, entry.answer] :
    [entry.category_name, entry.strategy_name, entry.generation_approach, entry.key_elements]);

  const originals = new Map(); // by the run's own name of an entry
  const named = (entry) => (ofSamples() ? entry.id : entry.cluster) ?? null;

  function deed(entry) {
    const original = originals.get(named(entry));
    if (named(entry) === null || original === undefined) return "added";
    if (!same(texts(entry), texts(original))) return "edited";
    return decision(entry) === decision(original) ? "" : "by you";
  }

  function says(entry) {
    if (!ofSamples()) return entry.strategy_name || "(no name)";
    const asked = (entry.messages ?? []).slice(0, -1).map((m) => m.content).join(" ");
    return asked.replace(/\s+/g, " ").slice(-300) || "(no question)";
  }

  // The list

  const rows = new Map(); // index -> the row, which stays the same one: a click goes through while its field is taken in

  function drawRow(i, size) {
    const entry = review.entries[i];
    if (!rows.has(i)) {
      const made = make("div", { class: "row", role: "option", id: `row-${i}`, onclick: () => choose(i) },
        make("span"), make("span", { class: "says" }), make("span", { class: "soft" }));
      made.style.top = `${i * ROW}px`;
      rows.set(i, made);
      id("room").append(made);
    }
    const row = rows.get(i);
    row.ariaSelected = String(i === at);
    row.ariaSetSize = String(size);
    row.ariaPosInSet = String(i + 1);
    row.dataset.decision = decision(entry);
    row.children[0].className = `decision ${decision(entry) === "drop" ? "bad" : "good"}`;
    const shown = [decision(entry), says(entry), deed(entry) || (entry.judge?.rating ?? "")];
    shown.forEach((text, column) => { row.children[column].textContent = text; });
  }

  function drawList() {
    const size = review.entries.length;
    id("room").style.height = `${size * ROW}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(size, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5);
    for (const [i, row] of rows) if (i < first || i >= last) { row.remove(); rows.delete(i); }
    for (let i = first; i < last; i++) drawRow(i, size);
    if (size) list.setAttribute("aria-activedescendant", `row-${at}`);
  }

  function count() {
    const all = review.entries;
    const dropped = all.filter((e) => decision(e) === "drop").length;
    const deeds = all.map(deed);
    const number = (what) => deeds.filter((d) => d === what).length;
    id("counts").textContent = `${all.length - dropped} accepted, ${dropped} dropped, ${number("edited")} edited, ` +
      `${number("added")} of your own`;
  }

  function choose(index) {
    at = Math.max(0, Math.min(index, review.entries.length - 1));
    const top = at * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    drawList();
    drawEntry();
  }

  // The chosen entry

  function field(title, value, write, kind = "textarea") {
    const name = `field-${title.replace(/\W+/g, "-")}`;
    const box = make(kind === "textarea" ? "textarea" : "input", { id: name });
    if (kind === "textarea") box.rows = Math.min(12, Math.max(2, Math.ceil(String(value).length / 70)));
    else box.type = kind;
    if (kind === "number") Object.assign(box, { min: 1, max: 10, step: 1 });
    box.value = value;
    const taken = () => {
      take = null;
      edit((entry) => write(entry, box.value), { fieldsHoldIt: true });
    };
    box.addEventListener("blur", () => take?.());
    box.addEventListener("input", () => {
      take = taken;
      rest();
    });
    return [make("label", { for: name }, title), box];
  }

  function fields(entry) {
    if (!ofSamples()) {
      return [
        field("pattern", entry.category_name ?? "", (e, text) => { e.category_name = text; }),
        field("strategy", entry.strategy_name ?? "", (e, text) => { e.strategy_name = text; }),
        field("how samples are written", entry.generation_approach ?? "", (e, text) => { e.generation_approach = text; }),
        field("key elements, one on each line", (entry.key_elements ?? []).join("\n"),
          (e, text) => { e.key_elements = text.split("\n").filter((line) => line.trim()); }),
      ];
    }
    return [
      ...(entry.messages ?? []).map((message, i) => field(`${i + 1}: ${message.role}`, message.content,
        (e, text) => { e.messages[i].content = text; })),
      ...(entry.answer === undefined || entry.answer === null ? [] :
        [field("answer, which the reply is checked against", entry.answer, (e, text) => { e.answer = text; })]),
      field("your rating, 1 to 10", entry.rating ?? "", (e, text) => { e.rating = text === "" ? null : Number(text); },
        "number"),
      field("your feedback", entry.feedback ?? "", (e, text) => { e.feedback = text; }),
    ];
  }

  function drawEntry() {
    const entry = review.entries[at];
    if (!entry) {
      id("entry").replaceChildren(make("p", {}, "There is no entry. ", button("Add one", add)));
      return;
    }
    const judge = entry.judge ?? {};
    const about = [
      entry.strategy && `strategy: ${entry.strategy}`,
      judge.decision && `judge: ${judge.decision}${judge.rating === null ? "" : `, rated ${judge.rating}`}`,
      judge.feedback && `feedback: ${judge.feedback}`,
    ].filter(Boolean);
    id("entry").replaceChildren(
      make("div", { class: "buttons" },
        button("Accept", () => decide("accept")), button("Drop", () => decide("drop")), button("Undo", undo),
        button("As the run wrote it", () => edit((e) => Object.assign(e, structuredClone(originals.get(named(e)))))),
        button("Add one", add)),
      ...about.map((line) => make("p", { class: "judge soft" }, line)),
      ...(review.hidden.includes(at) ?
        [make("p", { class: "bad" }, "This text holds marks that a reader does not see.")] : []),
      ...fields(entry).flat());
    drawButtons();
  }

  function drawButtons() {
    const entry = review.entries[at];
    const original = originals.get(named(entry));
    const [accept, drop, back, restore] = id("entry").querySelectorAll(".buttons button");
    accept.ariaPressed = String(decision(entry) === "accept");
    drop.ariaPressed = String(decision(entry) === "drop");
    back.disabled = undone.length === 0;
    restore.disabled = original === undefined || same(entry, original);
  }

  const button = (text, act) => make("button", { type: "button", onclick: act }, text);

  // Changes

  function edit(change, { fieldsHoldIt = false } = {}) {
    const entry = review.entries[at];
    if (!entry) return;
    const changed = structuredClone(entry);
    change(changed);
    if (same(entry, changed)) return;
    undone.push({ at, entry });
    put(at, changed, fieldsHoldIt);
  }

  function decide(what) {
    edit((entry) => { entry.decision = what; });
  }

  function add() {
    const entry = ofSamples() ?
      { decision: "accept", rating: null, feedback: "",
        messages: structuredClone(review.entries[at]?.messages ?? [{ role: "user" }, { role: "assistant" }])
          .map((m) => ({ ...m, content: "" })),
        ...(review.entries[at]?.answer ? { answer: "" } : {}) } :
      { decision: "accept", category_name: "", strategy_name: "", generation_approach: "", key_elements: [] };
    const last = review.entries.length;
    undone.push({ at: last, entry: null });
    put(last, entry);
    id("entry").querySelector("textarea").focus();
  }

  function undo() {
    const step = undone.pop();
    if (step) put(step.at, step.entry);
  }

  function put(index, entry, fieldsHoldIt = false) {
    if (entry === null) review.entries.length = index;
    else review.entries[index] = entry;
    unsent.set(index, entry);
    if (fieldsHoldIt) {
      drawList();
      drawButtons();
    } else choose(index);
    count();
    rest();
  }

  function rest() {
    id("saved").textContent = "not saved yet";
    sendAfter(REST_MS);
  }

  function sendAfter(ms) {
    clearTimeout(resting);
    resting = setTimeout(send, ms);
  }

  async function send() {
    if (sending) return;
    take?.();
    if (unsent.size === 0) return;
    sending = true;
    const changes = [...unsent].map(([index, entry]) => ({ at: index, entry }));
    unsent.clear();
    let status = 0;
    try {
      const reply = await fetch(address, { method: "PUT", body: JSON.stringify({ tag: review.tag, changes }) });
      const said = await reply.json();
      status = reply.status;
      if (reply.ok) review.tag = said.tag;
      tell(said.problem, said.at);
    } catch {
      // It does not answer, or not in JSON.
    }
    sending = false;
    if (status === 200) {
      id("saved").textContent = `saved in ${review.file}; \`${review.resume}\` goes on`;
      if (unsent.size || take) rest();
      return;
    }
    // Nothing is lost while the page is open: what was not taken is sent again, unless it has changed since.
    for (const { at: index, entry } of changes) if (!unsent.has(index)) unsent.set(index, entry);
    const tries = status !== EDITED_ELSEWHERE;
    id("saved").textContent =
      `not saved${status ? "" : ": `pada ui` does not answer"}${tries ? "; the page tries again" : ""}`;
    if (tries) sendAfter(5 * REST_MS);
  }

  function tell(problem, index = null) {
    const place = id("problem");
    place.hidden = !problem;
    place.replaceChildren(problem ?? "", ...(index === null ? [] : [" ", button("Show it", () => choose(index))]));
  }

  // Keys

  const KEYS = {
    j: () => choose(at + 1), ArrowDown: () => choose(at + 1), k: () => choose(at - 1), ArrowUp: () => choose(at - 1),
    PageDown: () => choose(at + 10), PageUp: () => choose(at - 10), Home: () => choose(0),
    End: () => choose(review.entries.length - 1),
    a: () => decide("accept"), d: () => decide("drop"), u: undo, n: add,
    e: () => id("entry").querySelector("textarea")?.focus(),
  };

  document.addEventListener("keydown", (event) => {
    const writes = event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement;
    if (event.key === "Escape" && writes) return list.focus(); // leaving the field takes its change in
    if (!review || writes || event.ctrlKey || event.metaKey || event.altKey) return;
    const rating = ofSamples() && /^\d$/.test(event.key) ? Number(event.key) || 10 : 0;
    const act = rating ? () => edit((entry) => { entry.rating = rating; }) : KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  addEventListener("beforeunload", (event) => {
    if (unsent.size || sending || take) event.preventDefault();
  });
  list.addEventListener("scroll", () => requestAnimationFrame(drawList));

  async function begin() {
    if (run !== null) id("back").href = `/?run=${encodeURIComponent(run)}`;
    const reply = await fetch(address, { cache: "no-store" });
    const found = await reply.json();
    if (!reply.ok) return tell(found.problem);
    review = found;
    for (const entry of review.originals) originals.set(named(entry), entry);
    id("stage").textContent = review.stage;
    document.title = `${review.stage} – pada ui`;
    for (const part of document.querySelectorAll(".of-samples")) part.hidden = !ofSamples();
    id("review").hidden = false;
    id("saved").textContent = `edits go to ${review.file}`;
    choose(0);
    count();
    list.focus();
  }

  begin();
})();
