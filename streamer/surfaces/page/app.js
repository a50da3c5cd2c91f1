"use strict";
// Steers the stream over one WebSocket: shows what is pushed, sends what is moved.
const $ = id => document.getElementById(id);
const query = new URLSearchParams(location.search);
if (query.has("token")) {
  sessionStorage.setItem("token", query.get("token"));
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("token") || "";
const roll = new Roll($("roll"));
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const GROUPS = { character: "Character", harmony: "Harmony", returning: "What comes back", taste: "Taste", query: "Answers", tracks: "Tracks", playing: "Playing",
  pitch: "Pitch and scale", scenes: "From scene to scene", buffer: "Buffer" }; // in this order, others behind
let socket = null, specs = {}, rows = {}, values = {}, held = {}, wanted = {}, sending = 0, lost = 0, state = {};
let synth = null, latency = 0.12, family = "", coming = {}, learners = {}, confirmed = {};
const health = new Health($("health"), $("reasons"));

function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

function shown(spec, value) {
  if (value === null || value === undefined) return "as it comes";
  if (spec.kind === "switch") return value ? "on" : "off";
  if (spec.name === "low" || spec.name === "high") return NAMES[value % 12] + (Math.floor(value / 12) - 1);
  if (spec.name === "root") return NAMES[value];
  if (spec.kind === "choice" || spec.kind === "text") return value;
  const number = Number.isInteger(value) ? String(value) : value.toFixed(2);
  return spec.unit === "x" ? "× " + number : spec.unit ? number + " " + spec.unit : number;
}

// A slider has 1000 steps; what multiplies moves in equal ratios about its neutral point.
function toSlider(spec, value) {
  if (value === null) value = spec.neutral ?? spec.default ?? spec.low;
  const middle = spec.neutral;
  if (spec.unit === "x" && middle > spec.low && middle < spec.high) {
    return value <= middle ? 500 * Math.log(value / spec.low) / Math.log(middle / spec.low)
      : 500 + 500 * Math.log(value / middle) / Math.log(spec.high / middle);
  }
  return 1000 * (value - spec.low) / (spec.high - spec.low);
}

function fromSlider(spec, place) {
  const middle = spec.neutral;
  let value = spec.low + (spec.high - spec.low) * place / 1000;
  if (spec.unit === "x" && middle > spec.low && middle < spec.high) {
    value = place <= 500 ? spec.low * (middle / spec.low) ** (place / 500)
      : middle * (spec.high / middle) ** ((place - 500) / 500);
    if (Math.abs(place - 500) < 12) value = middle;
  }
  value = Math.min(spec.high, Math.max(spec.low, value));
  return spec.kind === "whole number" ? Math.round(value) : Number(value.toPrecision(4));
}

function move(name, value) {
  comes(name, value);
  held[name] = performance.now();
  wanted[name] = value;
  show(name, value);
  rows[name].box.classList.add("waits");
  if (!sending) sending = setTimeout(flush, 30);
}

function flush() {
  sending = 0;
  if (!socket || socket.readyState !== 1) return;
  const set = wanted;
  wanted = {};
  socket.send(JSON.stringify({ set }));
}

function show(name, value) {
  const row = rows[name], spec = specs[name];
  values[name] = value;
  if (name === "pause") {
    $("pause").setAttribute("aria-pressed", value);
    $("pause").querySelector("span").textContent = value ? "Play" : "Pause";
  }
  if (!row) return;
  const old = coming[name];
  row.out.textContent = (old ? shown(spec, old.heard) + " → " : "") + shown(spec, value);
  if (spec.kind === "switch") row.input.checked = value;
  else if (spec.kind === "choice") row.input.value = value;
  else if (spec.kind === "text") { if (!row.input.dataset.typing) row.input.value = value; }
  else {
    row.input.value = toSlider(spec, value);
    row.input.setAttribute("aria-valuetext", shown(spec, value));
  }
}

// What is drawn again is on its way until the first phrase that was drawn under it begins.
function comes(name, value) {
  const spec = specs[name];
  if (!spec || spec.heard === "at once" || values[name] === undefined || values[name] === value && !coming[name]) return;
  coming[name] = { heard: coming[name] ? coming[name].heard : values[name], at: null, since: performance.now() };
}

function arrive() {
  for (const [name, one] of Object.entries(coming)) {
    const here = one.at !== null && roll.now() >= one.at;
    if (here || performance.now() - one.since > 20000) { delete coming[name]; show(name, values[name]); }
  }
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The next knob that is turned on the input steers this; pressed once more, none does.
function learner(spec, what = "") {
  const seen = element("span"), button = element("button", { type: "button", class: "learn" }, seen,
    element("span", { class: "quiet" }, " – the knob that steers " + words(spec.name)));
  button.onclick = () => {
    if (socket && socket.readyState === 1) socket.send(JSON.stringify({ [state.learning === spec.name ? "forget" : "learn"]: spec.name }));
  };
  learners[spec.name] = { button, seen, what };
  return button;
}

function knobs() {
  document.body.classList.toggle("knobs", !!state.knobs);
  for (const [name, one] of Object.entries(learners)) {
    const on = state.learning === name, knob = state.knobs?.[name];
    const text = on ? (knob ? "turn another, or press to forget" : "turn a knob, or press to stop") : knob || "learn";
    if (one.seen.textContent !== one.what + text) one.seen.textContent = one.what + text;
    one.button.setAttribute("aria-pressed", on);
  }
}

function controlRow(spec) {
  const id = "c-" + spec.name, about = element("span", { class: "about", id: id + "-about" }, spec.help);
  if (spec.heard !== "at once") about.append(" ", element("span", { class: "soon" }, "heard " + spec.heard));
  let input;
  if (spec.pressed) { // obeyed once, and off again by itself
    input = element("button", { id, type: "button", "aria-describedby": about.id }, words(spec.name));
    input.onclick = () => move(spec.name, true);
    const box = element("div", { class: "control" }, input, about, learner(spec));
    rows[spec.name] = { box, input, out: element("output") };
    return box;
  }
  if (spec.kind === "choice") {
    input = element("select", { id }, ...spec.choices.map(c => element("option", { value: c }, c)));
    input.onchange = () => move(spec.name, input.value);
  } else if (spec.kind === "text") { // sent as it is entered; what holds stands beside it
    const list = element("datalist", { id: id + "-list" }, ...spec.examples.map(e => element("option", { value: e })));
    input = element("input", { id, type: "text", list: list.id, maxlength: 1000, autocomplete: "off", spellcheck: "false" });
    about.append(list);
    input.oninput = () => { input.dataset.typing = "1"; };
    input.onchange = () => {
      delete input.dataset.typing;
      if (socket && socket.readyState === 1) socket.send(JSON.stringify({ set: { [spec.name]: input.value } }));
    };
  } else if (spec.kind === "switch") {
    input = element("input", { id, type: "checkbox" });
    input.onchange = () => move(spec.name, input.checked);
  } else {
    const steps = spec.kind === "whole number" ? Math.max(1, 1000 / (spec.high - spec.low)) : 1;
    input = element("input", { id, type: "range", min: 0, max: 1000, step: steps > 1 ? steps : 1 });
    input.oninput = () => move(spec.name, fromSlider(spec, Number(input.value)));
    input.ondblclick = () => move(spec.name, spec.default);
  }
  input.setAttribute("aria-describedby", about.id);
  const out = element("output", { for: id });
  const label = element("label", { for: id }, words(spec.name));
  const box = element("div", { class: "control" }, label);
  if (spec.kind === "switch" || spec.kind === "choice") box.append(input, about);
  else box.append(out, input, about);
  box.append(learner(spec));
  rows[spec.name] = { box, input, out };
  return box;
}

// Mute, solo and volume of one track are one row, as on a mixing desk.
const STRIP = /^(mute|solo|volume)_(.+)$/;

function strips(members) {
  const found = new Map();
  for (const spec of members) {
    const [, what, track] = STRIP.exec(spec.name) || [];
    if (!what) continue;
    if (!found.has(track)) found.set(track, {});
    found.get(track)[what] = spec;
  }
  return new Map([...found].filter(([, s]) => s.mute && s.solo && s.volume));
}

function stripRow(track, { mute, solo, volume }) {
  const box = controlRow(volume), label = box.querySelector("label");
  label.textContent = words(track);
  label.append(element("span", { class: "quiet" }, " volume"));
  const learns = element("span", { class: "pair" }, learner(mute, "mute: "), learner(solo, "solo: "), learner(volume, "volume: "));
  box.querySelector(".learn").replaceWith(learns);
  box.querySelector(".about").classList.add("quiet");
  for (const [spec, text] of [[mute, "Mute"], [solo, "Solo"]]) {
    const id = "c-" + spec.name, input = element("input", { id, type: "checkbox", "aria-label": words(spec.name) });
    input.onchange = () => move(spec.name, input.checked);
    const chip = element("label", { class: "toggle", for: id, title: spec.help }, input, text);
    rows[spec.name] = { box: chip, input, out: element("output") };
    box.insertBefore(chip, box.querySelector("output"));
  }
  box.classList.add("strip");
  return box;
}

function controlRows(members) {
  const tracks = strips(members), done = new Set();
  return members.flatMap(spec => {
    const track = STRIP.exec(spec.name)?.[2];
    if (!tracks.has(track)) return [controlRow(spec)];
    if (done.has(track)) return [];
    done.add(track);
    return [stripRow(track, tracks.get(track))];
  });
}

function build(registry) {
  specs = Object.fromEntries(registry.map(s => [s.name, s]));
  rows = {};
  learners = {};
  const groups = new Map();
  for (const spec of registry) {
    if (spec.name === "pause" || spec.name === "keep" || (spec.families.length && family && !spec.families.includes(family))) continue;
    if (!groups.has(spec.group)) groups.set(spec.group, []);
    groups.get(spec.group).push(spec);
  }
  const place = name => (Object.keys(GROUPS).indexOf(name) + 1) || 99;
  const sorted = [...groups].sort(([a], [b]) => place(a) - place(b));
  $("controls").replaceChildren(...sorted.map(([name, members]) => {
    const id = "g-" + name.replaceAll(" ", "-");
    return element("section", { "aria-labelledby": id }, element("h2", { id }, GROUPS[name] || words(name)), ...controlRows(members));
  }));
  for (const [name, value] of Object.entries(values)) show(name, value);
  knobs();
}

// The value is what was chosen until it is heard, or until the stream says that it cannot be.
function bundles(list) {
  const select = $("bundle");
  select.replaceChildren(...list.map(one => element("option", { value: one.name }, one.name + " – " + one.about)));
  select.value = state.next_model || state.model || list.find(one => one.playing)?.name;
  select.onchange = () => socket && socket.readyState === 1 && socket.send(JSON.stringify({ bundle: select.value }));
}

function scenes(list) {
  $("scenes").replaceChildren(...list.map(scene => {
    const chip = element("button", { type: "button", "aria-pressed": "false", title: scene.about || "" }, scene.name);
    chip.dataset.scene = scene.name;
    chip.onclick = () => socket && socket.send(JSON.stringify({ scene: scene.name }));
    return chip;
  }), element("button", { type: "button", id: "save", title: "Save what plays as a scene of your own" }, "+ Save"));
  $("save").onclick = () => {
    const name = prompt("Name of the scene (a-z, 0-9 and -)");
    if (name && socket) socket.send(JSON.stringify({ save: name.trim() }));
  };
}

function figures(next) {
  const begun = next.uptime_seconds < state.uptime_seconds, kind = next.family || "";
  const moved = next.model !== state.model || next.next_model !== state.next_model;
  state = next;
  if (begun) roll.clear();
  if (kind !== family) { family = kind; build(Object.values(specs)); }
  if (moved) $("bundle").value = state.next_model || state.model;
  const doing = state.waiting_for_port ? "waits for its port" : state.day?.quiet ? "quiet hours" : state.paused ? "paused" : state.duet === "listening" ? "listens to you" : "playing";
  $("what").textContent = `${state.model} → ${state.port} · ${doing}` + (state.clock_says ? ` · ${state.clock_says}` + (state.bpm ? ` ${Math.round(state.bpm)} BPM` : "") : "") + (state.next_model ? ` · ${state.next_model} follows` : "") + (state.playing ? " · " + state.playing : "");
  document.title = (state.paused ? "❚❚ " : "♪ ") + state.model + " – Perpetuo";
  const names = [...new Set(state.sounding.map(([, pitch]) => pitch))].sort((a, b) => a - b)
    .map(pitch => NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1));
  $("sounding").textContent = (names.join(" ") || "–") + (state.pedal ? "   · pedal" : "");
  health.tell(state);
  knobs();
  arrive();
}

let scene = "";

function chosen(name = scene) {
  scene = name;
  for (const chip of $("scenes").querySelectorAll("[data-scene]")) chip.setAttribute("aria-pressed", chip.dataset.scene === scene);
}

const HEARD = {
  hello(told) { build(told.registry); scenes(told.scenes); bundles(told.bundles); },
  kept(told) { toast(`Kept ${Math.round(told.seconds)} s: ${told.name}`, true); recordings(); },
  scenes(told) { scenes(told.scenes); chosen(); if (told.saved) toast("The scene is saved.", true); },
  controls(told) {
    const now = performance.now();
    Object.assign(confirmed, told.values);
    for (const [name, value] of Object.entries(told.values)) {
      if (now - (held[name] || -1e9) > 400) comes(name, value);
      if (now - (held[name] || -1e9) > 400 || value === values[name]) show(name, value);
      if (rows[name]) rows[name].box.classList.remove("waits");
    }
    chosen(told.scene);
  },
  state: figures,
  written(told) {
    const from = roll.add(told.notes);
    for (const one of Object.values(coming)) one.at ??= from;
  },
  dropped(told) { roll.drop(told.phrases); },
  ports(told) { ports(told.ports); },
  now(told) { roll.tell(told.ms, told.rate); },
  sent(told) {
    if (!synth) return;
    const now = synth.context.currentTime;
    for (const [ago, ...bytes] of told.messages) synth.hear(bytes, Math.max(now, now + latency - ago / 1000));
  },
  error(told) { toast(told.error); undo(); $("bundle").value = state.next_model || state.model; },
};

// What was refused is shown as it is.
function undo() {
  for (const [name, row] of Object.entries(rows)) {
    if (!row.box.classList.contains("waits") || !(name in confirmed)) continue;
    row.box.classList.remove("waits");
    delete coming[name];
    show(name, confirmed[name]);
  }
}

function toast(text, good = false) {
  $("toast").textContent = text;
  $("toast").classList.toggle("good", good);
  $("toast").classList.add("shown");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => $("toast").classList.remove("shown"), 6000);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  socket = new WebSocket(scheme + location.host + "/api/v1/live" + (token ? "?token=" + encodeURIComponent(token) : ""));
  socket.onopen = () => { lost = 0; recordings(); };
  socket.onmessage = event => { const told = JSON.parse(event.data); HEARD[told.type]?.(told); };
  socket.onclose = () => {
    if (synth) synth.silence();
    roll.tell(roll.now(), 0);
    $("what").textContent = "the stream is gone; looking for it…";
    setTimeout(connect, Math.min(5000, 300 * 2 ** lost++));
  };
}

$("pause").onclick = () => {
  if (socket && socket.readyState === 1) socket.send(JSON.stringify({ set: { pause: !values.pause } }));
};

$("keep").onclick = () => {
  if (socket && socket.readyState === 1) socket.send(JSON.stringify({ keep: {} }));
};

$("sound").onclick = async () => {
  if (synth) {
    synth.silence();
    await synth.context.close();
    synth = null;
  } else {
    synth = new Synth(new AudioContext({ latencyHint: "interactive" }));
    await synth.context.resume();
  }
  $("sound").setAttribute("aria-pressed", synth !== null);
};

$("roll").addEventListener("pointermove", touched);
$("roll").addEventListener("pointerdown", touched);

function touched(event) {
  const box = $("roll").getBoundingClientRect(), why = roll.ghostAt(event.clientX - box.left, event.clientY - box.top);
  $("ghost").textContent = why ? "dropped: " + because(why) : "";
}

function frame() {
  if (!document.hidden) roll.draw();
  requestAnimationFrame(frame);
}

connect();
setInterval(() => { if (!document.hidden && !lost) recordings(); }, 30000);
requestAnimationFrame(frame);
