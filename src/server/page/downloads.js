// Answers as files: JSON as the server sent it, CSV for spreadsheets.

import { element } from './dom.js';

/** Saves one answer: JSON as it came, or a CSV with one row a stretch of its timeline. */
export function save(kind, file, reply) {
  const text = kind === 'json' ? `${reply.text.trimEnd()}\n` : csv(stretchRows(file.name, reply.report));
  offer(text, kind, `${stem(file.name)}.${kind}`);
}

/** Saves the answers of several rows: JSON as one list, or a CSV with one row a recording (and channel). */
export function saveAll(kind, rows) {
  const text =
    kind === 'json'
      ? `[\n${rows.map((row) => row.reply.text.trim()).join(',\n')}\n]\n`
      : csv(rows.flatMap((row) => recordingRows(row.file.name, row.reply.report)));
  offer(text, kind, `persona-results.${kind}`);
}

function recordingRows(name, report) {
  return partsOf(report).map((part) => ({
    file: name,
    channel: part.channel ?? '',
    duration_s: report.duration_s,
    speech_s: part.speech_s ?? '',
    ...answerCells(part),
    model: report.model,
  }));
}

/** The columns of the command line's `--csv`. */
function stretchRows(name, report) {
  return partsOf(report).flatMap((part) => {
    if (!part.timeline?.length) return recordingRows(name, { ...report, per_channel: [part] });
    return part.timeline.map((stretch) => ({
      file: name,
      channel: part.channel ?? '',
      start_s: stretch.start_s,
      end_s: stretch.end_s,
      speech_share: stretch.speech_share ?? '',
      ...answerCells(stretch),
    }));
  });
}

const partsOf = (report) => report.per_channel ?? [report];

/** The heads that the answer has; one that is turned off has no columns. */
function answerCells(answer) {
  const cells = {};
  for (const head of ['emotion', 'gender']) {
    if (!(head in answer)) continue;
    cells[head] = answer[head]?.label ?? '';
    for (const [label, share] of Object.entries(answer[head]?.probabilities ?? {})) cells[`${head}_${label}`] = share;
  }
  if ('age' in answer) {
    const { years = '', interval } = answer.age ?? {};
    Object.assign(cells, {
      age_years: years,
      age_low_years: interval?.low_years ?? '',
      age_high_years: interval?.high_years ?? '',
    });
  }
  return { ...cells, no_answer: answer.no_answer?.reason ?? '' };
}

/** Rows as text. The fullest row gives the columns' order, since rows without an answer have no probabilities; other systems' labels follow. */
export function csv(rows) {
  const fullest = rows.reduce((most, row) => (Object.keys(row).length > most.length ? Object.keys(row) : most), []);
  const columns = [...new Set([...fullest, ...rows.flatMap(Object.keys)])];
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))];
  return lines.map((cells) => `${cells.map(cell).join(',')}\n`).join('');
}

/** A name that a spreadsheet would take for a formula gets an apostrophe; numbers are left alone. */
function cell(value) {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function stem(name) {
  return name.replace(/\.[^.]*$/, '') || 'persona';
}

function offer(text, kind, name) {
  const address = URL.createObjectURL(new Blob([text], { type: kind === 'json' ? 'application/json' : 'text/csv' }));
  element('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
