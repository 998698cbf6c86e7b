// Asks the user for the bearer token of a server that requires one.

import { setToken } from './api.js';
import { byId } from './dom.js';

let pending = null;

/** The result of `request()`; repeated with a new token as long as the server responds 401 and the
 * user enters one. */
export async function withToken(request) {
  for (;;) {
    try {
      return await request();
    } catch (problem) {
      if (problem.status !== 401 || !(await askForToken())) throw problem;
    }
  }
}

/** Shows the dialog; resolves to whether a token was entered. Concurrent calls share one dialog. */
function askForToken() {
  pending ??= new Promise((resolve) => {
    const [dialog, field] = [byId('token'), byId('token-text')];
    field.value = '';
    dialog.returnValue = '';
    dialog.addEventListener(
      'close',
      () => {
        const entered = dialog.returnValue === 'entered' && field.value !== '';
        if (entered) setToken(field.value);
        pending = null;
        resolve(entered);
      },
      { once: true },
    );
    dialog.showModal();
  });
  return pending;
}

byId('token')
  .querySelector('form')
  .addEventListener('submit', (event) => {
    event.preventDefault();
    byId('token').close('entered');
  });
byId('token')
  .querySelector('[data-close]')
  .addEventListener('click', () => byId('token').close(''));
