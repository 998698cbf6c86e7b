// Emotion over time: a lane for each emotion, whose height at a stretch is the probability. Place tells which emotion it is; colour only repeats it.

import { element, svg } from './dom.js';
import { clock, ranked } from './format.js';
import { brief } from './reasons.js';
import { emotionsOf, gapsOf, stretchesOf } from './stretches.js';

/** Room between two stretches, as a share of the whole width. With more stretches than this they touch: there is no room. */
const GAP = 0.0015;
const MOST_APART = 120;
/** Steps of a time axis in seconds. */
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const MOST_TICKS = 8;
/** A tick beyond this share of the axis is written to its left, not around it. */
const NEAR_END = 0.97;

/** The lanes of an answer, or nothing where time tells nothing: no stretch, or one. */
export function lanesOf(answer) {
  const stretches = stretchesOf(answer);
  const emotions = emotionsOf(stretches);
  if (stretches.length < 2 || emotions.length === 0) return null;
  return emotions.map((name) => ({ name, element: lane(name, stretches, answer.duration_s) }));
}

function lane(name, stretches, durationS) {
  const drawing = svg('svg', {
    class: 'lane',
    viewBox: `0 0 ${durationS} 1`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  drawing.dataset.label = name;
  const isBest = ({ emotion }) => ranked(emotion)[0][0] === name;
  const gap = stretches.length > MOST_APART ? 0 : GAP * durationS;
  const told = stretches.filter(({ emotion }) => emotion);
  for (const [kind, chosen] of [
    ['lane-other', told.filter((each) => !isBest(each))],
    ['lane-best', told.filter(isBest)],
  ]) {
    const steps = chosen.map((each) => step(each, each.emotion.probabilities[name], gap));
    drawing.append(svg('path', { class: kind, d: steps.join('') }));
  }
  return drawing;
}

function step({ start, end }, height, gap) {
  return `M${start} 1V${1 - height}H${end - gap}V1Z`;
}

/** Hatched stretches that have no answer, with the reason where it fits. */
export function gaps(answer) {
  return gapsOf(stretchesOf(answer)).map(({ start, end, noAnswer }) => {
    const gap = element('span', { className: 'gap' }, element('span', { className: 'gap-reason', textContent: brief(noAnswer) }));
    gap.style.setProperty('--from', start / answer.duration_s);
    gap.style.setProperty('--share', (end - start) / answer.duration_s);
    return gap;
  });
}

/** The time axis. */
export function ticks(durationS) {
  const step = STEPS.find((each) => durationS / each <= MOST_TICKS) ?? durationS;
  const count = Math.floor(durationS / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, k) => {
    const tick = element('span', { className: 'tick', textContent: clock(k * step, step < 1 ? 1 : 0) });
    tick.style.setProperty('--from', (k * step) / durationS);
    tick.classList.toggle('is-last', k * step > NEAR_END * durationS);
    return tick;
  });
}
