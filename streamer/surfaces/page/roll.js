"use strict";
// The running piano roll: ten seconds past to the left of the line, what is written ahead to the right.
class Roll {
  constructor(canvas) {
    this.canvas = canvas;
    this.notes = []; this.ghosts = [];
    this.at = 0; this.rate = 0; this.when = performance.now();
    this.low = 36; this.high = 84;
    this.past = 10000; this.ahead = 12000;
    new ResizeObserver(() => this.fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.fit());
    this.fit();
  }

  fit() {
    const scale = Math.min(devicePixelRatio || 1, 2), box = this.canvas.getBoundingClientRect();
    this.width = box.width; this.height = box.height;
    this.canvas.width = Math.round(box.width * scale); this.canvas.height = Math.round(box.height * scale);
    this.paint = this.canvas.getContext("2d", { alpha: false });
    this.paint.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.documentElement), get = name => style.getPropertyValue(name).trim();
    this.colours = { card: get("--card"), line: get("--line"), text: get("--dim"), accent: get("--accent"), cool: get("--cool") };
    this.light = matchMedia("(prefers-color-scheme: light)").matches;
  }

  // What comes takes the place of what was written from there on: it was drawn again.
  add(rows) {
    const from = Math.min(...rows.map(row => row[0]));
    this.notes = this.notes.filter(note => note[0] < from);
    this.ghosts = this.ghosts.filter(ghost => ghost.from < from);
    for (const row of rows) this.notes.push(row);
    if (this.notes.length > 4000) this.notes.splice(0, this.notes.length - 3000);
    return from;
  }

  // Phrases that were drawn and dropped, pale, where they would have been heard.
  drop(phrases) {
    for (const [reason, notes] of phrases) {
      // What is set aside by design is no fault, and half of all there is.
      if (notes.length && reason !== "astray") this.ghosts.push({ reason, notes, from: notes[0][0], until: Math.max(...notes.map(n => n[0] + n[1])) });
    }
    if (this.ghosts.length > 40) this.ghosts.splice(0, this.ghosts.length - 40);
  }

  ghostAt(x, y) {
    const span = this.past + this.ahead, at = this.now() - this.past + x / this.width * span, slack = span / this.width * 8;
    const pitch = this.low - 0.5 + (this.height - y) / this.height * (this.high - this.low + 1);
    const found = this.ghosts.find(g => g.notes.some(n => at > n[0] - slack && at < n[0] + n[1] + slack && Math.abs(n[2] - pitch) < 1.5));
    return found ? found.reason : "";
  }

  clear() { this.notes = []; this.ghosts = []; }

  tell(ms, rate) { this.at = ms; this.rate = rate; this.when = performance.now(); }

  now() { return this.at + (performance.now() - this.when) * this.rate; }

  draw() {
    const now = this.now(), p = this.paint, w = this.width, h = this.height, from = now - this.past;
    while (this.notes.length && this.notes[0][0] + this.notes[0][1] < from - 8000) this.notes.shift();
    while (this.ghosts.length && this.ghosts[0].until < from) this.ghosts.shift();
    const span = this.past + this.ahead, line = w * this.past / span;
    let low = 60, high = 67;
    const seen = [];
    for (const note of this.notes) {
      if (note[0] > now + this.ahead || note[0] + note[1] < from) continue;
      seen.push(note);
      if (note[2] < low) low = note[2];
      if (note[2] > high) high = note[2];
    }
    this.low += (low - 3 - this.low) * 0.06; this.high += (high + 3 - this.high) * 0.06;
    const step = h / (this.high - this.low + 1), thick = Math.max(2, Math.min(step * 0.8, 12));
    p.fillStyle = this.colours.card; p.fillRect(0, 0, w, h);
    p.fillStyle = this.colours.line; p.font = "11px system-ui, sans-serif";
    for (let c = Math.ceil(this.low / 12) * 12; c <= this.high; c += 12) {
      const y = h - (c - this.low + 0.5) * step;
      p.globalAlpha = 0.6; p.fillRect(0, y, w, 1); p.globalAlpha = 1;
      p.fillStyle = this.colours.text; if (y > 14) p.fillText("C" + (c / 12 - 1), 6, y - 3); p.fillStyle = this.colours.line;
    }
    p.fillStyle = this.colours.text; p.globalAlpha = this.light ? 0.11 : 0.13;
    for (const ghost of this.ghosts) {
      if (ghost.from > now + this.ahead) continue;
      for (const [onset, length, pitch] of ghost.notes) {
        const y = h - (pitch - this.low + 0.5) * step - thick / 2;
        p.fillRect((onset - from) / span * w, y + thick / 4, Math.max(2, length / span * w - 1), thick / 2);
      }
    }
    this.pedal(seen, from, span);
    for (const [onset, length, pitch, velocity, channel] of seen) {
      const x = (onset - from) / span * w, wide = Math.max(2, length / span * w - 1);
      const y = h - (pitch - this.low + 0.5) * step - thick / 2, sounds = onset <= now && onset + length > now;
      const hue = channel === 9 ? 210 : (32 + channel * 67) % 360, force = velocity / 127;
      p.globalAlpha = sounds ? 1 : onset > now ? 0.55 : 0.35 + 0.5 * force;
      p.fillStyle = `hsl(${hue} ${sounds ? 95 : 70}% ${this.light ? 52 - 22 * force : 38 + 30 * force}%)`;
      p.beginPath(); p.roundRect(x, y, channel === 9 ? Math.min(wide, 4) : wide, thick, Math.min(3, thick / 2)); p.fill();
    }
    p.globalAlpha = 1; p.fillStyle = this.colours.accent; p.fillRect(line, 0, 2, h);
  }

  // A line along the foot while the pedal is down, from each note that has it to the next.
  pedal(seen, from, span) {
    const p = this.paint, w = this.width;
    p.globalAlpha = 0.7; p.fillStyle = this.colours.cool;
    for (let i = 0; i < seen.length; i++) {
      if (!seen[i][5]) continue;
      const next = i + 1 < seen.length ? seen[i + 1][0] : seen[i][0] + seen[i][1];
      p.fillRect((seen[i][0] - from) / span * w, this.height - 4, Math.max(1, (next - seen[i][0]) / span * w), 3);
    }
  }
}
