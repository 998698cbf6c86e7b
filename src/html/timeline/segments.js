// Segments of a timeline: consecutive, without gaps, from 0 to the end of the recording.
//
// A segment is `{start, end, speech, emotion, gender, age, noAnswer}`: seconds; `speech` is the
// share of speech, 0 to 1, or null; `emotion` and `gender` are `{label, probabilities}`, `age` is
// `{years}` and `noAnswer` is `{reason}`, each null where there is none.

/** Weight of a segment with a prediction but without detected speech, seconds, so that it counts at
 * all. */
const MIN_WEIGHT_S = 1e-6;

/** The segments of a report, or of one channel of it. */
export function segmentsOf(report) {
  return (report.timeline ?? []).map((segment) => ({
    start: segment.start_s,
    end: segment.end_s,
    speech: segment.speech_share,
    emotion: segment.emotion,
    gender: segment.gender,
    age: segment.age,
    noAnswer: segment.no_answer,
  }));
}

/** The segment that contains a position in seconds, or undefined. Binary search. */
export function segmentAt(segments, seconds) {
  let [low, high] = [0, segments.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segments[middle].start <= seconds) low = middle;
    else high = middle - 1;
  }
  const found = segments[low];
  return found && seconds >= found.start && seconds < found.end ? found : undefined;
}

/** The emotion labels, in the model's order. */
export function emotionsOf(segments) {
  const predicted = segments.find(({ emotion }) => emotion);
  return predicted ? Object.keys(predicted.emotion.probabilities) : [];
}

/** Runs of neighbouring segments without a prediction for the same reason: `[{start, end,
 * noAnswer}]`. */
export function gapsOf(segments) {
  return runsOf(segments, ({ noAnswer }) => noAnswer?.reason ?? null).map(joined).filter(({ noAnswer }) => noAnswer);
}

/** Runs of neighbouring segments with the same gender: one segment each, with the mean age. */
export function gendersOf(segments) {
  const predicted = segments.filter(({ gender, age, noAnswer }) => !noAnswer && (gender || age));
  return runsOf(predicted, ({ gender }) => gender?.label ?? null).map(joined);
}

/** Neighbours joined so that at most `most` segments are left, for a drawing that has room for no
 * more. */
export function condensed(segments, most) {
  const size = Math.ceil(segments.length / Math.max(1, most));
  if (size <= 1) return segments;
  return Array.from({ length: Math.ceil(segments.length / size) }, (_, k) => joined(segments.slice(k * size, (k + 1) * size)));
}

/** Groups of consecutive segments with the same `key(segment)`; a hole in time ends a group. */
function runsOf(segments, key) {
  const runs = [];
  for (const segment of segments) {
    const run = runs.at(-1);
    if (run && run.at(-1).end === segment.start && key(run[0]) === key(segment)) run.push(segment);
    else runs.push([segment]);
  }
  return runs;
}

/** One segment in place of several: means weighted by speech; no prediction only where none of them
 * has one. */
function joined(segments) {
  const [first, last] = [segments[0], segments.at(-1)];
  if (segments.length === 1) return first;
  const predicted = segments.filter(({ noAnswer }) => !noAnswer);
  const length = last.end - first.start;
  return {
    start: first.start,
    end: last.end,
    speech: first.speech === null ? null : segments.reduce((sum, each) => sum + speechS(each), 0) / length,
    emotion: meanOf(predicted, 'emotion'),
    gender: meanOf(predicted, 'gender'),
    age: meanAge(predicted),
    noAnswer: predicted.length ? null : first.noAnswer,
  };
}

const speechS = ({ start, end, speech }) => (speech ?? 1) * (end - start);
const weight = (segment) => Math.max(speechS(segment), MIN_WEIGHT_S);

/** The mean of a head's probabilities, and the most probable label; null where no segment has a
 * prediction. */
function meanOf(segments, head) {
  const predicted = segments.filter((segment) => segment[head]);
  if (predicted.length === 0) return null;
  const total = predicted.reduce((sum, segment) => sum + weight(segment), 0);
  const labels = Object.keys(predicted[0][head].probabilities);
  const mean = (label) => predicted.reduce((sum, each) => sum + weight(each) * each[head].probabilities[label], 0) / total;
  const pairs = labels.map((label) => [label, mean(label)]);
  const [label] = pairs.reduce((best, pair) => (pair[1] > best[1] ? pair : best));
  return { label, probabilities: Object.fromEntries(pairs) };
}

function meanAge(segments) {
  const predicted = segments.filter(({ age }) => age);
  if (predicted.length === 0) return null;
  const total = predicted.reduce((sum, segment) => sum + weight(segment), 0);
  return { years: predicted.reduce((sum, segment) => sum + weight(segment) * segment.age.years, 0) / total };
}
