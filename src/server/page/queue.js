// Requests the reports of the waiting rows one after the other: it spares the server, and the first
// report comes soonest.

/** Retry delay for a busy server that sends no Retry-After, seconds. */
const RETRY_S = 3;

/** Processes rows until none is left. */
export class Queue {
  #predict;
  #onSettled;
  #running = null;
  #cancelled = false;

  /** `predict(file, options)` requests a report; `onSettled(row)` is called when a row is done,
   * failed or cancelled. */
  constructor(predict, onSettled) {
    this.#predict = predict;
    this.#onSettled = onSettled;
  }

  get isRunning() {
    return this.#running !== null;
  }

  /** Runs the rows that `next()` returns, one at a time; `options()` resolves to the options when
   * each begins. */
  async run(next, options) {
    this.#cancelled = false;
    for (let row = next(); row && !this.#cancelled; row = next()) {
      this.#running = row;
      await this.#request(row, options);
      this.#onSettled(row);
    }
    this.#running = null;
  }

  /** Cancels the running request and starts no other. */
  cancel() {
    this.#cancelled = true;
    this.#running?.cancel();
  }

  async #request(row, options) {
    const signal = row.begin();
    try {
      row.done(await this.#predictOrRetry(row, await options(), signal));
    } catch (problem) {
      if (problem.name === 'AbortError') row.ready();
      else row.failed(problem);
    }
  }

  async #predictOrRetry(row, options, signal) {
    for (;;) {
      try {
        return await this.#predict(row.file, { options, signal, onUpload: (share) => row.uploaded(share) });
      } catch (problem) {
        if (problem.status !== 429) throw problem;
        await this.#wait(row, problem.retryAfterS ?? RETRY_S, signal);
      }
    }
  }

  async #wait(row, seconds, signal) {
    row.delayed(seconds);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000 * Math.max(1, seconds));
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
    row.uploaded(0);
  }
}
