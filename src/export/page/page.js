// The exported page's script: reads its data and shows the timeline component.

import { Player } from './player.js';
import { Timeline } from './timeline.js';
import { rttm, speakerOf } from './turns.js';

const PEAK_UNITS = 32_767;
const PROBABILITY_UNITS = 10_000;

/** A row of the data (see `data.rs`) as a segment of `segments.js`. */
function segmentFrom([start, end, speech, emotion, gender, age, reason], { emotions, genders }) {
  return {
    start,
    end,
    speech: speech / 100,
    emotion: classificationFrom(emotions, emotion),
    gender: classificationFrom(genders, gender),
    age: age === null ? null : { years: age },
    noAnswer: reason === null ? null : { reason },
  };
}

function classificationFrom(labels, codes) {
  if (codes.length === 0) return null;
  const best = codes.indexOf(Math.max(...codes));
  return { label: labels[best], probabilities: Object.fromEntries(labels.map((label, k) => [label, codes[k] / PROBABILITY_UNITS])) };
}

/** A speaker of the data (see `data.rs`) as one of `turns.js`, with its channel. */
function speakerFrom({ channel, number, turns }, data) {
  const speaker = speakerOf({ speaker: number });
  speaker.turns = turns.map(([row, overlap]) => ({ ...segmentFrom(row, data), overlap }));
  return { ...speaker, channel };
}

function rename({ number, name }) {
  for (const each of document.querySelectorAll(`[data-speaker="${number}"]`)) each.textContent = name;
}

/** Saves the turns under the names that the reader gave to the speakers. */
function saveRttm(recording, speakers) {
  const address = URL.createObjectURL(new Blob([rttm(recording, speakers)], { type: 'text/plain' }));
  Object.assign(document.createElement('a'), { href: address, download: `${recording}.rttm` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function showPage() {
  const data = JSON.parse(document.getElementById('data').textContent);
  const audio = document.querySelector('audio');
  const voices = data.voices.map(({ name, segments, speakers }) => ({
    name,
    segments: segments.map((row) => segmentFrom(row, data)),
    speakers: speakers.map((speaker) => speakerFrom(speaker, data)),
  }));
  const timeline = new Timeline(data.duration_s, voices, new Player(audio, data.duration_s), rename);
  const speakers = voices.flatMap((voice) => voice.speakers);
  const button = document.getElementById('rttm');
  if (button) {
    button.hidden = speakers.length === 0;
    button.addEventListener('click', () => saveRttm(data.recording, speakers));
  }
  document.getElementById('timeline').replaceWith(timeline.element);
  timeline.showPeaks(data.voices.map(({ peaks: codes }) => Float32Array.from(codes, (code) => code / PEAK_UNITS)));
}

showPage();
