// The page's own elements: by id, from templates, icons, and the status line for screen readers.

import { svg } from './elements.js';

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** One of the page's icons; decoration, hidden from screen readers. */
export function icon(name) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#${name}` }));
}

/** A copy of a template's content. */
export function fromTemplate(id) {
  return byId(id).content.cloneNode(true);
}

/** Announces a text to screen readers. */
export function announce(text) {
  byId('status').textContent = text;
}
