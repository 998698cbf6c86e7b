// An opened report: heads, timeline, table, warnings, facts, downloads; with separate channels, one
// channel at a time.

import { loudest, peaksOf } from './decode.js';
import { fromTemplate, icon } from './dom.js';
import { save } from './downloads.js';
import { element } from './elements.js';
import { clock, duration, percent, ranked, years } from './format.js';
import { showHeads } from './heads.js';
import { Player } from './player.js';
import { brief, explain } from './reasons.js';
import { segmentsOf } from './segments.js';
import { Timeline } from './timeline.js';

let count = 0;

/** Fills `panel` with the report of `reply` on `file`. */
export class ReportView {
  #panel;
  #report;
  #segments = [];
  #address;
  #player;
  #timeline = null;
  #peaks;

  constructor(panel, file, reply) {
    this.#panel = panel;
    this.#report = reply.report;
    this.#address = URL.createObjectURL(file);
    this.#player = new Player(new Audio(this.#address), reply.report.duration_s);
    this.#peaks = peaksOf(file, reply.report.duration_s);
    panel.append(fromTemplate('report-template'));
    this.#addChannels();
    this.#showRecording();
    this.#find('.download-json').addEventListener('click', () => save('json', file, reply));
    this.#find('.download-csv').addEventListener('click', () => save('csv', file, reply));
    this.#find('.segments').addEventListener('toggle', () => this.#fillTable());
    this.#show(this.#report.per_channel?.[0] ?? this.#report);
  }

  #find(selector) {
    return this.#panel.querySelector(selector);
  }

  #addChannels() {
    const channels = this.#report.per_channel ?? [];
    const fieldset = this.#find('.channels');
    fieldset.hidden = channels.length < 2;
    const group = `channel-${++count}`;
    channels.forEach((voice, k) => {
      const choice = element('input', { type: 'radio', name: group, checked: k === 0 });
      choice.addEventListener('change', () => this.#show(voice));
      fieldset.append(element('label', {}, choice, element('span', { textContent: `Channel ${voice.channel}` })));
    });
  }

  /** Shows what applies to the whole recording, whichever channel is selected. */
  #showRecording() {
    const { warnings = [], model, model_sha256: sum, timings_ms: timings } = this.#report;
    this.#find('.warnings').replaceChildren(
      ...warnings.map((text) => element('li', {}, icon('warning'), element('span', { textContent: text }))),
    );
    this.#find('.warnings').hidden = warnings.length === 0;
    const name = element('button', { type: 'button', className: 'link', textContent: model, title: `SHA-256 ${sum}` });
    name.dataset.about = model;
    const time = timings ? ` in ${processingTime(timings.total)}` : '';
    this.#find('.predicted-by').replaceChildren('Predicted by ', name, `${time}. An estimate, not a finding.`);
  }

  /** Shows one voice: the whole recording, or one of its channels. */
  #show(voice) {
    this.#segments = segmentsOf(voice);
    this.#showReason(voice.no_answer);
    showHeads(this.#find('.heads'), voice);
    this.#showTimeline(voice.channel);
    this.#find('.facts').replaceChildren(...facts(this.#report, voice));
    this.#find('.segments').hidden = this.#segments.length < 2;
    this.#fillTable();
  }

  #showReason(noAnswer) {
    this.#find('.no-prediction').hidden = !noAnswer;
    const [reason, advice] = noAnswer ? explain(noAnswer) : ['', ''];
    this.#find('.no-prediction-reason').textContent = reason;
    this.#find('.no-prediction-advice').textContent = advice;
  }

  /** `channel` is counted from 1; undefined is the mean of all. */
  #showTimeline(channel) {
    this.#timeline?.dispose();
    const voices = [{ name: channel ? `Channel ${channel}` : '', segments: this.#segments }];
    const timeline = new Timeline(this.#report.duration_s, voices, this.#player);
    this.#timeline = timeline;
    this.#find('.timeline').replaceWith(timeline.element);
    this.#peaks.then((channels) => {
      timeline.showPeaks(channels && [(channel && channels[channel - 1]) || loudest(channels)]);
    });
  }

  #fillTable() {
    const details = this.#find('.segments');
    if (details.open) details.querySelector('.segments-scroll').replaceChildren(table(this.#segments));
  }

  pause() {
    this.#player.pause();
  }

  dispose() {
    this.#timeline?.dispose();
    this.#player.dispose();
    URL.revokeObjectURL(this.#address);
  }
}

/** Measurements of the recording, as pairs of a description list. */
function facts(report, voice) {
  const { input } = voice;
  const pairs = [
    ['Length', duration(report.duration_s)],
    ['Speech', voice.speech_s === null || voice.speech_s === undefined ? null : duration(voice.speech_s)],
    ['Sample rate', `${report.sample_rate_hz / 1000} kHz`],
    ['Channels', String(report.channels)],
    ['Bandwidth', typeof input?.bandwidth_hz === 'number' ? `${(input.bandwidth_hz / 1000).toFixed(1)} kHz` : null],
    ['Signal to noise', typeof input?.snr_db === 'number' ? `${input.snr_db.toFixed(0)} dB` : null],
    ['Clipped', input?.clipped_share ? percent(input.clipped_share) : null],
  ];
  return pairs
    .filter(([, value]) => value !== null)
    .map(([name, value]) => element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value })));
}

/** Milliseconds as `281 ms`, `5.1 s`. */
function processingTime(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : duration(milliseconds / 1000);
}

/** The segments as a table. */
function table(segments) {
  const cells = (tag, texts) => texts.map((textContent) => element(tag, { textContent }));
  const head = cells('th', ['From', 'To', 'Emotion', 'Probability', 'Gender', 'Age']);
  head.forEach((cell) => (cell.scope = 'col'));
  const rows = segments.map(({ start, end, emotion, gender, age, noAnswer }) => {
    const best = emotion && ranked(emotion)[0];
    return element(
      'tr',
      {},
      ...cells('td', [
        clock(start, 1),
        clock(end, 1),
        best ? best[0] : noAnswer ? `no prediction: ${brief(noAnswer)}` : '–',
        best ? percent(best[1]) : '–',
        gender?.label ?? '–',
        age ? String(years(age.years)) : '–',
      ]),
    );
  });
  return element(
    'table',
    {},
    element('caption', { className: 'unseen', textContent: 'Predictions over time' }),
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...rows),
  );
}
