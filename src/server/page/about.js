// The dialog with the models, their measured accuracy, limits and the law.

import { byId } from './dom.js';
import { element } from './elements.js';

/** Evaluation protocols by their names in model files, in the order of the table: what training did
 * not include. */
const PROTOCOLS = {
  fold_actor: 'Unseen speakers',
  fold_sentence: 'Unseen sentences',
  fold_clip: 'Random clips, known speakers',
};
const MEASURES = [
  ['emotion_accuracy', 'Emotion accuracy', '%'],
  ['gender_accuracy', 'Gender accuracy', '%'],
  ['age_mae', 'Mean age error', 'years'],
];

/** Every button with `data-about` opens the dialog, which `listing`, a promise of the list of
 * models, fills. */
export function initAbout(listing) {
  const dialog = byId('about');
  document.addEventListener('click', (event) => {
    const opener = event.target.closest('[data-about]');
    if (opener) open(dialog, opener.dataset.about);
    else if (event.target === dialog || event.target.closest('#about [data-close]')) dialog.close();
  });
  const list = byId('about-models');
  listing.then(
    ({ models, default: preselected }) =>
      list.replaceChildren(...models.map((model) => describe(model, models.length > 1 && model.name === preselected))),
    (problem) => list.replaceChildren(element('p', { textContent: `The models could not be listed: ${problem.message}` })),
  );
}

/** Opens the dialog at its beginning, or at a model. */
function open(dialog, name) {
  dialog.showModal();
  const section = [...dialog.querySelectorAll('.about-model')].find((each) => each.dataset.name === name);
  dialog.querySelector('.dialog-body').scrollTop = 0;
  section?.scrollIntoView();
}

function describe(model, isDefault) {
  const title = element('h3', { textContent: model.name });
  if (isDefault) title.append(' ', element('span', { className: 'tag', textContent: 'default' }));
  const section = element('section', { className: 'about-model' }, title, scores(model.scores ?? []), origin(model));
  section.dataset.name = model.name;
  return section;
}

function scores(rows) {
  const known = Object.keys(PROTOCOLS).flatMap((protocol) => rows.filter((row) => row.protocol === protocol));
  if (known.length === 0) return element('p', { className: 'soft', textContent: 'The model file contains no scores.' });
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
      textContent: 'Mean over folds ± standard deviation. For people who are not in the training data, expect the first row at best.',
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
