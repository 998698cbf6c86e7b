// The waveform of one signal, as bars around a middle line.

import { svg } from './elements.js';

/** Distance from bar to bar, and width of a bar, pixels. */
const [PITCH, BAR] = [3, 2];
/** The least peak that fills the height, so that digital silence is not magnified. */
const MIN_PEAK = 1e-4;

/** The largest value in each of `points` equal parts of `samples`, of their magnitudes. */
export function peaks(samples, points) {
  const found = new Float32Array(points);
  for (let k = 0; k < points; k++) {
    const start = Math.floor((k * samples.length) / points);
    const end = Math.max(start + 1, Math.floor(((k + 1) * samples.length) / points));
    for (let n = start; n < end; n++) found[k] = Math.max(found[k], Math.abs(samples[n] ?? 0));
  }
  return found;
}

/** A drawing that follows the size of its element. The part that was played is drawn over the rest.
 * */
export class Waveform {
  #paths = [svg('path', { class: 'wave-rest' }), svg('path', { class: 'wave-played' })];
  #peaks = null;
  #full = MIN_PEAK;
  #observer = new ResizeObserver(() => this.#draw());

  constructor() {
    this.element = svg('svg', { class: 'wave', 'aria-hidden': 'true', preserveAspectRatio: 'none' }, ...this.#paths);
    this.#observer.observe(this.element);
  }

  /** Shows peaks from 0 to 1; `full` is the peak that fills the height. */
  show(found, full) {
    this.#peaks = found;
    this.#full = Math.max(full, MIN_PEAK);
    this.#draw();
  }

  dispose() {
    this.#observer.disconnect();
  }

  #draw() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !this.#peaks) return;
    this.element.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const path = bars(this.#peaks, this.#full, width, height);
    for (const each of this.#paths) each.setAttribute('d', path);
  }
}

/** One path for all bars; the quietest are dots. */
function bars(found, full, width, height) {
  const count = Math.max(1, Math.floor(width / PITCH));
  const path = Array.from(peaks(found, count), (peak, k) => {
    const length = Math.max(BAR, Math.min(1, peak / full) * height);
    const [x, y] = [(k + 0.5) * (width / count) - BAR / 2, (height - length) / 2];
    return `M${x.toFixed(1)} ${y.toFixed(1)}h${BAR}v${length.toFixed(1)}h-${BAR}z`;
  });
  return path.join('');
}
