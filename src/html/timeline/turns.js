// Turns of speakers: who speaks when. A row per speaker below the waveform, and RTTM.
//
// A speaker is `{number, name, turns}`; a turn is a segment of `segments.js` with `overlap`, the
// seconds in which somebody else speaks too. Turns have gaps between them.

import { element } from './elements.js';
import { capital, percent, ranked } from './format.js';
import { brief } from './reasons.js';

/** Longer names do not fit. */
const MAX_NAME = 40;

/** The name of a speaker whom the user has not named. */
export const defaultName = (number) => `Speaker ${number}`;

/** The speaker of a voice of a report. */
export function speakerOf(voice) {
  return {
    number: voice.speaker,
    name: defaultName(voice.speaker),
    turns: (voice.turns ?? []).map((turn) => ({
      start: turn.start_s,
      end: turn.end_s,
      overlap: turn.overlap_s ?? 0,
      speech: turn.speech_share,
      emotion: turn.emotion,
      gender: turn.gender,
      age: turn.age,
      noAnswer: turn.no_answer,
    })),
  };
}

/** The turn that contains a position in seconds, or undefined. */
export function turnAt({ turns }, seconds) {
  return turns.find(({ start, end }) => seconds >= start && seconds < end);
}

/** The row of one speaker: a box for each turn in the colour of its emotion, with its name where it
 * fits; hatched without a prediction. */
export function speakerRow({ turns }, durationS) {
  const boxes = turns.map(({ start, end, emotion, noAnswer }) => {
    const text = emotion ? capital(emotion.label) : noAnswer ? brief(noAnswer) : '';
    const share = emotion ? ` ${percent(ranked(emotion)[0][1])}` : '';
    const box = element('span', { className: emotion ? 'turn' : 'turn is-unanswered', title: `${text}${share}` });
    if (emotion) box.dataset.label = emotion.label;
    box.append(element('span', { textContent: text }));
    box.style.setProperty('--from', start / durationS);
    box.style.setProperty('--share', (end - start) / durationS);
    return box;
  });
  return element('div', { className: 'speaker-row', ariaHidden: 'true' }, ...boxes);
}

/** A field for the name of a speaker. `onRename(name)` is called with every change; an empty name
 * becomes the number again. */
export function nameField(speaker, onRename) {
  const field = element('input', {
    className: 'speaker-name',
    value: speaker.name,
    maxLength: MAX_NAME,
    ariaLabel: `Name of speaker ${speaker.number}`,
    title: 'Change the name',
    spellcheck: false,
    autocomplete: 'off',
  });
  field.addEventListener('input', () => onRename(field.value.trim() || defaultName(speaker.number)));
  field.addEventListener('change', () => (field.value = speaker.name));
  field.addEventListener('keydown', (event) => event.key === 'Enter' && field.blur());
  return field;
}

/** RTTM (NIST) of speakers `[{channel, number, name, turns}]`, by time. Blanks separate its fields, so
 * those of names become underscores. */
export function rttm(recording, speakers) {
  const field = (text) => text.trim().replace(/\s+/g, '_') || '_';
  const nameOf = ({ number, name }) => (name === defaultName(number) ? `speaker_${number}` : field(name));
  const rows = speakers.flatMap((speaker) =>
    speaker.turns.map(({ start, end }) => ({ start, end, channel: speaker.channel ?? 1, name: nameOf(speaker) })),
  );
  rows.sort((a, b) => a.start - b.start || a.end - b.end);
  const line = ({ start, end, channel, name }) =>
    `SPEAKER ${field(recording)} ${channel} ${start.toFixed(3)} ${(end - start).toFixed(3)} <NA> <NA> ${name} <NA> <NA>\n`;
  return rows.map(line).join('');
}
