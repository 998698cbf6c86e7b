// Reasons for a missing prediction as text. The texts are the engine's (`engine::reasons_json`), in
// `reason-texts.js`.

import { REASONS } from './reason-texts.js';
import { capital } from './format.js';

/** `[sentence, advice]` of a reason: why there is no prediction, and what may help. */
export function explain({ reason }) {
  const texts = REASONS[reason];
  return texts ? [`${capital(texts.sentence)}.`, texts.advice] : [`The server gives the reason “${plain(reason)}”.`, ''];
}

/** A reason in two or three words. */
export function brief({ reason }) {
  return REASONS[reason]?.brief ?? plain(reason);
}

function plain(reason) {
  return String(reason).replaceAll('_', ' ');
}
