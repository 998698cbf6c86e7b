// Ways to add recordings: file chooser, drag and drop, paste, microphone.

import { announce, byId } from './dom.js';
import { clock } from './format.js';
import { Microphone } from './microphone.js';

/** Calls `add(files)` with the recordings that are added in any way. */
export function onRecordings(add) {
  initChooser(add);
  initDrops(add);
  document.addEventListener('paste', (event) => addFrom(event.clipboardData, add));
  initMicrophone(add);
}

function initChooser(add) {
  const input = byId('file');
  byId('choose').addEventListener('click', () => input.click());
  byId('drop').addEventListener('click', (event) => {
    if (!event.target.closest('button, input')) input.click();
  });
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // so that the same file can be chosen again
    if (files.length) add(files);
  });
}

function initDrops(add) {
  const veil = byId('drop-veil');
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  let depth = 0; // dragenter and dragleave fire for every nested element
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
    addFrom(event.dataTransfer, add);
  });
}

function addFrom(transfer, add) {
  const files = [...(transfer?.files ?? [])];
  if (files.length) add(files);
}

function initMicrophone(add) {
  let microphone = null;
  const problem = byId('intake-problem');

  const start = async () => {
    byId('record').disabled = true;
    problem.textContent = '';
    try {
      microphone = await Microphone.start(showLevel, keep);
      showRecorder(true);
      announce('Recording. Speak for at least three seconds.');
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
    add([file]);
  };
  const discard = () => {
    microphone?.discard();
    microphone = null;
    showRecorder(false);
    announce('Recording discarded.');
  };

  byId('record').addEventListener('click', start);
  byId('recording-stop').addEventListener('click', keep);
  byId('recording-discard').addEventListener('click', discard);
}

function showRecorder(recording) {
  byId('recording').hidden = !recording;
  byId('drop').hidden = recording;
  showLevel(0, 0);
  byId(recording ? 'recording-stop' : 'record').focus();
}

/** Shows the peak on a scale of 60 dB. */
function showLevel(seconds, peak) {
  const height = Math.max(0, 1 + (20 * Math.log10(peak + 1e-9)) / 60);
  byId('recording-time').textContent = clock(seconds);
  byId('recording-level').style.setProperty('--level', Math.min(1, height).toFixed(3));
}
