// Saves reports as files: JSON as the server sent it, CSV for spreadsheets.

import { element } from './elements.js';

/** Saves one report: JSON as received, or a CSV with one row per segment of its timeline, or per
 * turn of its speakers. */
export function save(kind, file, reply) {
  const text = kind === 'json' ? `${reply.text.trimEnd()}\n` : csv(segmentRows(file.name, reply.report));
  saveText(text, kind, file.name);
}

/** Saves a text under the name of a recording. */
export function saveText(text, kind, name) {
  download(text, kind, `${stem(name)}.${kind}`);
}

/** Saves the reports of several rows: JSON as one array, or a CSV with one row per recording (and
 * channel). */
export function saveAll(kind, rows) {
  const text =
    kind === 'json'
      ? `[\n${rows.map((row) => row.reply.text.trim()).join(',\n')}\n]\n`
      : csv(rows.flatMap((row) => recordingRows(row.file.name, row.reply.report)));
  download(text, kind, `persona-results.${kind}`);
}

function recordingRows(name, report) {
  return voicesOf(report).map((voice) => ({
    file: name,
    channel: voice.channel ?? '',
    ...speakerCell(voice),
    duration_s: report.duration_s,
    speech_s: voice.speech_s ?? '',
    ...predictionCells(voice),
    model: report.model,
  }));
}

/** The columns of the command line's `--csv`. */
function segmentRows(name, report) {
  return voicesOf(report).flatMap((voice) => {
    const segments = voice.turns ?? voice.timeline ?? [];
    if (!segments.length) return recordingRows(name, { ...report, speakers: undefined, per_channel: [voice] });
    return segments.map((segment) => ({
      file: name,
      channel: voice.channel ?? '',
      ...speakerCell(voice),
      start_s: segment.start_s,
      end_s: segment.end_s,
      speech_share: segment.speech_share ?? '',
      ...predictionCells(segment),
    }));
  });
}

/** The speakers, or the channels, or the recording. */
function voicesOf(report) {
  if (report.speakers?.length) return report.speakers;
  return report.per_channel ?? [report];
}

/** The column of the speaker, with speaker diarization. */
const speakerCell = ({ speaker, name }) => (speaker ? { speaker: name ?? speaker } : {});

/** The columns of the heads that were run; a disabled head has none. */
function predictionCells(prediction) {
  const cells = {};
  for (const head of ['emotion', 'gender']) {
    if (!(head in prediction)) continue;
    cells[head] = prediction[head]?.label ?? '';
    for (const [label, share] of Object.entries(prediction[head]?.probabilities ?? {})) cells[`${head}_${label}`] = share;
  }
  if ('age' in prediction) {
    const { years = '', interval } = prediction.age ?? {};
    Object.assign(cells, {
      age_years: years,
      age_low_years: interval?.low_years ?? '',
      age_high_years: interval?.high_years ?? '',
    });
  }
  return { ...cells, no_answer: prediction.no_answer?.reason ?? '' };
}

/** Rows as text. The row with most cells sets the order of the columns, since rows without a prediction lack probabilities;
 * columns of other models follow. */
export function csv(rows) {
  const fullest = rows.reduce((most, row) => (Object.keys(row).length > most.length ? Object.keys(row) : most), []);
  const columns = [...new Set([...fullest, ...rows.flatMap(Object.keys)])];
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))];
  return lines.map((cells) => `${cells.map(cell).join(',')}\n`).join('');
}

/** Quoted where needed. A text that a spreadsheet would read as a formula gets an apostrophe;
 * numbers do not. */
function cell(value) {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function stem(name) {
  return name.replace(/\.[^.]*$/, '') || 'persona';
}

const TYPES = { json: 'application/json', csv: 'text/csv', rttm: 'text/plain' };

function download(text, kind, name) {
  const address = URL.createObjectURL(new Blob([text], { type: TYPES[kind] }));
  element('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
