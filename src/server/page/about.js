// The dialog with the systems, what they were measured to do, limits and the law.

import { byId, element } from './dom.js';

/** What was held back from the training, by the names of model files; the order of the table. */
const PROTOCOLS = {
  fold_actor: 'Voices not heard before',
  fold_sentence: 'Sentences not heard before',
  fold_clip: 'Clips at random, known voices',
};
const MEASURES = [
  ['emotion_accuracy', 'Emotion right', '%'],
  ['gender_accuracy', 'Gender right', '%'],
  ['age_mae', 'Age off by', 'years'],
];

/** Every button with `data-about` opens the dialog; the list of systems fills it when it is known. */
export function offerAbout(listing) {
  const dialog = byId('about');
  document.addEventListener('click', (event) => {
    const opener = event.target.closest('[data-about]');
    if (opener) open(dialog, opener.dataset.about);
    else if (event.target === dialog || event.target.closest('#about [data-close]')) dialog.close();
  });
  const place = byId('about-systems');
  listing.then(
    ({ models, default: usual }) =>
      place.replaceChildren(...models.map((model) => describe(model, models.length > 1 && model.name === usual))),
    (problem) => place.replaceChildren(element('p', { textContent: `The systems could not be listed: ${problem.message}` })),
  );
}

/** Opens the dialog at its beginning, or at a system. */
function open(dialog, name) {
  dialog.showModal();
  const system = [...dialog.querySelectorAll('.about-system')].find((each) => each.dataset.name === name);
  dialog.querySelector('.dialog-body').scrollTop = 0;
  system?.scrollIntoView();
}

function describe(model, isUsual) {
  const title = element('h3', { textContent: model.name });
  if (isUsual) title.append(' ', element('span', { className: 'tag', textContent: 'answers if none is chosen' }));
  const section = element('section', { className: 'about-system' }, title, scores(model.scores ?? []), origin(model));
  section.dataset.name = model.name;
  return section;
}

function scores(rows) {
  const known = Object.keys(PROTOCOLS).flatMap((protocol) => rows.filter((row) => row.protocol === protocol));
  if (known.length === 0) return element('p', { className: 'soft', textContent: 'Its file states no scores.' });
  const shown = MEASURES.filter(([key]) => known.some((row) => row[key]));
  const cells = (tag, scope, texts) =>
    texts.map((textContent) => Object.assign(element(tag, { textContent }), scope ? { scope } : {}));
  const head = element('tr', {}, ...cells('th', 'col', ['Measured on', ...shown.map(([, name]) => name)]));
  const body = known.map((row) =>
    element(
      'tr',
      {},
      ...cells('th', 'row', [PROTOCOLS[row.protocol]]),
      ...cells(
        'td',
        null,
        shown.map(([key, , unit]) => figure(row[key], unit)),
      ),
    ),
  );
  return element(
    'div',
    { className: 'scores' },
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)),
    element('p', {
      className: 'soft',
      textContent: 'Mean over folds ± standard deviation. Expect the first row of people whom the system does not know, at best.',
    }),
  );
}

function figure(measure, unit) {
  if (!measure) return '–';
  const spread = typeof measure.std === 'number' ? ` ± ${measure.std.toFixed(1)}` : '';
  return `${measure.mean.toFixed(1)}${spread}\u00a0${unit}`;
}

function origin({ sha256, licence, data }) {
  const facts = [
    ['Trained on', data?.corpus],
    ['Licence', licence],
    ['SHA-256', sha256?.slice(0, 16)],
  ];
  const lines = facts.filter(([, value]) => typeof value === 'string');
  return element(
    'dl',
    { className: 'origin soft' },
    ...lines.map(([name, value]) =>
      element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value })),
    ),
  );
}
