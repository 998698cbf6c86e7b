// One recording in the list: its name, its progress, and its report when it is open.

import { fromTemplate } from './dom.js';
import { capital, duration, percent, ranked, years } from './format.js';
import { brief } from './reasons.js';
import { ReportView } from './report.js';

let count = 0;

/** A row. `state` is one of ready, waiting, uploading, processing, done, failed. */
export class FileRow {
  #parts;
  #controller = null;
  #view = null;
  #timer = null;

  /** `callbacks`: `onOpen(row)`, `onRemove(row)`, `onRetry(row)`. */
  constructor(file, callbacks) {
    this.file = file;
    this.reply = null;
    this.element = fromTemplate('file-template').firstElementChild;
    const part = (name) => this.element.querySelector(`.file-${name}`);
    this.#parts = {
      toggle: part('toggle'),
      note: part('note'),
      progress: part('progress'),
      problem: part('problem'),
      remove: part('remove'),
      title: part('problem-title'),
      detail: part('problem-detail'),
      retry: part('retry'),
      panel: part('panel'),
    };
    this.#showName(part('name'));
    this.#parts.toggle.addEventListener('click', () => callbacks.onOpen(this));
    this.#parts.remove.addEventListener('click', () => callbacks.onRemove(this));
    this.#parts.retry.addEventListener('click', () => callbacks.onRetry(this));
    this.ready();
  }

  #showName(label) {
    const { name } = this.file;
    const id = `file-${++count}`;
    label.textContent = name;
    label.title = name;
    label.id = `${id}-name`;
    this.#parts.panel.id = `${id}-panel`;
    this.#parts.panel.setAttribute('aria-labelledby', label.id);
    this.#parts.toggle.setAttribute('aria-controls', this.#parts.panel.id);
    this.#parts.progress.setAttribute('aria-label', `Progress of ${name}`);
    this.#parts.remove.setAttribute('aria-label', `Remove ${name}`);
    this.#parts.remove.title = 'Remove';
  }

  /** Added; no prediction requested yet. */
  ready() {
    this.#enter('ready', bytes(this.file.size));
  }

  /** In the queue of the page. */
  waiting() {
    this.#enter('waiting', 'Waiting');
  }

  /** The server is busy; the request is repeated after so many seconds. */
  delayed(seconds) {
    this.#enter('waiting', `The server is busy; retrying in ${seconds} s`);
  }

  /** Begins the upload; returns the signal that `cancel` aborts. */
  begin() {
    this.#controller = new AbortController();
    this.uploaded(0);
    return this.#controller.signal;
  }

  /** Shows the uploaded share, 0 to 1. */
  uploaded(share) {
    if (share >= 1) {
      if (this.state !== 'processing') this.#process();
      return;
    }
    this.#enter('uploading', `Uploading ${Math.floor(100 * share)} %`);
    this.#parts.progress.value = share;
  }

  #process() {
    const since = performance.now();
    const showTime = () => {
      const seconds = Math.round((performance.now() - since) / 1000);
      this.#parts.note.textContent = seconds ? `Processing, ${seconds} s` : 'Processing';
    };
    this.#enter('processing', 'Processing');
    this.#timer = setInterval(showTime, 1000);
  }

  /** Shows that the report arrived. */
  done(reply) {
    this.reply = reply;
    this.#enter('done', summary(reply.report));
  }

  /** Shows why there is no report. */
  failed(problem) {
    this.#enter('failed', 'Failed');
    this.#parts.title.textContent = problem.title ?? 'Something went wrong in this page.';
    this.#parts.detail.textContent = problem.detail ?? problem.message;
    this.#parts.retry.hidden = !isWorthRetrying(problem);
  }

  /** Cancels the request. */
  cancel() {
    this.#controller?.abort();
  }

  #enter(state, note) {
    clearInterval(this.#timer);
    const { progress, problem, toggle } = this.#parts;
    this.state = state;
    this.element.dataset.state = state;
    this.#parts.note.textContent = note;
    progress.hidden = state !== 'uploading' && state !== 'processing';
    if (state === 'processing') progress.removeAttribute('value');
    problem.hidden = state !== 'failed';
    toggle.disabled = state !== 'done';
  }

  /** Opens or closes the report. */
  setOpen(open) {
    const { panel, toggle } = this.#parts;
    toggle.setAttribute('aria-expanded', String(open));
    panel.hidden = !open;
    if (open && !this.#view) this.#view = new ReportView(panel, this.file, this.reply);
    if (!open) this.#view?.pause();
  }

  get isOpen() {
    return !this.#parts.panel.hidden;
  }

  /** Moves the keyboard focus to this row. */
  focus() {
    (this.#parts.toggle.disabled ? this.#parts.remove : this.#parts.toggle).focus();
  }

  /** Cancels, removes the row and releases its memory. */
  dispose() {
    this.cancel();
    clearInterval(this.#timer);
    this.#view?.dispose();
    this.element.remove();
  }
}

/** Whether the same request may succeed later: not where the file itself is at fault. */
function isWorthRetrying({ status = 0 }) {
  return status < 400 || status >= 500 || [401, 408, 429].includes(status);
}

/** A report in one line: `Happiness 92.5 %, male, 32 years`. */
export function summary(report) {
  if (report.speakers?.length) {
    const count = report.speakers.length;
    return `${count === 1 ? '1 speaker' : `${count} speakers`} · ${duration(report.duration_s)}`;
  }
  const channels = report.per_channel;
  if (channels) return channels.map((each) => `${each.channel}: ${predictionText(each)}`).join(' · ');
  return `${predictionText(report)} · ${duration(report.duration_s)}`;
}

function predictionText({ emotion, gender, age, no_answer: noAnswer }) {
  if (noAnswer) return `No prediction: ${brief(noAnswer)}`;
  const words = [];
  if (emotion) words.push(`${capital(emotion.label)} ${percent(ranked(emotion)[0][1])}`);
  if (gender) words.push(gender.label);
  if (age) words.push(`${years(age.years)} years`);
  return words.join(', ') || 'Confidence too low';
}

/** A file size: `340 kB`, `12.4 MB`. */
function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${Math.round(count / 1000)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
