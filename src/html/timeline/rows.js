// Rows of a timeline below the waveform: one per emotion, whose height is the probability, and one
// with gender and age.
//
// The row tells which emotion it is; colour only repeats that.

import { element, svg } from './elements.js';
import { clock, years } from './format.js';
import { brief } from './reasons.js';
import { gapsOf, gendersOf } from './segments.js';

/** Space between two segments, as a share of the width; none with more segments than
 * `MAX_SEPARATED`. */
const SPACE = 0.0015;
const MAX_SEPARATED = 120;
/** Steps of a time axis in seconds, and the most ticks for each screen width of it. */
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const MAX_TICKS = 8;
/** A tick beyond this share of the axis is written to its left instead of centred. */
const NEAR_END = 0.97;

/** The row of one emotion. */
export function emotionRow(name, segments, durationS) {
  const row = svg('svg', {
    class: 'emotion-row',
    viewBox: `0 0 ${durationS} 1`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  row.dataset.label = name;
  const space = segments.length > MAX_SEPARATED ? 0 : SPACE * durationS;
  const paths = { 'row-other': [], 'row-best': [] };
  for (const { start, end, emotion } of segments) {
    if (!emotion) continue;
    const top = 1 - emotion.probabilities[name];
    paths[emotion.label === name ? 'row-best' : 'row-other'].push(`M${start} 1V${top}H${end - space}V1Z`);
  }
  row.append(...Object.entries(paths).map(([kind, steps]) => svg('path', { class: kind, d: steps.join('') })));
  return row;
}

/** The row of gender and age: one box for each run of the same gender of at least `minS` seconds,
 * with its text where it fits. */
export function genderRow(segments, durationS, minS) {
  const visible = gendersOf(segments).filter(({ start, end }) => end - start >= minS);
  const boxes = visible.map(({ start, end, gender, age }) => {
    const text = [gender?.label, age && years(age.years)].filter((part) => part !== undefined && part !== null).join(' ');
    const box = element('span', { className: 'gender-box', title: text }, element('span', { textContent: text }));
    return placed(box, start, end, durationS);
  });
  return element('div', { className: 'gender-row', ariaHidden: 'true' }, ...boxes);
}

/** Hatched boxes where there is no prediction, with the reason where it fits. */
export function gapBoxes(segments, durationS) {
  return gapsOf(segments).map(({ start, end, noAnswer }) => {
    const text = brief(noAnswer);
    const box = element('span', { className: 'gap', title: text }, element('span', { className: 'gap-reason', textContent: text }));
    return placed(box, start, end, durationS);
  });
}

/** The ticks of the time axis; `zoom` is its width in screen widths. */
export function ticks(durationS, zoom) {
  const step = STEPS_S.find((each) => durationS / each <= MAX_TICKS * zoom) ?? durationS;
  const count = Math.floor(durationS / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, k) => {
    const tick = element('span', { className: 'tick', textContent: clock(k * step, step < 1 ? 1 : 0) });
    tick.classList.toggle('is-last', k * step > (1 - (1 - NEAR_END) / zoom) * durationS);
    return placed(tick, k * step, k * step, durationS);
  });
}

/** Sets where a box begins and how wide it is, as shares of the recording. */
function placed(box, start, end, durationS) {
  box.style.setProperty('--from', start / durationS);
  box.style.setProperty('--share', (end - start) / durationS);
  return box;
}
