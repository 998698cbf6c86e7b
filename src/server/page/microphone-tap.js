// Runs on the browser's audio thread: sends the microphone's samples in blocks.

const BLOCK = 2048;

class MicrophoneTap extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.port.postMessage({ samples: this.#block.slice(0, this.#filled), last: true });
      this.#filled = 0;
    };
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === BLOCK) {
        this.port.postMessage({ samples: this.#block.slice(), last: false });
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('microphone-tap', MicrophoneTap);
