// Plays a file if the browser can, and keeps a place in it even if it cannot.

/** Listeners hear of every change of place or state. */
export class Player {
  #audio = new Audio();
  #address;
  #durationS;
  #place = 0;
  #listeners = new Set();
  #frame = 0;
  isPlayable = true;

  constructor(file, durationS) {
    this.#durationS = durationS;
    this.#address = URL.createObjectURL(file);
    this.#audio.addEventListener('error', () => {
      this.isPlayable = false;
      this.#tell();
    });
    for (const event of ['play', 'pause', 'ended', 'seeked']) this.#audio.addEventListener(event, () => this.#tell());
    this.#audio.src = this.#address;
  }

  get isPlaying() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  /** Seconds. */
  get position() {
    return this.isPlaying ? Math.min(this.#audio.currentTime, this.#durationS) : this.#place;
  }

  seek(seconds) {
    this.#place = Math.max(0, Math.min(this.#durationS, seconds));
    if (this.isPlayable) this.#audio.currentTime = this.#place;
    this.#tell();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else if (this.isPlayable) this.#play();
  }

  #play() {
    if (this.#place >= this.#durationS - 0.01) this.seek(0);
    this.#audio.play().catch(() => this.#tell());
  }

  pause() {
    this.#audio.pause();
  }

  /** Returns what ends the listening. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell() {
    cancelAnimationFrame(this.#frame);
    if (!this.#audio.seeking && this.isPlayable && this.#audio.readyState > 0)
      this.#place = Math.min(this.#audio.currentTime, this.#durationS);
    for (const listener of this.#listeners) listener();
    if (this.isPlaying) this.#frame = requestAnimationFrame(() => this.#tell());
  }

  dispose() {
    this.pause();
    cancelAnimationFrame(this.#frame);
    this.#listeners.clear();
    this.#audio.removeAttribute('src');
    URL.revokeObjectURL(this.#address);
  }
}
