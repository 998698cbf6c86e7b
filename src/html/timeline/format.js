// Numbers and labels as text.

/** A share of 1 in percent: `92.5 %`, `>99.9 %`, `<0.1 %`, as the command line prints it; with a
 * no-break space. */
export function percent(share) {
  if (share > 0.999 && share < 1) return '>99.9\u00a0%';
  if (share < 0.001 && share > 0) return '<0.1\u00a0%';
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/** Whole years, halves rounded to even as in the command line's table: 32.5 is 32 in both. */
export function years(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** A position in a recording: `0:03`, `12:40`, `1:02:05`; with `digits` decimals where segments are
 * short. */
export function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = Math.floor(seconds * unit + 1e-6) / unit;
  const minutes = Math.floor(whole / 60);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, '0');
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}

/** A position in a recording for screen readers: `1 minute 5 seconds`. */
export function spokenTime(seconds) {
  const count = (n, unit) => `${n} ${unit}${n === 1 ? '' : 's'}`;
  const minutes = Math.floor(seconds / 60);
  const rest = count(Number((seconds % 60).toFixed(1)), 'second');
  return minutes ? `${count(minutes, 'minute')} ${rest}` : rest;
}

/** A length of audio: `4.2 s`, `12 min 5 s`. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

/** A label at the beginning of a line: `happiness` to `Happiness`. */
export function capital(label) {
  return label.charAt(0).toUpperCase() + label.slice(1);
}

/** `[label, probability]` pairs of a classification, the most probable first. */
export function ranked(classification) {
  return Object.entries(classification.probabilities).sort((a, b) => b[1] - a[1]);
}
