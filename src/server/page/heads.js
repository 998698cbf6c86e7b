// The predictions of the heads: bars for emotion and gender, a scale for age.

import { element } from './elements.js';
import { capital, percent, ranked, years } from './format.js';
import { withheldNote } from './refusals.js';

/** The ends of the scale on which an age is drawn. */
const [YOUNGEST, OLDEST] = [0, 100];

/** Fills the three sections of `root`; heads without a prediction are hidden. */
export function showHeads(root, voice) {
  const section = (head) => root.querySelector(`.head-${head}`);
  showClassification(section('emotion'), voice, 'emotion');
  showClassification(section('gender'), voice, 'gender');
  showAge(section('age'), voice.age);
  root.hidden = !['emotion', 'gender', 'age'].some((head) => !section(head).hidden);
}

function showClassification(section, voice, head) {
  const classification = voice[head];
  const note = withheldNote(voice, head, percent);
  section.hidden = !classification && !note;
  const [best, bars] = [section.querySelector('.prediction'), section.querySelector('.bars')];
  bars.replaceChildren();
  best.classList.toggle('is-withheld', !classification);
  if (!classification) {
    best.textContent = note ?? '';
    return;
  }
  const [[label, probability]] = ranked(classification);
  best.replaceChildren(
    capital(label),
    ' ',
    element('span', { className: 'prediction-share', textContent: percent(probability) }),
  );
  bars.append(...Object.entries(classification.probabilities).map(([name, share]) => bar(name, share, name === label)));
}

/** One row: label, bar, percentage. The bar only repeats the percentage. */
function bar(name, share, isBest) {
  const fill = element('span', { className: 'bar-fill' });
  fill.style.setProperty('--share', share);
  const track = element('span', { className: 'bar-track', ariaHidden: 'true' }, fill);
  const row = element(
    'div',
    { className: isBest ? 'bar is-best' : 'bar' },
    element('dt', { textContent: name }),
    element('dd', {}, track, element('span', { className: 'bar-number', textContent: percent(share) })),
  );
  row.dataset.label = name;
  return row;
}

function showAge(section, age) {
  section.hidden = !age;
  if (!age) return;
  const [best, scale, words] = ['prediction', 'age-scale', 'age-words'].map((name) => section.querySelector(`.${name}`));
  best.replaceChildren(String(years(age.years)), ' ', element('span', { className: 'prediction-share', textContent: 'years' }));
  const position = (value) => (Math.max(YOUNGEST, Math.min(OLDEST, value)) - YOUNGEST) / (OLDEST - YOUNGEST);
  scale.style.setProperty('--years', position(age.years));
  const interval = age.interval;
  scale.style.setProperty('--low', position(interval?.low_years ?? age.years));
  scale.style.setProperty('--high', position(interval?.high_years ?? age.years));
  words.textContent = interval ? intervalText(interval) : 'This model states no interval.';
}

function intervalText({ low_years: low, high_years: high, coverage }) {
  return `Between ${years(low)} and ${years(high)} for ${Math.round(100 * coverage)} of 100 speakers like those of the training data.`;
}
