// What a model's heads answer: bars for emotion and gender, a scale for age.

import { element } from './dom.js';
import { capital, percent, ranked, years } from './format.js';
import { withheldNote } from './reasons.js';

/** The ends of the scale on which an age is drawn. */
const [YOUNGEST, OLDEST] = [0, 100];

/** Fills the three sections of `root`; heads that the answer lacks are hidden. */
export function showHeads(root, answer) {
  const section = (head) => root.querySelector(`.head-${head}`);
  showChoice(section('emotion'), answer, 'emotion');
  showChoice(section('gender'), answer, 'gender');
  showAge(section('age'), answer.age);
  root.hidden = !['emotion', 'gender', 'age'].some((head) => !section(head).hidden);
}

function showChoice(section, answer, head) {
  const choice = answer[head];
  const note = withheldNote(answer, head, percent);
  section.hidden = !choice && !note;
  const [verdict, bars] = [section.querySelector('.verdict'), section.querySelector('.bars')];
  bars.replaceChildren();
  verdict.classList.toggle('is-withheld', !choice);
  if (!choice) {
    verdict.textContent = note ?? '';
    return;
  }
  const [[label, probability]] = ranked(choice);
  verdict.replaceChildren(
    capital(label),
    ' ',
    element('span', { className: 'verdict-share', textContent: percent(probability) }),
  );
  bars.append(...Object.entries(choice.probabilities).map(([name, share]) => bar(name, share, name === label)));
}

/** One row: name, bar, percentage. The bar says nothing that the percentage does not. */
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
  const [verdict, scale, words] = ['verdict', 'age-scale', 'age-words'].map((name) => section.querySelector(`.${name}`));
  verdict.replaceChildren(String(years(age.years)), ' ', element('span', { className: 'verdict-share', textContent: 'years' }));
  const at = (value) => (Math.max(YOUNGEST, Math.min(OLDEST, value)) - YOUNGEST) / (OLDEST - YOUNGEST);
  scale.style.setProperty('--years', at(age.years));
  const interval = age.interval;
  scale.style.setProperty('--low', at(interval?.low_years ?? age.years));
  scale.style.setProperty('--high', at(interval?.high_years ?? age.years));
  words.textContent = interval ? spread(interval) : 'This system does not say how far off it may be.';
}

function spread({ low_years: low, high_years: high, coverage }) {
  return `Between ${years(low)} and ${years(high)} for ${Math.round(100 * coverage)} of 100 speakers like those of the training.`;
}
