// An answer, opened: heads, chart, table, warnings, facts, downloads; with channels apart, one channel at a time.

import { Chart } from './chart.js';
import { element, fromTemplate, icon } from './dom.js';
import { save } from './downloads.js';
import { clock, duration, milliseconds, percent, ranked, years } from './format.js';
import { showHeads } from './heads.js';
import { Player } from './player.js';
import { brief, explain } from './reasons.js';
import { peaksOf } from './waveform.js';
import { stretchesOf } from './stretches.js';

let count = 0;

/** Fills `panel` with the answer of `reply` to `file`. */
export class Answer {
  #panel;
  #report;
  #answer;
  #player;
  #chart = null;
  #peaks;

  constructor(panel, file, reply) {
    this.#panel = panel;
    this.#report = reply.report;
    this.#player = new Player(file, reply.report.duration_s);
    this.#peaks = peaksOf(file, reply.report.duration_s);
    panel.append(fromTemplate('answer-template'));
    this.#offerChannels();
    this.#showWhole();
    this.#find('.download-json').addEventListener('click', () => save('json', file, reply));
    this.#find('.download-csv').addEventListener('click', () => save('csv', file, reply));
    this.#find('.stretches').addEventListener('toggle', () => this.#fillTable());
    this.#show(this.#report.per_channel?.[0] ?? this.#report);
  }

  #find(selector) {
    return this.#panel.querySelector(selector);
  }

  #offerChannels() {
    const channels = this.#report.per_channel ?? [];
    const place = this.#find('.channels');
    place.hidden = channels.length < 2;
    const group = `channel-${++count}`;
    channels.forEach((each, k) => {
      const choice = element('input', { type: 'radio', name: group, checked: k === 0 });
      choice.addEventListener('change', () => this.#show(each));
      place.append(element('label', {}, choice, element('span', { textContent: `Channel ${each.channel}` })));
    });
  }

  /** What holds for the file, whatever channel is looked at. */
  #showWhole() {
    const { warnings = [], model, model_sha256: sum, timings_ms: timings } = this.#report;
    this.#find('.warnings').replaceChildren(
      ...warnings.map((text) => element('li', {}, icon('warning'), element('span', { textContent: text }))),
    );
    this.#find('.warnings').hidden = warnings.length === 0;
    const by = element('button', { type: 'button', className: 'link', textContent: model, title: `SHA-256 ${sum}` });
    by.dataset.about = model;
    const took = timings ? ` in ${milliseconds(timings.total)}` : '';
    this.#find('.answered-by').replaceChildren('Answered by ', by, `${took}. An estimate, not a finding.`);
  }

  /** Shows one answer: the file's, or a channel's, whose place and length are the file's. */
  #show(part) {
    const answer = { ...part, duration_s: this.#report.duration_s };
    this.#answer = answer;
    this.#showNoAnswer(answer.no_answer);
    showHeads(this.#find('.heads'), answer);
    this.#showChart(answer);
    this.#find('.facts').replaceChildren(...facts(this.#report, answer));
    this.#find('.stretches').hidden = stretchesOf(answer).length < 2;
    this.#fillTable();
  }

  #showNoAnswer(noAnswer) {
    this.#find('.no-answer').hidden = !noAnswer;
    const [reason, advice] = noAnswer ? explain(noAnswer) : ['', ''];
    this.#find('.no-answer-reason').textContent = reason;
    this.#find('.no-answer-advice').textContent = advice;
  }

  #showChart(answer) {
    this.#chart?.dispose();
    const chart = new Chart(answer, this.#player, this.#find('.readout'));
    this.#chart = chart;
    this.#find('.chart').replaceWith(chart.element);
    this.#peaks.then((channels) => {
      if (channels) chart.showPeaks(channels);
      else chart.element.classList.add('has-no-wave');
    });
  }

  #fillTable() {
    const details = this.#find('.stretches');
    if (details.open) details.querySelector('.stretches-scroll').replaceChildren(table(stretchesOf(this.#answer)));
  }

  pause() {
    this.#player.pause();
  }

  dispose() {
    this.#chart?.dispose();
    this.#player.dispose();
  }
}

/** What was measured on the recording, as pairs of a description list. */
function facts(report, answer) {
  const { input } = answer;
  const pairs = [
    ['Length', duration(report.duration_s)],
    ['Speech', answer.speech_s === null || answer.speech_s === undefined ? null : duration(answer.speech_s)],
    ['Sample rate', `${report.sample_rate_hz / 1000} kHz`],
    ['Channels', String(report.channels)],
    ['Bandwidth', typeof input?.bandwidth_hz === 'number' ? `${(input.bandwidth_hz / 1000).toFixed(1)} kHz` : null],
    ['Speech over noise', typeof input?.snr_db === 'number' ? `${input.snr_db.toFixed(0)} dB` : null],
    ['Clipped', input?.clipped_share ? percent(input.clipped_share) : null],
  ];
  return pairs
    .filter(([, value]) => value !== null)
    .map(([name, value]) => element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value })));
}

/** The stretches for people who would rather read. */
function table(stretches) {
  const cells = (tag, texts) => texts.map((textContent) => element(tag, { textContent }));
  const head = cells('th', ['From', 'To', 'Emotion', 'Probability', 'Gender', 'Age']);
  head.forEach((cell) => (cell.scope = 'col'));
  const rows = stretches.map(({ start, end, emotion, gender, age, noAnswer }) => {
    const best = emotion && ranked(emotion)[0];
    return element(
      'tr',
      {},
      ...cells('td', [
        clock(start, 1),
        clock(end, 1),
        best ? best[0] : noAnswer ? `no answer: ${brief(noAnswer)}` : '–',
        best ? percent(best[1]) : '–',
        gender?.label ?? '–',
        age ? String(years(age.years)) : '–',
      ]),
    );
  });
  return element(
    'table',
    {},
    element('caption', { className: 'unseen', textContent: 'Answers over time' }),
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...rows),
  );
}
