// The shape of a recording, as far as the browser can decode it.

import { svg } from './dom.js';

/** Enough for a picture, and 60 times less memory than 48 kHz stereo as floats wants. The least rate that every browser offers. */
const SAMPLE_RATE = 8000;
/** What is longer or larger is not decoded here: 2 h are 230 MB a channel at that rate. */
const LONGEST_S = 7200;
const LARGEST_BYTES = 400e6;
/** Peaks that are kept of a recording. */
const POINTS = 2048;
/** Pixels from bar to bar, and how wide a bar is. */
const [PITCH, BAR] = [3, 2];

/** The peaks of each channel, each `POINTS` values from 0 to 1; nothing where the browser knows no way. */
export async function peaksOf(file, durationS) {
  if (durationS > LONGEST_S || file.size > LARGEST_BYTES) return null;
  try {
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    return Array.from({ length: decoded.numberOfChannels }, (_, k) => peaks(decoded.getChannelData(k)));
  } catch {
    return null;
  }
}

/** The largest magnitude in each of `POINTS` equal parts. */
export function peaks(samples, points = POINTS) {
  const found = new Float32Array(points);
  for (let k = 0; k < points; k++) {
    const end = Math.floor(((k + 1) * samples.length) / points);
    for (let n = Math.floor((k * samples.length) / points); n < end; n++) found[k] = Math.max(found[k], Math.abs(samples[n]));
  }
  return found;
}

/** The larger of several channels at each point. */
export function loudest(channels) {
  return channels[0].map((_, k) => Math.max(...channels.map((channel) => channel[k])));
}

/** A drawing that fits its place at every width; what has been played lies over the rest. */
export class Waveform {
  #paths = [svg('path', { class: 'wave-rest' }), svg('path', { class: 'wave-played' })];
  #peaks = null;
  #observer = new ResizeObserver(() => this.#draw());

  constructor() {
    this.element = svg('svg', { class: 'wave', 'aria-hidden': 'true' }, ...this.#paths);
    this.#observer.observe(this.element);
  }

  show(found) {
    this.#peaks = found;
    this.#draw();
  }

  dispose() {
    this.#observer.disconnect();
  }

  #draw() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !this.#peaks) return;
    this.element.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const path = bars(this.#peaks, width, height);
    for (const each of this.#paths) each.setAttribute('d', path);
  }
}

/** Bars around the middle line, the loudest as high as the drawing, the quietest a dot. */
function bars(found, width, height) {
  const count = Math.max(1, Math.floor(width / PITCH));
  const heights = peaks(found, count);
  const loud = Math.max(...heights, 1e-4);
  const path = Array.from(heights, (peak, k) => {
    const length = Math.max(BAR, (peak / loud) * height);
    return `M${((k + 0.5) * (width / count) - BAR / 2).toFixed(1)} ${((height - length) / 2).toFixed(1)}h${BAR}v${length.toFixed(1)}h-${BAR}z`;
  });
  return path.join('');
}
