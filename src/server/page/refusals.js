// Refusals of the server, and withheld predictions, as text.

const REFUSALS = {
  malformed: 'This file is damaged, or not in the format that it claims.',
  unsupported: 'This file format cannot be read.',
  over_limit: 'This recording exceeds a limit of the server.',
  body_too_large: 'This file is larger than the server accepts.',
  upload_broken: 'The upload was incomplete.',
  too_slow: 'The upload was too slow.',
  queue_full: 'The server is busy.',
  connections: 'The server is busy.',
  time: 'The prediction took too long.',
  stopping: 'The server is shutting down.',
  token: 'The server requires another token.',
  unknown_model: 'The server does not have this model.',
  failed: 'The server failed.',
};

/** What a refusal means; shown before the server's own message. */
export function refusal(reason) {
  return REFUSALS[reason] ?? 'The server refused the request.';
}

/** Why the prediction of one head is withheld, or null. */
export function withheldNote(report, head, percent) {
  const withheld = report.withheld?.find((each) => each.head === head);
  return withheld ? `Withheld: confidence ${percent(withheld.confidence)}, at least ${percent(withheld.asked)} requested.` : null;
}
