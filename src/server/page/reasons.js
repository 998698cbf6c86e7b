// Why there is no answer, or why the server refused, in plain words, and what may help.

const REASONS = {
  too_short: ['The recording is too short to tell anything from it.', 'Speak for three seconds or more.'],
  silence: ['The recording is silent.', 'Check that the right microphone was on, and its level.'],
  no_speech: [
    'There is no speech to be heard in it.',
    'Noise, music and whispers are not answered. Try a recording of somebody who speaks aloud.',
  ],
  clipped: [
    'The recording is overdriven: it was made with far too much gain.',
    'Record again with the level turned down, or further from the microphone.',
  ],
  too_noisy: ['The speech is no louder than the noise around it.', 'Record closer to the speaker, or in a quieter place.'],
  low_confidence: [
    'Neither emotion nor gender is as sure as asked, and an age alone is not worth telling.',
    'A longer or clearer recording may help.',
  ],
};

const SHORT = {
  too_short: 'too short',
  silence: 'silence',
  no_speech: 'no speech',
  clipped: 'overdriven',
  too_noisy: 'too noisy',
  low_confidence: 'not sure enough',
};

const REFUSALS = {
  malformed: 'This file is damaged, or not what it seems.',
  unsupported: 'This kind of file cannot be read.',
  over_limit: 'This recording is more than the server takes.',
  body_too_large: 'This file is larger than the server takes.',
  upload_broken: 'The file did not arrive whole.',
  too_slow: 'The file came too slowly.',
  queue_full: 'The server is busy.',
  connections: 'The server is busy.',
  time: 'The answer took too long.',
  stopping: 'The server is being stopped.',
  token: 'The server asks for another token.',
  unknown_model: 'The server does not have this system.',
  failed: 'The server failed.',
};

/** What a refusal means, before the server's own words. */
export function refusal(reason) {
  return REFUSALS[reason] ?? 'The server refused this.';
}

/** A sentence, and advice where there is some. */
export function explain({ reason }) {
  return REASONS[reason] ?? [`The reason that the server gives is “${plain(reason)}”.`, ''];
}

/** Two or three words for a place with little room. */
export function brief({ reason }) {
  return SHORT[reason] ?? plain(reason);
}

/** Why one head of an answer is kept back, or nothing. */
export function withheldNote(answer, head, percent) {
  const held = answer.withheld?.find((each) => each.head === head);
  return held ? `Not told: ${percent(held.confidence)} sure, ${percent(held.asked)} asked for.` : null;
}

function plain(reason) {
  return String(reason).replaceAll('_', ' ');
}
