// The exported page's script: reads its data and shows the timeline component.

import { Player } from './player.js';
import { Timeline } from './timeline.js';

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

function showPage() {
  const data = JSON.parse(document.getElementById('data').textContent);
  const audio = document.querySelector('audio');
  const voices = data.voices.map(({ name, segments }) => ({
    name,
    segments: segments.map((row) => segmentFrom(row, data)),
  }));
  const timeline = new Timeline(data.duration_s, voices, new Player(audio, data.duration_s));
  document.getElementById('timeline').replaceWith(timeline.element);
  timeline.showPeaks(data.voices.map(({ peaks: codes }) => Float32Array.from(codes, (code) => code / PEAK_UNITS)));
}

showPage();
