// The timeline of a recording: for each voice a waveform, then a row per speaker, or a row per
// emotion and a row with gender and age, over one time axis.
//
// The plot is a slider: click, drag, hover, keys. It can be zoomed, and plays if the player can.

import { element, svg } from './elements.js';
import { capital, clock, percent, ranked, spokenTime, years } from './format.js';
import { brief } from './reasons.js';
import { emotionRow, gapBoxes, genderRow, ticks } from './rows.js';
import { condensed, emotionsOf, segmentAt } from './segments.js';
import { nameField, speakerRow, turnAt } from './turns.js';
import { Waveform } from './waveform.js';

/** Segments that Page Up and Page Down skip. */
const PAGE = 10;
/** Without segments, an arrow key moves by this share of the recording. */
const ARROW_SHARE = 1 / 20;
/** An arrow key goes back to the beginning of the current segment if that is further away than
 * this, seconds. */
const NEAR_S = 0.3;
/** Narrower segments are joined in the drawing, pixels. */
const MIN_SEGMENT_PX = 1.5;
/** Narrower boxes of gender and age are left out, pixels. */
const MIN_BOX_PX = 4;
/** Zoom is offered until a segment is this wide, and the plot no wider than `MAX_PLOT_PX`. */
const WIDE_SEGMENT_PX = 12;
const MAX_PLOT_PX = 32_000;
/** Labels whose probabilities are read out; the line below the plot shows all. */
const SPOKEN_LABELS = 2;

const ICONS = {
  play: 'M8 5.4v13.2c0 .5.6.8 1 .5l9.9-6.6a.6.6 0 0 0 0-1L9 4.9c-.4-.3-1 0-1 .5Z',
  pause: 'M7 5h3.4v14H7zM13.6 5H17v14h-3.4z',
};

/** `voices` are `{name, segments, speakers}`, see `segments.js` and `turns.js`; a name is shown where
 * there are several. `player` has position and playback. `onRename(speaker)` is called when the user
 * has changed a speaker's name. */
export class Timeline {
  #durationS;
  #voices;
  #player;
  #plot;
  #scroller;
  #axis = element('div', { className: 'axis', ariaHidden: 'true' });
  #cursor = element('span', { className: 'cursor' });
  #playhead = element('span', { className: 'playhead' });
  #play = element('button', { type: 'button', className: 'play' });
  #time = element('span', { className: 'timeline-time' });
  #zoomButtons;
  #readout = element('div', { className: 'readout' });
  #zoom = 1;
  #drawnWidth = 0;
  #spokenSecond = -1;
  #unsubscribe;
  #observer = new ResizeObserver(() => this.#draw());
  #onRename;

  constructor(durationS, voices, player, onRename = () => {}) {
    this.#onRename = onRename;
    this.#durationS = durationS;
    this.#player = player;
    this.#voices = voices.map(({ name, segments, speakers = [] }) => ({
      name,
      segments,
      speakers,
      emotions: segments.length > 1 ? emotionsOf(segments) : [],
      hasGenderRow: segments.length > 1 && segments.some(({ gender, age }) => gender || age),
      wave: new Waveform(),
      rows: element('div', { className: 'rows' }),
    }));
    this.#zoomButtons = [this.#zoomButton('−', 'Zoom out', 1 / 2), this.#zoomButton('+', 'Zoom in', 2)];
    this.#plot = this.#slider();
    this.#scroller = element('div', { className: 'timeline-scroll' }, this.#plot);
    this.element = element(
      'div',
      { className: 'timeline' },
      this.#toolbar(),
      element('div', { className: 'timeline-body' }, this.#names(), this.#scroller),
      this.#readout,
    );
    this.#unsubscribe = player.subscribe(() => this.#follow());
    this.#observer.observe(this.#scroller);
    this.#follow();
  }

  #toolbar() {
    this.#play.addEventListener('click', () => this.#player.toggle());
    const zoom = element('span', { className: 'timeline-zoom' }, ...this.#zoomButtons);
    return element('div', { className: 'timeline-toolbar' }, this.#play, this.#time, zoom);
  }

  #zoomButton(textContent, ariaLabel, factor) {
    const button = element('button', { type: 'button', textContent, ariaLabel, title: ariaLabel });
    button.addEventListener('click', () => this.#zoomTo(this.#zoom * factor));
    return button;
  }

  /** Names of voices and rows, left of the plot. */
  #names() {
    const name = (className, textContent) => element('span', { className, textContent, ariaHidden: 'true' });
    const rename = (speaker) => (text) => {
      speaker.name = text;
      this.#describe(this.#player.position);
      this.#onRename(speaker);
    };
    const columns = this.#voices.flatMap((voice) => [
      name('voice-name', this.#voices.length > 1 ? voice.name : ''),
      element(
        'div',
        { className: 'row-names' },
        ...voice.speakers.map((speaker) => nameField(speaker, rename(speaker))),
        ...voice.emotions.map((label) => name('row-name', label)),
        ...(voice.hasGenderRow ? [name('row-name', 'gender, age')] : []),
      ),
    ]);
    return element('div', { className: 'timeline-names' }, ...columns);
  }

  #slider() {
    const plot = element(
      'div',
      { className: 'plot', tabIndex: 0, role: 'slider', ariaLabel: 'Position in the recording' },
      ...this.#voices.flatMap(({ wave, rows }) => [wave.element, rows]),
      this.#axis,
      this.#cursor,
      this.#playhead,
    );
    plot.ariaValueMin = '0';
    plot.ariaValueMax = String(this.#durationS);
    plot.addEventListener('keydown', (event) => this.#key(event));
    plot.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      plot.setPointerCapture(event.pointerId);
      this.#player.seek(this.#positionOf(event));
    });
    plot.addEventListener('pointermove', (event) => this.#hover(event));
    plot.addEventListener('pointerleave', () => this.#leave());
    return plot;
  }

  /** Shows the waveforms: peaks from 0 to 1 for each voice, all on the scale of the loudest; null
   * where they are unknown. */
  showPeaks(peaks) {
    this.element.classList.toggle('has-no-wave', peaks === null);
    const full = Math.max(...(peaks ?? []).map((each) => each.reduce((most, peak) => Math.max(most, peak), 0)));
    peaks?.forEach((each, k) => this.#voices[k].wave.show(each, full));
  }

  dispose() {
    this.#unsubscribe();
    this.#observer.disconnect();
    for (const { wave } of this.#voices) wave.dispose();
  }

  /** Draws rows and axis for the current width and zoom. */
  #draw() {
    const width = this.#scroller.clientWidth * this.#zoom;
    if (!width || width === this.#drawnWidth) return;
    this.#drawnWidth = width;
    this.#axis.replaceChildren(...ticks(this.#durationS, this.#zoom));
    this.#showZoom();
    const minBoxS = (MIN_BOX_PX / width) * this.#durationS;
    const most = Math.floor(width / MIN_SEGMENT_PX);
    for (const voice of this.#voices) this.#drawRows(voice, condensed(voice.segments, most), minBoxS);
  }

  #drawRows({ rows, speakers, emotions, hasGenderRow }, segments, minBoxS) {
    rows.replaceChildren(
      element('div', { className: 'gaps', ariaHidden: 'true' }, ...gapBoxes(segments, this.#durationS)),
      ...speakers.map((speaker) => speakerRow(speaker, this.#durationS)),
      ...emotions.map((label) => emotionRow(label, segments, this.#durationS)),
      ...(hasGenderRow ? [genderRow(segments, this.#durationS, minBoxS)] : []),
    );
    rows.classList.toggle('is-empty', speakers.length === 0 && emotions.length === 0 && !hasGenderRow);
  }

  /** The largest useful zoom, a power of two. */
  #mostZoom() {
    const width = this.#scroller.clientWidth || 1;
    const longest = Math.max(...this.#voices.map(({ segments, speakers }) => segments.length + turnsOf(speakers).length));
    const useful = Math.min((longest * WIDE_SEGMENT_PX) / width, MAX_PLOT_PX / width);
    return 2 ** Math.ceil(Math.log2(Math.max(1, useful)));
  }

  #showZoom() {
    const most = this.#mostZoom();
    const [out, into] = this.#zoomButtons;
    out.parentElement.hidden = most === 1;
    out.disabled = this.#zoom <= 1;
    into.disabled = this.#zoom >= most;
  }

  /** Zooms around the player's position. */
  #zoomTo(zoom) {
    this.#zoom = Math.max(1, Math.min(this.#mostZoom(), zoom));
    this.#plot.style.width = `${100 * this.#zoom}%`;
    this.#plot.classList.toggle('is-zoomed', this.#zoom > 1);
    this.#draw();
    const { clientWidth } = this.#scroller;
    this.#scroller.scrollLeft = this.#share(this.#player.position) * clientWidth * this.#zoom - clientWidth / 2;
  }

  /** Scrolls until a position is visible. */
  #reveal(seconds) {
    const { clientWidth, scrollLeft } = this.#scroller;
    const x = this.#share(seconds) * clientWidth * this.#zoom;
    if (x < scrollLeft || x > scrollLeft + clientWidth) this.#scroller.scrollLeft = x - clientWidth / 10;
  }

  #share(seconds) {
    return this.#durationS > 0 ? Math.min(1, seconds / this.#durationS) : 0;
  }

  #positionOf({ clientX }) {
    const { left, width } = this.#plot.getBoundingClientRect();
    return this.#durationS * Math.max(0, Math.min(1, (clientX - left) / width));
  }

  #hover(event) {
    const position = this.#positionOf(event);
    if (event.buttons & 1 && this.#plot.hasPointerCapture(event.pointerId)) this.#player.seek(position);
    this.#plot.classList.add('is-hovered');
    this.#cursor.style.setProperty('--cursor', this.#share(position));
    this.#describe(position);
  }

  #leave() {
    this.#plot.classList.remove('is-hovered');
    this.#describe(this.#player.position);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = {
      ArrowRight: () => this.#segmentsOn(1),
      ArrowUp: () => this.#segmentsOn(1),
      PageUp: () => this.#segmentsOn(PAGE),
      ArrowLeft: () => this.#segmentsOn(-1),
      ArrowDown: () => this.#segmentsOn(-1),
      PageDown: () => this.#segmentsOn(-PAGE),
      Home: () => 0,
      End: () => this.#durationS,
    };
    if (moves[event.key]) {
      this.#player.seek(moves[event.key]());
      this.#reveal(this.#player.position);
    } else if (event.key === ' ' || event.key === 'Enter') this.#player.toggle();
    else if (event.key === '+' || event.key === '-') this.#zoomTo(this.#zoom * (event.key === '+' ? 2 : 1 / 2));
    else return;
    event.preventDefault();
  }

  /** The position `count` segments on, at the beginning of a segment. */
  #segmentsOn(count) {
    const { position } = this.#player;
    const [{ segments, speakers }] = this.#voices;
    const starts = [...segments, ...turnsOf(speakers)].map(({ start }) => start);
    if (starts.length < 2) {
      return Math.max(0, Math.min(this.#durationS, position + count * this.#durationS * ARROW_SHARE));
    }
    const within = starts.findLastIndex((start) => start <= position + 1e-3);
    const back = count < 0 && position - starts[Math.max(0, within)] > NEAR_S ? 1 : 0;
    const next = within + count + back;
    return next >= starts.length ? this.#durationS : starts[Math.max(0, next)];
  }

  /** Shows the player's position and state. */
  #follow() {
    const { position, isPlaying, isPlayable } = this.#player;
    // On the few elements that use it: set on the plot, it would restyle every box in it, each
    // frame.
    for (const each of [this.#playhead, ...this.#voices.map(({ wave }) => wave.element)])
      each.style.setProperty('--played', this.#share(position));
    if (!isPlaying || Math.floor(position) !== this.#spokenSecond) this.#speak(position);
    if (isPlaying) this.#reveal(position);
    this.#time.textContent = `${clock(position)} / ${clock(this.#durationS)}`;
    this.#play.hidden = !isPlayable;
    if (this.#play.dataset.playing !== String(isPlaying)) {
      this.#play.dataset.playing = String(isPlaying);
      this.#play.ariaLabel = isPlaying ? 'Pause' : 'Play';
      const path = svg('path', { d: ICONS[isPlaying ? 'pause' : 'play'] });
      this.#play.replaceChildren(svg('svg', { class: 'play-icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, path));
    }
    if (!this.#plot.classList.contains('is-hovered')) this.#describe(position);
  }

  /** Updates the slider's text for screen readers, at most once a second while it plays. */
  #speak(position) {
    this.#spokenSecond = Math.floor(position);
    const texts = this.#voices.flatMap((voice) => {
      const segment = segmentAt(voice.segments, position);
      return [
        ...(segment ? [this.#named(voice, textOf(segment, SPOKEN_LABELS))] : []),
        ...speakingAt(voice, position).map(({ name, turn }) => `${name}: ${textOf(turn, SPOKEN_LABELS)}`),
      ];
    });
    this.#plot.ariaValueNow = position.toFixed(2);
    this.#plot.ariaValueText = [spokenTime(position), ...texts].join('. ');
  }

  #named({ name }, text) {
    return this.#voices.length > 1 ? `${name}: ${text}` : text;
  }

  /** Writes the numbers at a position below the plot. */
  #describe(position) {
    const lines = this.#voices.flatMap((voice) => {
      const { segments } = voice;
      const segment = segmentAt(segments, position) ?? (position > 0 ? segments.at(-1) : undefined);
      return [
        ...(segment ? [{ segment, text: this.#named(voice, textOf(segment)) }] : []),
        ...speakingAt(voice, position).map(({ name, turn }) => ({ segment: turn, text: `${name}: ${textOf(turn)}` })),
      ];
    });
    this.#readout.replaceChildren();
    if (lines.length === 0) return;
    const [{ segment }] = lines;
    const digits = segment.end - segment.start < 10 && this.#durationS < 60 ? 1 : 0;
    this.#readout.append(
      element('span', {
        className: 'readout-time',
        textContent: `${clock(segment.start, digits)} – ${clock(segment.end, digits)}`,
      }),
      ...lines.map(({ text }) => element('span', { className: 'readout-voice', textContent: text })),
    );
  }
}

/** The speakers who speak at a position, `[{name, turn}]`. */
function speakingAt({ speakers }, position) {
  return speakers.flatMap((speaker) => {
    const turn = turnAt(speaker, position);
    return turn ? [{ name: speaker.name, turn }] : [];
  });
}

/** The turns of all speakers, by time. */
function turnsOf(speakers) {
  return speakers.flatMap(({ turns }) => turns).sort((a, b) => a.start - b.start);
}

/** A segment as text, with at most `labels` emotions: `Happiness 92.5 %, anger 5.4 %; male; 32
 * years`. */
function textOf({ emotion, gender, age, speech, noAnswer, overlap }, labels = Infinity) {
  if (noAnswer) return `No prediction: ${brief(noAnswer)}`;
  const parts = [];
  const shown = (classification, count) =>
    ranked(classification)
      .slice(0, count)
      .map(([label, share]) => `${label} ${percent(share)}`)
      .join(', ');
  if (emotion) parts.push(capital(shown(emotion, labels)));
  if (gender) parts.push(labels === Infinity ? shown(gender, 1) : gender.label);
  if (age) parts.push(`${years(age.years)} years`);
  if (parts.length === 0) return 'Confidence too low';
  if (labels === Infinity && overlap > 0) parts.push(`${overlap.toFixed(1)} s of it with somebody else`);
  else if (labels === Infinity && overlap === undefined && typeof speech === 'number') parts.push(`speech ${Math.round(100 * speech)}\u00a0%`);
  return parts.join('; ');
}
