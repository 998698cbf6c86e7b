// Encodes samples as a WAV file: 16-bit PCM, one channel.

const HEADER_BYTES = 44;

/** Samples from -1 to 1 as 16-bit integers; values beyond are clipped. */
export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
}

/** The file, from consecutive blocks of 16-bit samples. */
export function wavBlob(blocks, sampleRate) {
  const dataBytes = 2 * blocks.reduce((sum, block) => sum + block.length, 0);
  return new Blob([header(dataBytes, sampleRate), ...blocks.map(littleEndian)], { type: 'audio/wav' });
}

/** RIFF header with a `fmt ` chunk of 16 bytes (PCM). */
function header(dataBytes, sampleRate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (offset, id) => [...id].forEach((letter, k) => view.setUint8(offset + k, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true); // bytes per second
  view.setUint16(32, 2, true); // bytes a frame
  view.setUint16(34, 16, true); // bits per sample
  text(36, 'data');
  view.setUint32(40, dataBytes, true);
  return view.buffer;
}

function littleEndian(block) {
  const view = new DataView(new ArrayBuffer(2 * block.length));
  block.forEach((sample, k) => view.setInt16(2 * k, sample, true));
  return view.buffer;
}
