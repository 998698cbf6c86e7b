// The server's interface. Addresses are relative, so that the page also works below a path of a reverse proxy.

import { refusal } from './reasons.js';

const TOKEN_KEY = 'persona-token';

/** An answer that is none: what went wrong, with the server's words as `detail` where it gave any. */
export class Problem extends Error {
  constructor(title, detail, status = 0, retryAfterS = null) {
    super(detail || title);
    Object.assign(this, { title, detail, status, retryAfterS });
  }
}

/** Keeps the bearer token until the tab is closed. */
export function setToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

function authorization() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** The systems that the server can answer with: `{default, models: [{name, …}]}`. */
export const models = () => read('v1/models');

/** The names of what a prediction can be asked for, as the server describes itself. */
export async function options() {
  const { components } = await read('openapi.json');
  return new Set(Object.keys(components.parameters));
}

async function read(address) {
  const response = await fetch(address, { headers: authorization() }).catch(() => {
    throw unreachable();
  });
  const text = await response.text();
  if (!response.ok) throw problemOf(response.status, text, response.headers.get('Retry-After'));
  return JSON.parse(text);
}

/**
 * Sends a file and waits for the answer.
 *
 * `asked` has the options by name. `onUpload(share)` hears from 0 to 1 how much has been sent. `signal` cancels. Resolves to the answer and its text as it came; rejects with a
 * {@link Problem}, or an `AbortError` after a cancel. XMLHttpRequest, because fetch tells nothing of how far an upload is.
 */
export function predict(file, { asked, onUpload, signal }) {
  const form = new FormData();
  form.append('file', file, file.name);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `v1/predict?${new URLSearchParams(asked)}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onUpload(event.loaded / event.total);
    request.upload.onload = () => onUpload(1);
    request.onerror = () => reject(brokenOff());
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    request.onload = () => {
      try {
        resolve(answerOf(request));
      } catch (problem) {
        reject(problem);
      }
    };
    signal.addEventListener('abort', () => request.abort());
    if (signal.aborted) reject(new DOMException('cancelled', 'AbortError'));
    else request.send(form);
  });
}

function answerOf(request) {
  const text = request.responseText;
  if (request.status !== 200) throw problemOf(request.status, text, request.getResponseHeader('Retry-After'));
  try {
    return { report: JSON.parse(text), text };
  } catch {
    throw new Problem('The answer cannot be read.', 'Something between this page and the server may have changed it.', 200);
  }
}

/** A refusal as the server words it (RFC 9457), or a plain one where something else answered. */
function problemOf(status, text, retryAfter) {
  const seconds = Number.parseInt(retryAfter ?? '', 10);
  const retryAfterS = Number.isFinite(seconds) ? seconds : null;
  try {
    const { reason, detail } = JSON.parse(text);
    return new Problem(refusal(reason), detail ?? '', status, retryAfterS);
  } catch {
    return new Problem(refusal(), `Its answer has status ${status}.`, status, retryAfterS);
  }
}

const unreachable = () => new Problem('The server cannot be reached.', 'Check that it runs, then load the page again.');

const brokenOff = () =>
  new Problem(
    'The connection broke off before an answer came.',
    'The server may have stopped, or refused a recording of this size; or the file cannot be read any more.',
  );
