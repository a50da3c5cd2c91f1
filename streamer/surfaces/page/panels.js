"use strict";
// What lies below the faders: recordings, ports, and health in words and small plots.
const bearer = () => token ? { Authorization: "Bearer " + token } : {};

const HEALTH = {
  buffer_seconds: ["Written ahead", v => v.toFixed(1) + " s", true],
  late: ["Lateness, 99 of 100", v => v.toFixed(2) + " ms", true],
  rate: ["Notes a second", v => v.toFixed(1), true],
  memory_mb: ["Memory", v => v.toFixed(0) + " MB", true],
  notes_sent: ["Notes sent", v => v.toLocaleString("en")],
  underruns: ["Rests lengthened", v => v],
  dropped: ["Phrases dropped", v => v.toLocaleString("en")],
  uptime_seconds: ["Plays since", v => v < 3600 ? Math.round(v / 60) + " min" : (v / 3600).toFixed(1) + " h"],
};
const REASONS = {
  loop: "goes round in a loop", stuck: "stuck on one note", range: "out of range", empty: "next to no notes",
  density: "too dense or too thin", polyphony: "too many keys at once", dynamics: "all of one loudness",
  repeated: "repeats itself", heard: "was heard before", leap: "leaps too far", "off-beat": "off the beat",
  "open-bar": "a bar left open", astray: "set aside: it led away from what was learnt",
};
const because = reason => REASONS[reason] || reason;
const PLOT = 240; // samples, two a second

class Health {
  constructor(list, reasons) {
    this.list = list; this.reasons = reasons;
    this.rows = {}; this.past = {};
  }

  tell(state) {
    const at = performance.now();
    if (this.before) {
      const seconds = (at - this.before.at) / 1000;
      if (seconds > 0.1) this.rate = 0.9 * (this.rate || 0) + 0.1 * Math.max(0, state.notes_sent - this.before.notes) / seconds;
    }
    this.before = { at, notes: state.notes_sent };
    const values = { ...state, rate: this.rate ?? 0 };
    for (const [key, [label, form, plotted]] of Object.entries(HEALTH)) {
      const value = values[key];
      if (value === undefined || value === null) continue;
      const row = this.rows[key] ||= this.row(label, plotted);
      row.text.textContent = form(value);
      if (plotted) this.plot(row, this.past[key] ||= [], value);
    }
    const dropped = Object.entries(state.dropped_by_reason || {}).sort((a, b) => b[1] - a[1]);
    const text = dropped.map(([why, count]) => `${because(why)} ${count.toLocaleString("en")}`).join(" · ");
    if (this.reasons.textContent !== text) this.reasons.textContent = text;
  }

  row(label, plotted) {
    const text = element("dd"), box = element("div", {}, element("dt", {}, label), text);
    const row = { text };
    if (plotted) {
      const make = tag => document.createElementNS("http://www.w3.org/2000/svg", tag), svg = make("svg");
      row.line = make("polyline");
      for (const [name, value] of [["class", "plot"], ["viewBox", "0 0 240 32"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
      svg.append(row.line);
      box.append(svg);
    }
    this.list.append(box);
    return row;
  }

  plot(row, past, value) {
    past.push(value);
    if (past.length > PLOT) past.shift();
    const most = Math.max(...past, 1e-9), least = Math.min(0, ...past);
    row.line.setAttribute("points", past.map((v, i) => `${PLOT - past.length + i},${(30 - 28 * (v - least) / (most - least)).toFixed(1)}`).join(" "));
  }
}

function ports(list) {
  const used = list.filter(one => one.used), others = list.filter(one => !one.used && one.kind !== "builtin");
  const says = one => !one.connected ? (one.direction === "output" ? "is played to" : "is heard")
    : one.connected.length ? (one.direction === "output" ? "plays to " : "hears ") + one.connected.join(", ") : "nobody is connected to it";
  const rows = [...used.map(one => [one.name, says(one)]), ...others.map(one => [one.name, one.direction === "output" ? "could be played to" : "could be heard"])];
  if (!rows.length) rows.push(["No MIDI port is there.", "“Sound here” plays without one"]);
  $("ports").replaceChildren(...rows.map(([name, what], i) =>
    element("li", i < used.length ? {} : { class: "dim" }, element("span", { class: "long" }, name), element("span", {}, what))));
}

function ago(seconds) {
  if (seconds < 90) return "just now";
  if (seconds < 5400) return Math.round(seconds / 60) + " min ago";
  return seconds < 129600 ? Math.round(seconds / 3600) + " h ago" : Math.round(seconds / 86400) + " days ago";
}

async function recordings() {
  const answer = await fetch("/api/v1/recordings", { headers: bearer() }).catch(() => null);
  if (!answer || !answer.ok) return;
  const list = await answer.json();
  if (!list.length) return $("recordings").replaceChildren(element("li", { class: "dim" }, "Nothing is recorded. ", element("code", {}, "perpetuo play --record take.mid"), " records."));
  const asked = document.activeElement?.dataset?.sure;
  if (!asked) $("recordings").replaceChildren(...list.map(recording));
}

function recording(one) {
  const size = one.bytes < 1e6 ? Math.max(1, Math.round(one.bytes / 1000)) + " KB" : (one.bytes / 1e6).toFixed(1) + " MB";
  const fetchIt = element("button", { type: "button", class: "small", "aria-label": "Download " + one.name }, "Download");
  fetchIt.onclick = () => download(one.name);
  const remove = element("button", { type: "button", class: "small", "aria-label": "Delete " + one.name }, "Delete");
  remove.onclick = () => {
    if (remove.dataset.sure) return removeIt(one.name);
    remove.dataset.sure = "1";
    remove.textContent = "Really?";
    setTimeout(() => { delete remove.dataset.sure; remove.textContent = "Delete"; }, 4000);
  };
  return element("li", {}, element("span", { class: "long" }, one.name), element("span", { class: "dim" }, `${ago(one.seconds_ago)}, ${size}`), element("span", { class: "pair" }, fetchIt, remove));
}

async function download(name) {
  const answer = await fetch("/api/v1/recordings/" + encodeURIComponent(name), { headers: bearer() });
  if (!answer.ok) return toast("the recording could not be fetched");
  const url = URL.createObjectURL(await answer.blob());
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function removeIt(name) {
  const answer = await fetch("/api/v1/recordings/" + encodeURIComponent(name), { method: "DELETE", headers: bearer() });
  if (!answer.ok) toast((await answer.json()).error);
  document.activeElement?.blur();
  recordings();
}
