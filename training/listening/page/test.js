"use strict";
// One listener's session: order and sides drawn at the start, kept in the browser, saved as JSON.
const test = JSON.parse(document.getElementById("test").textContent);
const byId = (id) => document.getElementById(id);
const kept = `perpetuo-listening-${test.test}`;

function randomBelow(n) {
  const most = Math.floor(2 ** 32 / n) * n, drawn = new Uint32Array(1);
  do crypto.getRandomValues(drawn); while (drawn[0] >= most);
  return drawn[0] % n;
}

function shuffled(items) {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomBelow(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

function begun() {
  const name = crypto.getRandomValues(new Uint8Array(8));
  return {
    format: test.format, test: test.test,
    session: [...name].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    begun: new Date().toISOString(), ended: null,
    pairs: shuffled(test.pairs).map((pair) => ({ id: pair.id, order: shuffled(pair.clips), heard_s: {}, marks: {} })),
  };
}

function remembered() {
  try {
    const found = JSON.parse(localStorage.getItem(kept));
    return found && found.format === test.format && found.pairs.length === test.pairs.length ? found : null;
  } catch { return null; }
}

const before = remembered();
const session = before || begun();
let at = 0;

function keep() {
  try { localStorage.setItem(kept, JSON.stringify(session)); } catch { /* a private window keeps nothing */ }
}

const isWhole = (pair) => pair.order.every((clip) => test.scales.every((scale) => pair.marks[clip]?.[scale.name]));
const marked = () => session.pairs.filter(isWhole).length;

function element(name, properties, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

function show(id) {
  for (const part of ["intro", "trial", "done"]) byId(part).hidden = part !== id;
  byId("progress").value = marked();
  byId("count").textContent = `${marked()} of ${session.pairs.length}`;
  byId(id).querySelector("h2").focus();
  scrollTo(0, 0);
}

function markRow(pair, clip, place, scale) {
  const name = `${place}-${scale.name}`, row = element("div", { className: "marks" });
  for (let mark = 1; mark <= 5; mark++) {
    const input = element("input", { type: "radio", name, value: mark, id: `${name}-${mark}` });
    input.checked = pair.marks[clip]?.[scale.name] === mark;
    input.addEventListener("change", () => {
      (pair.marks[clip] ??= {})[scale.name] = mark;
      input.closest("fieldset").classList.remove("missing");
      keep();
    });
    row.append(element("label", { htmlFor: input.id }, String(mark), input));
  }
  const ends = element("div", { className: "ends", ariaHidden: "true" },
    element("span", {}, "poor"), element("span", {}, "excellent"));
  const said = `${scale.name[0].toUpperCase()}${scale.name.slice(1)}`;
  return element("fieldset", { id: name }, element("legend", {}, said), row, ends);
}

function heardSeconds(audio) {
  let sum = 0;
  for (let i = 0; i < audio.played.length; i++) sum += audio.played.end(i) - audio.played.start(i);
  return Math.round(sum * 10) / 10;
}

function piece(pair, clip, place, title) {
  const audio = element("audio", { controls: true, preload: "auto", src: `clips/${clip}${test.suffix}`, id: `${place}-audio` });
  audio.setAttribute("aria-label", title);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  for (const event of ["pause", "ended"]) audio.addEventListener(event, () => {
    pair.heard_s[clip] = Math.max(pair.heard_s[clip] || 0, heardSeconds(audio));
    keep();
  });
  audio.addEventListener("error", () => {
    byId("problem").textContent = `${title} cannot be played: is the folder “clips” beside this page?`;
  });
  return element("section", { className: "piece" }, element("h3", {}, title), audio,
    ...test.scales.map((scale) => markRow(pair, clip, place, scale)));
}

function turnTo(index) {
  at = index;
  const pair = session.pairs[at];
  byId("pair").textContent = `Pair ${at + 1} of ${session.pairs.length}`;
  byId("problem").textContent = "";
  const titles = ["First piece", "Second piece"];
  byId("pieces").replaceChildren(...pair.order.map((clip, i) => piece(pair, clip, ["first", "second"][i], titles[i])));
  byId("back").disabled = at === 0;
  byId("next").textContent = at + 1 === session.pairs.length ? "Finish" : "Next pair";
  show("trial");
}

function finish() {
  session.ended ??= new Date().toISOString();
  keep();
  const text = JSON.stringify(session, null, 1);
  byId("text").value = text;
  byId("save").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  byId("save").download = `answers-${session.session}.json`;
  show("done");
}

const unfinished = () => {
  const first = session.pairs.findIndex((pair) => !isWhole(pair));
  return first < 0 ? session.pairs.length : first;
};

function goOn() {
  const next = unfinished();
  if (next < session.pairs.length) turnTo(next); else finish();
}

byId("trial").addEventListener("submit", (event) => {
  event.preventDefault();
  const missing = [...document.querySelectorAll("fieldset")].filter((set) => !set.querySelector(":checked"));
  for (const set of missing) set.classList.add("missing");
  if (missing.length) {
    const many = missing.length === 1 ? "One mark is" : `${missing.length} marks are`;
    byId("problem").textContent = `${many} missing; the first has the focus.`;
    missing[0].querySelector("input").focus();
    return;
  }
  for (const audio of document.querySelectorAll("audio")) audio.pause();
  if (at + 1 < session.pairs.length) turnTo(at + 1); else goOn();
});
byId("back").addEventListener("click", () => turnTo(at - 1));
byId("change").addEventListener("click", () => turnTo(session.pairs.length - 1));
byId("begin").addEventListener("click", () => { keep(); goOn(); });
for (const scale of test.scales) byId("scales").append(
  element("dt", {}, scale.name[0].toUpperCase() + scale.name.slice(1)), element("dd", {}, scale.about));
byId("again").hidden = !before;
byId("progress").value = marked();
byId("count").textContent = `${marked()} of ${session.pairs.length}`;
