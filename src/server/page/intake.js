// Ways for recordings to come in: chosen, dropped, pasted, recorded.

import { announce, byId } from './dom.js';
import { clock } from './format.js';
import { Microphone } from './microphone.js';

/** Calls `take(files)` for whatever comes in. */
export function listen(take) {
  listenToChooser(take);
  listenToDrops(take);
  document.addEventListener('paste', (event) => hand(event.clipboardData, take));
  listenToMicrophone(take);
}

function listenToChooser(take) {
  const input = byId('file');
  byId('choose').addEventListener('click', () => input.click());
  byId('drop').addEventListener('click', (event) => {
    if (!event.target.closest('button, input')) input.click();
  });
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // so that the same file can be chosen again
    if (files.length) take(files);
  });
}

function listenToDrops(take) {
  const veil = byId('drop-veil');
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  let depth = 0; // enter and leave come for every element on the way
  const show = (change) => {
    depth = Math.max(0, depth + change);
    veil.hidden = depth === 0;
  };
  addEventListener('dragenter', (event) => carriesFiles(event) && show(1));
  addEventListener('dragleave', (event) => carriesFiles(event) && show(-1));
  addEventListener('dragover', (event) => carriesFiles(event) && event.preventDefault());
  addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    show(-depth);
    hand(event.dataTransfer, take);
  });
}

function hand(transfer, take) {
  const files = [...(transfer?.files ?? [])];
  if (files.length) take(files);
}

function listenToMicrophone(take) {
  let microphone = null;
  const problem = byId('intake-problem');

  const begin = async () => {
    byId('record').disabled = true;
    problem.textContent = '';
    try {
      microphone = await Microphone.start(showLevel, keep);
      showRecorder(true);
      announce('Recording. Speak for three seconds or more.');
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      byId('record').disabled = false;
    }
  };
  const keep = async () => {
    const ending = microphone;
    microphone = null;
    if (!ending) return;
    const file = await ending.finish();
    showRecorder(false);
    take([file]);
  };
  const discard = () => {
    microphone?.discard();
    microphone = null;
    showRecorder(false);
    announce('Recording discarded.');
  };

  byId('record').addEventListener('click', begin);
  byId('recording-stop').addEventListener('click', keep);
  byId('recording-discard').addEventListener('click', discard);
}

function showRecorder(recording) {
  byId('recording').hidden = !recording;
  byId('drop').hidden = recording;
  showLevel(0, 0);
  byId(recording ? 'recording-stop' : 'record').focus();
}

/** The bar follows the peak on a scale of 60 dB, as meters do. */
function showLevel(seconds, peak) {
  const height = Math.max(0, 1 + (20 * Math.log10(peak + 1e-9)) / 60);
  byId('recording-time').textContent = clock(seconds);
  byId('recording-level').style.setProperty('--level', Math.min(1, height).toFixed(3));
}
