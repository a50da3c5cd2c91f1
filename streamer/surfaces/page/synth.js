"use strict";
// A small synthesiser: what the stream sends is played here, so that nobody needs a synth to hear it.
// Additive tones by groups of General MIDI programs, drums of filtered noise, one short echo.
class Synth {
  constructor(context) {
    this.context = context;
    this.out = context.createGain();
    this.out.gain.value = 0.5;
    const squeeze = context.createDynamicsCompressor();
    this.out.connect(squeeze);
    squeeze.connect(context.destination);
    const room = context.createConvolver();
    room.buffer = this.echo(1.6);
    const wet = context.createGain();
    wet.gain.value = 0.22;
    this.out.connect(room);
    room.connect(wet);
    wet.connect(squeeze);
    this.waves = new Map();
    this.channels = Array.from({ length: 16 }, () => ({ program: 0, volume: 100 / 127, pedal: false }));
    this.voices = new Map();
    this.noise = this.hiss();
  }

  echo(seconds) {
    const rate = this.context.sampleRate, length = Math.round(seconds * rate);
    const buffer = this.context.createBuffer(2, length, rate);
    for (let c = 0; c < 2; c++) {
      const data = buffer.getChannelData(c);
      for (let i = 0; i < length; i++) data[i] = (Math.random() * 2 - 1) * Math.exp(-4.5 * i / length);
    }
    return buffer;
  }

  hiss() {
    const rate = this.context.sampleRate, buffer = this.context.createBuffer(1, rate, rate);
    const data = buffer.getChannelData(0);
    for (let i = 0; i < rate; i++) data[i] = Math.random() * 2 - 1;
    return buffer;
  }

  timbre(program) {
    const held = { 2: 0.5, 5: 0.5, 6: 0.5, 7: 0.55, 8: 0.55, 9: 0.55, 10: 0.5, 11: 0.45, 12: 0.45, 15: 0.45 };
    const group = program >> 3;
    return { held: group in held, level: held[group] || 1, tilt: group === 4 ? 1.5 : group === 1 ? 1.8 : 1.15,
      attack: held[group] ? (group >= 11 ? 0.25 : 0.06) : 0.004, decay: group === 0 ? 2.8 : group === 4 ? 1.5 : 1.2 };
  }

  wave(tilt, bright) {
    const key = tilt + ":" + bright;
    if (!this.waves.has(key)) {
      const size = 16, real = new Float32Array(size), imag = new Float32Array(size);
      for (let n = 1; n < size; n++) imag[n] = n ** -tilt * Math.exp(-(0.8 - 0.12 * bright) * (n - 1) * 0.5);
      this.waves.set(key, this.context.createPeriodicWave(real, imag));
    }
    return this.waves.get(key);
  }

  hear(bytes, when) {
    const kind = bytes[0] & 0xf0, channel = bytes[0] & 0x0f, state = this.channels[channel];
    if (kind === 0x90 && bytes[2] > 0) this.strike(channel, bytes[1], bytes[2], when);
    else if (kind === 0x80 || kind === 0x90) this.release(channel, bytes[1], when);
    else if (kind === 0xc0) state.program = bytes[1];
    else if (kind === 0xb0 && bytes[1] === 7) state.volume = bytes[2] / 127;
    else if (kind === 0xb0 && bytes[1] === 64) {
      state.pedal = bytes[2] >= 64;
      if (!state.pedal) for (const [key, voice] of this.voices) if (key >> 7 === channel && voice.lifted) this.end(key, when);
    } else if (kind === 0xb0 && (bytes[1] === 120 || bytes[1] === 123)) {
      for (const key of [...this.voices.keys()]) if (key >> 7 === channel) this.end(key, when);
    }
  }

  strike(channel, pitch, velocity, when) {
    const key = (channel << 7) | pitch, state = this.channels[channel];
    if (this.voices.has(key)) this.end(key, when);
    if (this.voices.size > 64) this.end(this.voices.keys().next().value, when);
    const loud = 0.32 * state.volume * (velocity / 127) ** 1.7, gain = this.context.createGain();
    if (channel === 9) { this.drum(pitch, loud * 1.6, when); return; }
    const timbre = this.timbre(state.program), tone = this.context.createOscillator();
    tone.setPeriodicWave(this.wave(timbre.tilt, velocity >> 5));
    tone.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(loud * timbre.level, when + timbre.attack);
    if (!timbre.held) gain.gain.setTargetAtTime(0, when + timbre.attack, timbre.decay * 2 ** ((60 - pitch) / 22) / 1.6);
    const place = this.context.createStereoPanner();
    place.pan.value = Math.max(-0.6, Math.min(0.6, (pitch - 64) / 70));
    tone.connect(gain); gain.connect(place); place.connect(this.out);
    tone.start(when);
    tone.onended = () => place.disconnect();
    this.voices.set(key, { tone, gain, lifted: false });
  }

  release(channel, pitch, when) {
    const key = (channel << 7) | pitch, voice = this.voices.get(key);
    if (!voice) return;
    if (this.channels[channel].pedal) voice.lifted = true;
    else this.end(key, when);
  }

  end(key, when) {
    const voice = this.voices.get(key);
    this.voices.delete(key);
    const at = Math.max(when, this.context.currentTime);
    voice.gain.gain.cancelScheduledValues(at);
    voice.gain.gain.setTargetAtTime(0, at, 0.09);
    voice.tone.stop(at + 0.8);
  }

  drum(pitch, loud, when) {
    const gain = this.context.createGain(), low = [35, 36, 41, 43, 45, 47, 48, 50].includes(pitch);
    const ring = low ? 0.28 : [46, 49, 51, 52, 53, 55, 57, 59].includes(pitch) ? 0.7 : 0.12;
    gain.gain.setValueAtTime(loud, when);
    gain.gain.setTargetAtTime(0, when, ring / 3);
    gain.connect(this.out);
    if (low) {
      const tone = this.context.createOscillator(), hz = pitch < 41 ? 52 : 70 * 2 ** ((pitch - 41) / 9);
      tone.frequency.setValueAtTime(hz * 3, when);
      tone.frequency.setTargetAtTime(hz, when, 0.03);
      tone.connect(gain); tone.start(when); tone.stop(when + ring * 2);
    } else {
      const burst = this.context.createBufferSource(), cut = this.context.createBiquadFilter();
      burst.buffer = this.noise;
      cut.type = "highpass"; cut.frequency.value = [37, 38, 39, 40].includes(pitch) ? 900 : 6500;
      burst.connect(cut); cut.connect(gain); burst.start(when, 0, ring * 2 + 0.1);
    }
  }

  silence() {
    for (const key of [...this.voices.keys()]) this.end(key, this.context.currentTime);
  }
}
