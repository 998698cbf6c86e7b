// Answers as files: JSON as the server sent it, CSV for spreadsheets.

import { element } from './dom.js';
import { windowsOf } from './windows.js';

/** Saves one answer: JSON as it came, or a CSV with one row a window. */
export function save(kind, file, reply) {
  const text = kind === 'json' ? `${reply.text.trimEnd()}\n` : csv(windowRows(file.name, reply.report));
  offer(text, kind, `${stem(file.name)}.${kind}`);
}

/** Saves the answers of several rows: JSON as one list, or a CSV with one row a recording (and channel). */
export function saveAll(kind, rows) {
  const text = kind === 'json'
    ? `[\n${rows.map((row) => row.reply.text.trim()).join(',\n')}\n]\n`
    : csv(rows.flatMap((row) => recordingRows(row.file.name, row.reply.report)));
  offer(text, kind, `persona-results.${kind}`);
}

function recordingRows(name, report) {
  return partsOf(report).map((part) => ({ file: name, channel: part.channel ?? '', duration_s: report.duration_s, ...answerCells(part), model: report.model }));
}

function windowRows(name, report) {
  return partsOf(report).flatMap((part) => {
    const windows = windowsOf(part);
    if (windows.length === 0) return recordingRows(name, { ...report, per_channel: [part] });
    return windows.map((window) => ({
      file: name, channel: part.channel ?? '', start_s: window.start, end_s: window.end, ...answerCells({ ...window, no_answer: window.noAnswer }), model: report.model,
    }));
  });
}

const partsOf = (report) => report.per_channel ?? [report];

function answerCells({ emotion, gender, age, no_answer: noAnswer }) {
  const shares = (choice) => Object.fromEntries(Object.entries(choice?.probabilities ?? {}).map(([label, share]) => [`p_${label}`, share]));
  return {
    emotion: emotion?.label ?? '', ...shares(emotion),
    gender: gender?.label ?? '', ...shares(gender),
    age: age?.years ?? '', age_low: age?.interval?.low_years ?? '', age_high: age?.interval?.high_years ?? '',
    no_answer: noAnswer?.reason ?? '',
  };
}

/** Rows as RFC 4180 text. The fullest row gives the columns' order, since rows without an answer have no probabilities; other systems' labels follow. */
export function csv(rows) {
  const fullest = rows.reduce((most, row) => (Object.keys(row).length > most.length ? Object.keys(row) : most), []);
  const columns = [...new Set([...fullest, ...rows.flatMap(Object.keys)])];
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))];
  return lines.map((cells) => cells.map(cell).join(',')).join('\r\n') + '\r\n';
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
