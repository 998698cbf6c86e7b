// The windows of an answer, as the charts and tables want them.

/** `[{start, end, emotion, gender, age, noAnswer}]`, seconds, in order, none over another: a last window that reaches back begins where the one before ends. */
export function windowsOf(answer) {
  let covered = 0;
  const windows = [];
  for (const { start_s: from, end_s: end, emotion, gender, age, no_answer: noAnswer } of answer.timeline ?? []) {
    const start = Math.max(from, covered);
    if (end <= start) continue;
    windows.push({ start, end, emotion, gender, age, noAnswer });
    covered = end;
  }
  return windows;
}

/** The window that holds a place, or nothing. */
export function windowAt(windows, seconds) {
  return windows.find(({ start, end }) => seconds >= start && seconds < end);
}

/** The emotions that any window tells, in the system's order. */
export function emotionsOf(windows) {
  const answered = windows.find(({ emotion }) => emotion);
  return answered ? Object.keys(answered.emotion.probabilities) : [];
}

/** Runs of neighbouring windows without an answer: `[{start, end, noAnswer}]`. */
export function gapsOf(windows) {
  const gaps = [];
  for (const { start, end, noAnswer } of windows) {
    if (!noAnswer) continue;
    const last = gaps.at(-1);
    if (last && last.end === start && last.noAnswer.reason === noAnswer.reason) last.end = end;
    else gaps.push({ start, end, noAnswer });
  }
  return gaps;
}
