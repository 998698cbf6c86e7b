// An opened report: heads, timeline, table, warnings, facts, downloads; with separate channels or
// speakers, one of them at a time.

import { loudest, peaksOf } from './decode.js';
import { fromTemplate, icon } from './dom.js';
import { save, saveText, stem } from './downloads.js';
import { element } from './elements.js';
import { clock, duration, percent, ranked, years } from './format.js';
import { showHeads } from './heads.js';
import { Player } from './player.js';
import { brief, explain } from './reasons.js';
import { segmentsOf } from './segments.js';
import { Timeline } from './timeline.js';
import { defaultName, rttm, speakerOf } from './turns.js';

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
  /** The speakers of the report, with the names that the user gave them; empty without any. */
  #speakers;
  /** Texts of the choices of speakers, in their order. */
  #choices = [];

  constructor(panel, file, reply) {
    this.#panel = panel;
    this.#report = reply.report;
    this.#address = URL.createObjectURL(file);
    this.#player = new Player(new Audio(this.#address), reply.report.duration_s);
    this.#peaks = peaksOf(file, reply.report.duration_s);
    this.#speakers = (reply.report.speakers ?? []).map((voice) => ({ ...speakerOf(voice), channel: voice.channel }));
    panel.append(fromTemplate('report-template'));
    this.#addChannels();
    this.#addSpeakers();
    this.#showRecording();
    this.#find('.download-json').addEventListener('click', () => save('json', file, this.#named(reply)));
    this.#find('.download-csv').addEventListener('click', () => save('csv', file, this.#named(reply)));
    this.#find('.download-rttm').hidden = this.#speakers.length === 0;
    this.#find('.download-rttm').addEventListener('click', () => {
      saveText(rttm(stem(file.name), this.#speakers), 'rttm', file.name);
    });
    this.#find('.segments').addEventListener('toggle', () => this.#fillTable());
    this.#show(this.#report.speakers?.[0] ?? this.#report.per_channel?.[0] ?? this.#report);
    if (this.#speakers.length) this.#showTurns();
  }

  /** The reply with the names that the user gave to speakers. */
  #named(reply) {
    if (this.#speakers.every(({ number, name }) => name === defaultName(number))) return reply;
    const speakers = reply.report.speakers.map((voice, k) => ({ name: this.#speakers[k].name, ...voice }));
    const report = { ...reply.report, speakers };
    return { report, text: JSON.stringify(report) };
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

  #addSpeakers() {
    const voices = this.#report.speakers ?? [];
    const fieldset = this.#find('.channels');
    if (voices.length) fieldset.hidden = voices.length < 2;
    const group = `channel-${++count}`;
    voices.forEach((voice, k) => {
      const choice = element('input', { type: 'radio', name: group, checked: k === 0 });
      choice.addEventListener('change', () => this.#show(voice));
      const text = element('span', { textContent: this.#speakers[k].name });
      this.#choices.push(text);
      fieldset.append(element('label', {}, choice, text));
    });
    fieldset.querySelector('legend').textContent = voices.length ? 'Speaker' : 'Channel';
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
    const speaker = this.#speakers.find(({ number }) => number === voice.speaker);
    this.#segments = speaker?.turns ?? segmentsOf(voice);
    this.#showReason(voice.no_answer);
    showHeads(this.#find('.heads'), voice);
    if (!speaker) this.#showTimeline(voice.channel);
    this.#find('.facts').replaceChildren(...facts(this.#report, voice));
    this.#find('.segments').hidden = this.#segments.length < (speaker ? 1 : 2);
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
    this.#place(new Timeline(this.#report.duration_s, voices, this.#player), [channel]);
  }

  /** The turns of all speakers, below the waveform of their channel. */
  #showTurns() {
    const channels = [...new Set(this.#speakers.map(({ channel }) => channel))];
    const voices = channels.map((channel) => ({
      name: channel ? `Channel ${channel}` : '',
      segments: [],
      speakers: this.#speakers.filter((speaker) => speaker.channel === channel),
    }));
    const rename = ({ number, name }) => (this.#choices[this.#speakers.findIndex((each) => each.number === number)].textContent = name);
    this.#place(new Timeline(this.#report.duration_s, voices, this.#player, rename), channels);
  }

  #place(timeline, channels) {
    this.#timeline = timeline;
    this.#find('.timeline').replaceWith(timeline.element);
    this.#peaks.then((found) => {
      timeline.showPeaks(found && channels.map((channel) => (channel && found[channel - 1]) || loudest(found)));
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
