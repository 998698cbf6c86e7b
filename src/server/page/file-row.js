// One recording in the list: what it is called, how far it has come, and its answer when it is open.

import { Answer } from './answer.js';
import { fromTemplate } from './dom.js';
import { bytes, capital, duration, percent, ranked, years } from './format.js';
import { brief } from './reasons.js';

let count = 0;

/** A row. `state` is one of ready, waiting, sending, working, done, failed. */
export class FileRow {
  #parts;
  #controller = null;
  #answer = null;
  #ticking = null;

  /** `callbacks`: `onOpen(row)`, `onRemove(row)`, `onAgain(row)`. */
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
      again: part('again'),
      panel: part('panel'),
    };
    this.#name(part('name'));
    this.#parts.toggle.addEventListener('click', () => callbacks.onOpen(this));
    this.#parts.remove.addEventListener('click', () => callbacks.onRemove(this));
    this.#parts.again.addEventListener('click', () => callbacks.onAgain(this));
    this.ready();
  }

  #name(place) {
    const { name } = this.file;
    const id = `file-${++count}`;
    place.textContent = name;
    place.title = name;
    place.id = `${id}-name`;
    this.#parts.panel.id = `${id}-panel`;
    this.#parts.panel.setAttribute('aria-labelledby', place.id);
    this.#parts.toggle.setAttribute('aria-controls', this.#parts.panel.id);
    this.#parts.progress.setAttribute('aria-label', `Progress of ${name}`);
    this.#parts.remove.setAttribute('aria-label', `Remove ${name}`);
    this.#parts.remove.title = 'Remove';
  }

  /** Chosen, not asked for yet. */
  ready() {
    this.#enter('ready', bytes(this.file.size));
  }

  /** In the queue of this page. */
  waiting() {
    this.#enter('waiting', 'Waiting');
  }

  /** The server is busy; it is asked again in so many seconds. */
  held(seconds) {
    this.#enter('waiting', `The server is busy; once more in ${seconds} s`);
  }

  /** Begins, and returns the signal that a cancel sets off. */
  begin() {
    this.#controller = new AbortController();
    this.sent(0);
    return this.#controller.signal;
  }

  /** So much of it has been sent, from 0 to 1. */
  sent(share) {
    if (share >= 1) {
      if (this.state !== 'working') this.#work();
      return;
    }
    this.#enter('sending', `Sending ${Math.floor(100 * share)} %`);
    this.#parts.progress.value = share;
  }

  #work() {
    const since = performance.now();
    const tell = () => {
      const seconds = Math.round((performance.now() - since) / 1000);
      this.#parts.note.textContent = seconds ? `Working, ${seconds} s` : 'Working';
    };
    this.#enter('working', 'Working');
    this.#ticking = setInterval(tell, 1000);
  }

  /** Answered. */
  done(reply) {
    this.reply = reply;
    this.#enter('done', summary(reply.report));
  }

  /** Refused, or broken off. */
  failed(problem) {
    this.#enter('failed', 'Failed');
    this.#parts.title.textContent = problem.title ?? 'Something went wrong in this page.';
    this.#parts.detail.textContent = problem.detail ?? problem.message;
    this.#parts.again.hidden = !mayPassNextTime(problem);
  }

  /** Stops what goes on for it. */
  cancel() {
    this.#controller?.abort();
  }

  #enter(state, note) {
    clearInterval(this.#ticking);
    const { progress, problem, toggle } = this.#parts;
    this.state = state;
    this.element.dataset.state = state;
    this.#parts.note.textContent = note;
    progress.hidden = state !== 'sending' && state !== 'working';
    if (state === 'working') progress.removeAttribute('value');
    problem.hidden = state !== 'failed';
    toggle.disabled = state !== 'done';
  }

  /** Opens or closes its answer. */
  setOpen(open) {
    const { panel, toggle } = this.#parts;
    toggle.setAttribute('aria-expanded', String(open));
    panel.hidden = !open;
    if (open && !this.#answer) this.#answer = new Answer(panel, this.file, this.reply);
    if (!open) this.#answer?.pause();
  }

  get isOpen() {
    return !this.#parts.panel.hidden;
  }

  /** To the heading of its answer. */
  focus() {
    (this.#parts.toggle.disabled ? this.#parts.remove : this.#parts.toggle).focus();
  }

  /** Stops, and lets go of what the browser holds for it. */
  dispose() {
    this.cancel();
    clearInterval(this.#ticking);
    this.#answer?.dispose();
    this.element.remove();
  }
}

/** What is wrong with the file itself stays wrong. */
function mayPassNextTime({ status = 0 }) {
  return status < 400 || status >= 500 || [401, 408, 429].includes(status);
}

/** An answer in one line: `Happiness 92.5 %, male, 32 years`. */
export function summary(report) {
  const channels = report.per_channel;
  if (channels) return channels.map((each) => `${each.channel}: ${inShort(each)}`).join(' · ');
  return `${inShort(report)} · ${duration(report.duration_s)}`;
}

function inShort({ emotion, gender, age, no_answer: noAnswer }) {
  if (noAnswer) return `No answer: ${brief(noAnswer)}`;
  const words = [];
  if (emotion) words.push(`${capital(emotion.label)} ${percent(ranked(emotion)[0][1])}`);
  if (gender) words.push(gender.label);
  if (age) words.push(`${years(age.years)} years`);
  return words.join(', ') || 'Nothing sure enough';
}
