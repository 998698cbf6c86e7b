// Asks for the bearer token of a server that wants one.

import { setToken } from './api.js';
import { byId } from './dom.js';

let asking = null;

/** What `ask()` resolves to; as long as the server refuses for want of a token, and a person gives one, it is asked again. */
export async function withToken(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (problem) {
      if (problem.status !== 401 || !(await askForToken())) throw problem;
    }
  }
}

/** Shows the dialog; resolves to whether a token was given. Whoever asks while it is open gets the same answer. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    const [dialog, field] = [byId('token'), byId('token-text')];
    field.value = '';
    dialog.returnValue = '';
    dialog.addEventListener(
      'close',
      () => {
        const given = dialog.returnValue === 'given' && field.value !== '';
        if (given) setToken(field.value);
        asking = null;
        resolve(given);
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}

byId('token')
  .querySelector('form')
  .addEventListener('submit', (event) => {
    event.preventDefault();
    byId('token').close('given');
  });
byId('token')
  .querySelector('[data-close]')
  .addEventListener('click', () => byId('token').close(''));
