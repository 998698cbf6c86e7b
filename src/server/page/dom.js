// Elements made and found. Text goes in as text alone: no file name or message is ever read as HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element with properties and children (elements or text). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A new SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** One of the page's icons; it is decoration, and silent. */
export function icon(name) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#${name}` }));
}

/** A copy of a template's content. */
export function fromTemplate(id) {
  return byId(id).content.cloneNode(true);
}

/** Says something to people who listen to the page. */
export function announce(text) {
  byId('status').textContent = text;
}
