// Decodes a recording in the browser, as far as the browser can, for its waveform.

import { peaks } from './waveform.js';

/** Enough for a waveform, with 60 times less memory than 48 kHz stereo. The lowest rate that every
 * browser offers. */
const SAMPLE_RATE = 8000;
/** Longer or larger recordings are not decoded: 2 h are 230 MB a channel at that rate. */
const MAX_DURATION_S = 7200;
const MAX_BYTES = 400e6;
/** Peaks that are kept of each channel. */
const POINTS = 8192;

/** The peaks of each channel, each `POINTS` values from 0 to 1; null where the browser cannot
 * decode the file. */
export async function peaksOf(file, durationS) {
  if (durationS > MAX_DURATION_S || file.size > MAX_BYTES) return null;
  try {
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    return Array.from({ length: decoded.numberOfChannels }, (_, k) => peaks(decoded.getChannelData(k), POINTS));
  } catch {
    return null;
  }
}

/** The larger of several channels at each point. */
export function loudest(channels) {
  return channels[0].map((_, k) => Math.max(...channels.map((channel) => channel[k])));
}
