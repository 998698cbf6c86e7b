// Client of the server's HTTP interface. Addresses are relative, so the page also works below a
// path of a reverse proxy.

import { refusal } from './refusals.js';

const TOKEN_KEY = 'persona-token';

/** A failed request: what went wrong, with the server's message as `detail` where there is one. */
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

/** The models of the server: `{default, models: [{name, …}]}`. */
export const models = () => read('v1/models');

/** The names of the parameters of a prediction, from the server's OpenAPI document. */
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
 * Uploads a file and waits for the report.
 *
 * `options` are the parameters by name. `onUpload(share)` is called with the uploaded share, 0 to 1. `signal` cancels. Resolves to
 * `{report, text}`, the report parsed and as received; rejects with a {@link Problem}, or an `AbortError` after a cancel.
 * XMLHttpRequest, because fetch has no upload progress.
 */
export function predict(file, { options: parameters, onUpload, signal }) {
  const form = new FormData();
  form.append('file', file, file.name);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `v1/predict?${new URLSearchParams(parameters)}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onUpload(event.loaded / event.total);
    request.upload.onload = () => onUpload(1);
    request.onerror = () => reject(disconnected());
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    request.onload = () => {
      try {
        resolve(replyOf(request));
      } catch (problem) {
        reject(problem);
      }
    };
    signal.addEventListener('abort', () => request.abort());
    if (signal.aborted) reject(new DOMException('cancelled', 'AbortError'));
    else request.send(form);
  });
}

function replyOf(request) {
  const text = request.responseText;
  if (request.status !== 200) throw problemOf(request.status, text, request.getResponseHeader('Retry-After'));
  try {
    return { report: JSON.parse(text), text };
  } catch {
    throw new Problem('The response cannot be read.', 'A proxy between this page and the server may have changed it.', 200);
  }
}

/** A problem document of the server (RFC 9457), or a general problem where something else
 * responded. */
function problemOf(status, text, retryAfter) {
  const seconds = Number.parseInt(retryAfter ?? '', 10);
  const retryAfterS = Number.isFinite(seconds) ? seconds : null;
  try {
    const { reason, detail } = JSON.parse(text);
    return new Problem(refusal(reason), detail ?? '', status, retryAfterS);
  } catch {
    return new Problem(refusal(), `The response has status ${status}.`, status, retryAfterS);
  }
}

const unreachable = () => new Problem('The server cannot be reached.', 'Check that it is running, then reload the page.');

const disconnected = () =>
  new Problem(
    'The connection was lost before a response arrived.',
    'The server may have stopped or refused a recording of this size, or the file can no longer be read.',
  );
