// A position in a recording, and its playback where the browser can play it.

/** Subscribers are called on every change of position or state. */
export class Player {
  #audio;
  #durationS;
  #position = 0;
  #subscribers = new Set();
  #frame = 0;
  #events = new AbortController();
  isPlayable;

  /** `audio` is an audio element with a source, or null where there is none to play. */
  constructor(audio, durationS) {
    this.#audio = audio;
    this.#durationS = durationS;
    this.isPlayable = audio !== null;
    const { signal } = this.#events;
    audio?.addEventListener('error', () => this.#fail(), { signal });
    for (const event of ['play', 'pause', 'ended', 'seeked']) audio?.addEventListener(event, () => this.#notify(), { signal });
    if (audio?.error) this.#fail();
  }

  #fail() {
    this.isPlayable = false;
    this.#notify();
  }

  get isPlaying() {
    return this.isPlayable && !this.#audio.paused && !this.#audio.ended;
  }

  /** Seconds. */
  get position() {
    return this.isPlaying ? Math.min(this.#audio.currentTime, this.#durationS) : this.#position;
  }

  seek(seconds) {
    this.#position = Math.max(0, Math.min(this.#durationS, seconds));
    if (this.isPlayable) this.#audio.currentTime = this.#position;
    this.#notify();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else if (this.isPlayable) this.#play();
  }

  #play() {
    if (this.#position >= this.#durationS - 0.01) this.seek(0);
    this.#audio.play().catch(() => this.#notify());
  }

  pause() {
    this.#audio?.pause();
  }

  /** Returns a function that ends the subscription. */
  subscribe(subscriber) {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  #notify() {
    cancelAnimationFrame(this.#frame);
    if (this.isPlayable && !this.#audio.seeking && this.#audio.readyState > 0)
      this.#position = Math.min(this.#audio.currentTime, this.#durationS);
    for (const subscriber of this.#subscribers) subscriber();
    if (this.isPlaying) this.#frame = requestAnimationFrame(() => this.#notify());
  }

  dispose() {
    this.pause();
    cancelAnimationFrame(this.#frame);
    this.#events.abort();
    this.#subscribers.clear();
  }
}
