// Asks for the answers of all rows that wait, one after the other: the server is spared, and the first answer comes soonest.

/** A server that is busy and does not say for how long is asked again after this. */
const PAUSE_S = 3;

/** Works through rows until none is left. */
export class Queue {
  #predict;
  #settled;
  #running = null;
  #cancelled = false;

  /** `predict(file, options)` asks; `settled(row)` hears of every end. */
  constructor(predict, settled) {
    this.#predict = predict;
    this.#settled = settled;
  }

  get isRunning() {
    return this.#running !== null;
  }

  /** Runs the rows that `next()` gives, one at a time; `asked()` resolves to the options that hold when each begins. */
  async run(next, asked) {
    this.#cancelled = false;
    for (let row = next(); row && !this.#cancelled; row = next()) {
      this.#running = row;
      await this.#ask(row, asked);
      this.#settled(row);
    }
    this.#running = null;
  }

  /** Stops what runs and starts nothing more. */
  cancel() {
    this.#cancelled = true;
    this.#running?.cancel();
  }

  async #ask(row, asked) {
    const signal = row.begin();
    try {
      row.done(await this.#untilAnswered(row, await asked(), signal));
    } catch (problem) {
      if (problem.name === 'AbortError') row.ready();
      else row.failed(problem);
    }
  }

  async #untilAnswered(row, asked, signal) {
    for (;;) {
      try {
        return await this.#predict(row.file, { asked, signal, onUpload: (share) => row.sent(share) });
      } catch (problem) {
        if (problem.status !== 429) throw problem;
        await this.#pause(row, problem.retryAfterS ?? PAUSE_S, signal);
      }
    }
  }

  async #pause(row, seconds, signal) {
    row.held(seconds);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000 * Math.max(1, seconds));
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
    row.sent(0);
  }
}
