// Waveform and lanes over one time axis, which is a slider: click, drag, hover or keys, and play.

import { element, icon } from './dom.js';
import { capital, clock, percent, ranked, spokenTime, years } from './format.js';
import { gaps, lanesOf, ticks } from './lanes.js';
import { brief } from './reasons.js';
import { loudest, Waveform } from './waveform.js';
import { stretchAt, stretchesOf } from './stretches.js';

/** Stretches that Page Up and Page Down pass over. */
const PAGE = 10;
/** Without stretches, an arrow moves by this share of the recording. */
const SHARE_OF_ARROW = 1 / 20;
/** An arrow back goes to the beginning of the same stretch if it is further away than this. */
const NEAR_S = 0.3;

/** The chart of one answer. `player` plays; `readout` is the line under the chart that says what is heard at a place. */
export class Chart {
  #answer;
  #stretches;
  #player;
  #readout;
  #plot;
  #wave = new Waveform();
  #play = element('button', { type: 'button', className: 'play' });
  #time = element('span', { className: 'chart-time' });
  #forget;
  #spoken = -1;

  constructor(answer, player, readout) {
    this.#answer = answer;
    this.#stretches = stretchesOf(answer);
    this.#player = player;
    this.#readout = readout;
    const lanes = lanesOf(answer) ?? [];
    this.#plot = this.#slider(lanes);
    this.element = element('div', { className: 'chart' }, this.#side(lanes), this.#plot);
    this.#forget = player.listen(() => this.#follow());
    this.#follow();
  }

  #slider(lanes) {
    const hatched = element('div', { className: 'gaps', ariaHidden: 'true' }, ...gaps(this.#answer));
    const plot = element(
      'div',
      { className: 'plot', tabIndex: 0, role: 'slider', ariaLabel: 'Place in the recording' },
      this.#wave.element,
      element('div', { className: 'lanes' }, hatched, ...lanes.map((lane) => lane.element)),
      element('div', { className: 'axis', ariaHidden: 'true' }, ...ticks(this.#answer.duration_s)),
      element('span', { className: 'cursor' }),
      element('span', { className: 'playhead' }),
    );
    plot.classList.toggle('has-lanes', lanes.length > 0);
    plot.ariaValueMin = '0';
    plot.ariaValueMax = String(this.#answer.duration_s);
    plot.addEventListener('keydown', (event) => this.#key(event));
    plot.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      plot.setPointerCapture(event.pointerId);
      this.#player.seek(this.#placeOf(event));
    });
    plot.addEventListener('pointermove', (event) => this.#hover(event));
    plot.addEventListener('pointerleave', () => this.#leave());
    return plot;
  }

  #side(lanes) {
    this.#play.addEventListener('click', () => this.#player.toggle());
    const names = lanes.map(({ name }) => element('span', { className: 'lane-name', textContent: name }));
    return element(
      'div',
      { className: 'chart-side' },
      element('div', { className: 'transport' }, this.#play, this.#time),
      element('div', { className: 'lane-names', ariaHidden: 'true' }, ...names),
    );
  }

  /** Draws the waveform of the channel that is answered, or of all. */
  showPeaks(channels) {
    const own = this.#answer.channel ? channels[this.#answer.channel - 1] : null;
    this.#wave.show(own ?? loudest(channels));
  }

  dispose() {
    this.#forget();
    this.#wave.dispose();
  }

  #placeOf({ clientX }) {
    const { left, width } = this.#plot.getBoundingClientRect();
    return this.#answer.duration_s * Math.max(0, Math.min(1, (clientX - left) / width));
  }

  #hover(event) {
    const place = this.#placeOf(event);
    if (event.buttons & 1 && this.#plot.hasPointerCapture(event.pointerId)) this.#player.seek(place);
    this.#plot.classList.add('is-hovered');
    this.#plot.style.setProperty('--cursor', place / this.#answer.duration_s);
    this.#tell(place);
  }

  #leave() {
    this.#plot.classList.remove('is-hovered');
    this.#tell(this.#player.position);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = {
      ArrowRight: () => this.#stretchesOn(1),
      ArrowUp: () => this.#stretchesOn(1),
      PageUp: () => this.#stretchesOn(PAGE),
      ArrowLeft: () => this.#stretchesOn(-1),
      ArrowDown: () => this.#stretchesOn(-1),
      PageDown: () => this.#stretchesOn(-PAGE),
      Home: () => 0,
      End: () => this.#answer.duration_s,
    };
    if (moves[event.key]) this.#player.seek(moves[event.key]());
    else if (event.key === ' ' || event.key === 'Enter') this.#player.toggle();
    else return;
    event.preventDefault();
  }

  /** The place so many stretches on, at a stretch's beginning. */
  #stretchesOn(count) {
    const { position } = this.#player;
    const total = this.#answer.duration_s;
    const starts = this.#stretches.map(({ start }) => start);
    if (starts.length < 2) return Math.max(0, Math.min(total, position + count * total * SHARE_OF_ARROW));
    const within = starts.findLastIndex((start) => start <= position + 1e-3);
    const back = count < 0 && position - starts[Math.max(0, within)] > NEAR_S ? 1 : 0;
    const next = within + count + back;
    return next >= starts.length ? total : starts[Math.max(0, next)];
  }

  /** Shows where the player is. */
  #follow() {
    const { position, isPlaying, isPlayable } = this.#player;
    const total = this.#answer.duration_s;
    this.#plot.style.setProperty('--played', Math.min(1, position / total));
    if (!isPlaying || Math.floor(position) !== this.#spoken) this.#speak(position);
    this.#time.textContent = `${clock(position)} / ${clock(total)}`;
    this.#play.hidden = !isPlayable;
    if (this.#play.dataset.playing !== String(isPlaying)) {
      this.#play.dataset.playing = String(isPlaying);
      this.#play.ariaLabel = isPlaying ? 'Pause' : 'Play';
      this.#play.replaceChildren(icon(isPlaying ? 'pause' : 'play'));
    }
    if (!this.#plot.classList.contains('is-hovered')) this.#tell(position);
  }

  /** For people who listen, at most once a second. */
  #speak(position) {
    this.#spoken = Math.floor(position);
    const within = stretchAt(this.#stretches, position);
    this.#plot.ariaValueNow = position.toFixed(2);
    this.#plot.ariaValueText = within ? `${spokenTime(position)}. ${wordsOf(within)}` : spokenTime(position);
  }

  #tell(place) {
    const within = stretchAt(this.#stretches, place) ?? (place > 0 ? this.#stretches.at(-1) : undefined);
    this.#readout.replaceChildren();
    if (!within) return;
    const digits = this.#answer.duration_s < 60 ? 1 : 0;
    this.#readout.append(
      element('span', {
        className: 'readout-time',
        textContent: `${clock(within.start, digits)} – ${clock(within.end, digits)}`,
      }),
      wordsOf(within),
    );
  }
}

/** What is answered in a stretch: `Happiness 92.5 %, anger 5.4 %; male; 32 years`. */
function wordsOf({ emotion, gender, age, noAnswer }) {
  if (noAnswer) return `No answer: ${brief(noAnswer)}`;
  const words = [];
  if (emotion)
    words.push(
      capital(
        ranked(emotion)
          .slice(0, 2)
          .map(([name, share]) => `${name} ${percent(share)}`)
          .join(', '),
      ),
    );
  if (gender) words.push(gender.label);
  if (age) words.push(`${years(age.years)} years`);
  return words.join('; ') || 'Nothing sure enough';
}
