// The stretches of an answer, as the charts and tables want them.

/** `[{start, end, emotion, gender, age, noAnswer}]`, seconds, one after the other without room between them. */
export function stretchesOf(answer) {
  return (answer.timeline ?? []).map(({ start_s: start, end_s: end, no_answer: noAnswer, emotion, gender, age }) => ({
    start,
    end,
    emotion,
    gender,
    age,
    noAnswer,
  }));
}

/** The stretch that holds a place, or nothing. */
export function stretchAt(stretches, seconds) {
  return stretches.find(({ start, end }) => seconds >= start && seconds < end);
}

/** The emotions that any stretch tells, in the system's order. */
export function emotionsOf(stretches) {
  const answered = stretches.find(({ emotion }) => emotion);
  return answered ? Object.keys(answered.emotion.probabilities) : [];
}

/** Runs of neighbouring stretches without an answer: `[{start, end, noAnswer}]`. */
export function gapsOf(stretches) {
  const gaps = [];
  for (const { start, end, noAnswer } of stretches) {
    if (!noAnswer) continue;
    const last = gaps.at(-1);
    if (last && last.end === start && last.noAnswer.reason === noAnswer.reason) last.end = end;
    else gaps.push({ start, end, noAnswer });
  }
  return gaps;
}
