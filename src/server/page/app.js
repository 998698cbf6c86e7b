// The page: recordings are added, *Make predictions* requests their reports, one report is open at
// a time.

import * as api from './api.js';
import { initAbout } from './about.js';
import { announce, byId } from './dom.js';
import { saveAll } from './downloads.js';
import { element } from './elements.js';
import { FileRow, summary } from './file-row.js';
import { onRecordings } from './intake.js';
import { Queue } from './queue.js';
import { withToken } from './token.js';

const rows = [];
const queue = new Queue((file, options) => withToken(() => api.predict(file, options)), settled);

function add(files) {
  for (const file of files) {
    const row = new FileRow(file, { onOpen: toggle, onRemove: remove, onRetry: retry });
    rows.push(row);
    byId('files').append(row.element);
  }
  byId('intake-problem').textContent = '';
  announce(files.length === 1 ? `${files[0].name} added.` : `${files.length} recordings added.`);
  if (queue.isRunning) queueReady();
  refresh();
}

const isPending = (row) => row.state === 'ready';
const isSettled = (row) => row.state === 'done' || row.state === 'failed';

/** Queues the recordings that were added meanwhile. */
function queueReady() {
  rows.filter(isPending).forEach((row) => row.waiting());
}

async function start() {
  if (queue.isRunning || !rows.some(isPending)) return;
  queueReady();
  const running = queue.run(() => rows.find((row) => row.state === 'waiting'), requestOptions);
  refresh();
  byId('cancel').focus();
  await running;
  rows.filter((row) => row.state === 'waiting').forEach((row) => row.ready());
  refresh();
  if (document.activeElement === document.body) byId('choose').focus();
}

/** The options set on the page, of those that the server supports. */
async function requestOptions() {
  const supported = await supportedOptions;
  const speakers = byId('speakers').checked && supported.has('speakers');
  const wanted = {
    model: byId('model').value,
    // turns take the place of a timeline
    timeline: speakers ? '' : 'true',
    speakers: speakers ? 'auto' : '',
    per_channel: byId('per-channel').checked ? 'true' : '',
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value && supported.has(name)));
}

function settled(row) {
  if (row.state === 'done') {
    announce(`${row.file.name}: ${summary(row.reply.report)}.`);
    if (!rows.some((each) => each.isOpen)) open(row);
  } else if (row.state === 'failed') {
    announce(`${row.file.name} failed. ${row.element.querySelector('.file-problem p').textContent}`);
  } else {
    announce('Cancelled.');
  }
  refresh();
}

function open(row) {
  rows.forEach((each) => each.isOpen && each !== row && each.setOpen(false));
  row.setOpen(true);
}

function toggle(row) {
  if (row.isOpen) row.setOpen(false);
  else open(row);
}

function remove(row) {
  const at = rows.indexOf(row);
  rows.splice(at, 1);
  row.dispose();
  announce(`${row.file.name} removed.`);
  refresh();
  const neighbour = rows[Math.min(at, rows.length - 1)];
  if (neighbour) neighbour.focus();
  else byId('choose').focus();
}

function retry(row) {
  row.ready();
  if (queue.isRunning) queueReady();
  else start();
}

function clear() {
  queue.cancel();
  rows.splice(0).forEach((row) => row.dispose());
  announce('The list is empty.');
  refresh();
  byId('choose').focus();
}

function finished() {
  return rows.filter((row) => row.state === 'done');
}

/** Enables and shows the controls that apply now. */
function refresh() {
  const [predict, cancel] = [byId('predict'), byId('cancel')];
  const lostFocus = document.activeElement === cancel && !queue.isRunning;
  predict.hidden = queue.isRunning;
  cancel.hidden = !queue.isRunning;
  predict.disabled = !rows.some(isPending);
  byId('actions-note').textContent = queue.isRunning ? `${rows.filter(isSettled).length} of ${rows.length} done` : '';
  byId('results').hidden = rows.length === 0;
  byId('files-all').hidden = finished().length < 2;
  document.body.classList.toggle('has-files', rows.length > 0);
  if (lostFocus) (finished().find((row) => row.isOpen) ?? rows[0])?.focus();
}

async function listModels() {
  const listed = await withToken(api.models);
  byId('model').replaceChildren(...listed.models.map(({ name }) => element('option', { value: name, textContent: name })));
  byId('model').value = listed.default;
  byId('model-field').hidden = listed.models.length < 2;
  return listed;
}

/** The options that the server supports; none if it does not describe itself. */
async function listOptions() {
  const supported = await withToken(api.options).catch(() => new Set());
  byId('speakers-field').hidden = !supported.has('speakers');
  byId('per-channel-field').hidden = !supported.has('per_channel');
  return supported;
}

const supportedOptions = listOptions();
onRecordings(add);
byId('predict').addEventListener('click', start);
byId('cancel').addEventListener('click', () => queue.cancel());
byId('clear').addEventListener('click', clear);
byId('all-json').addEventListener('click', () => saveAll('json', finished()));
byId('all-csv').addEventListener('click', () => saveAll('csv', finished()));
initAbout(listModels());
