// Records the microphone to a WAV file. Not MediaRecorder: its formats are lossy.

import { toPcm16, wavBlob } from './wav.js';

/** A recording stops by itself after this time. */
const MAX_DURATION_S = 600;

/** No processing for telephony, which changes the voice. */
const UNPROCESSED = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** One recording, running until `finish` or `discard`. */
export class Microphone {
  #stream;
  #context;
  #tap;
  #blocks = [];
  #samples = 0;

  /** Requests the microphone. `onLevel(seconds, peak)` is called for each block, `onFull()` at the
   * longest recording. */
  static async start(onLevel, onFull) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error('This browser allows the microphone only on https:// pages and on localhost.');
    }
    const microphone = new Microphone();
    try {
      await microphone.#open(onLevel, onFull);
    } catch (error) {
      microphone.#close();
      throw new Error(explain(error));
    }
    return microphone;
  }

  async #open(onLevel, onFull) {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: UNPROCESSED });
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
      if (seconds >= MAX_DURATION_S) onFull();
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
    await this.#flush();
    this.#close();
    return new File([wavBlob(this.#blocks, sampleRate)], `recording ${stamp(new Date())}.wav`, { type: 'audio/wav' });
  }

  /** Stops and drops the recording. */
  discard() {
    this.#close();
  }

  /** Fetches the samples that the audio thread still buffers. */
  #flush() {
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

function explain(error) {
  switch (error.name) {
    case 'NotAllowedError':
      return 'The browser denied the microphone. Allow it for this page, in the address bar or the settings, and try again.';
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
