// The microphone to a WAV file, made here: no format of the browser's own lies between the voice and the model.

import { toPcm16, wavBlob } from './wav.js';

/** A recording stops by itself after this long. */
const LONGEST_S = 600;

/** What the browser would do for telephony changes the voice that is to be judged. */
const AS_IT_IS = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** One recording that goes on until `finish` or `discard`. */
export class Microphone {
  #stream;
  #context;
  #tap;
  #blocks = [];
  #samples = 0;

  /** Asks for the microphone. `onLevel(seconds, peak)` hears of each block; `onFull` when the longest recording is reached. */
  static async start(onLevel, onFull) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error('This browser lends the microphone only to pages from https:// or from the same machine (localhost).');
    }
    const made = new Microphone();
    try {
      await made.#open(onLevel, onFull);
    } catch (error) {
      made.#close();
      throw new Error(inWords(error));
    }
    return made;
  }

  async #open(onLevel, onFull) {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule('microphone-tap.js');
    this.#tap = new AudioWorkletNode(this.#context, 'microphone-tap', { numberOfOutputs: 0 });
    this.#tap.port.onmessage = ({ data }) => {
      this.#keep(data.samples);
      const seconds = this.#samples / this.#context.sampleRate;
      onLevel(
        seconds,
        data.samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0),
      );
      if (seconds >= LONGEST_S) onFull();
    };
    this.#context.createMediaStreamSource(this.#stream).connect(this.#tap);
    await this.#context.resume();
  }

  #keep(samples) {
    this.#blocks.push(toPcm16(samples));
    this.#samples += samples.length;
  }

  /** The recording as a file. */
  async finish() {
    const { sampleRate } = this.#context;
    await this.#last();
    this.#close();
    return new File([wavBlob(this.#blocks, sampleRate)], `recording ${stamp(new Date())}.wav`, { type: 'audio/wav' });
  }

  /** Forgets the recording. */
  discard() {
    this.#close();
  }

  /** What the audio thread still holds. */
  #last() {
    return new Promise((resolve) => {
      this.#tap.port.onmessage = ({ data }) => {
        this.#keep(data.samples);
        if (data.last) resolve();
      };
      this.#tap.port.postMessage('last');
    });
  }

  #close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#context?.state !== 'closed') this.#context?.close();
  }
}

function inWords(error) {
  switch (error.name) {
    case 'NotAllowedError':
      return 'The browser did not lend the microphone. Allow it for this page, in the address bar or the settings, and try again.';
    case 'NotFoundError':
      return 'No microphone was found. Plug one in and try again.';
    case 'NotReadableError':
      return 'The microphone is in use by another program.';
    default:
      return `The microphone could not be opened: ${error.message}`;
  }
}

function stamp(now) {
  const two = (n) => String(n).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${day} ${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('.')}`;
}
