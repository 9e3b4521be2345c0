// Functions that create elements; a string becomes a text node, never markup.

const SVG = 'http://www.w3.org/2000/svg';

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(name) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#icon-${name}` }));
}

// Sets the text of a node only if it differs, since a screen reader reads a live region again after each change.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Draws boxes, given in pixels of the stream that is scored; the overlay scales with the picture.
export function drawBoxes(overlay, boxes, size) {
  const key = JSON.stringify([boxes, size]);
  if (overlay.dataset.key === key) return;
  overlay.dataset.key = key;
  overlay.replaceChildren();
  if (!size) return;
  overlay.setAttribute('viewBox', `0 0 ${size[0]} ${size[1]}`);
  for (const [x, y, width, height] of boxes) {
    overlay.append(svg('rect', { class: 'halo', x, y, width, height }), svg('rect', { x, y, width, height }));
  }
}

export function boxOverlay() {
  return svg('svg', { class: 'boxes', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
}
