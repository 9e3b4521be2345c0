// Feed of the alerts, newest first, with buttons to acknowledge and judge them.

import { boxOverlay, drawBoxes, element, icon, setText } from './dom.js';
import { post } from './requests.js';
import { duration, levelExplained, provisionalWords, rarity, timeOfDay } from './words.js';

const TICK_MS = 1000;
const CARDS = 60;

export function lasted(alert, now_s) {
  return duration((alert.closed_s ?? Math.max(alert.time_s, alert.open ? now_s : 0)) - alert.opened_s);
}

// The text that an alert is provisional, and why; empty if it is not.
export function provisional(alert, asked_s) {
  return alert.provisional ? provisionalWords(alert.basis_s, asked_s) : '';
}

// What the verdict normal keeps: the clip, or frames where there is no clip.
function savedFootage(alert) {
  return alert.normal_frames === null ? 'clip' : `${alert.normal_frames} frames`;
}

export function pictureAddress(alert, stream) {
  return `api/alerts/${encodeURIComponent(alert.id)}/picture.jpg?stream=${stream}&version=${alert.pictures}`;
}

// Picture of an alert with its boxes; shows the newest version.
export class AlertPicture {
  #image;
  #boxes = boxOverlay();
  #stream;
  #words;

  constructor(stream, words) {
    this.#stream = stream;
    this.#words = words;
    this.#image = element('img', { alt: '', decoding: 'async' });
    this.node = element('span', { class: `still ${stream}` }, this.#image, this.#boxes);
  }

  show(alert) {
    if (alert.size) this.node.style.setProperty('--aspect', (alert.size[0] / alert.size[1]).toFixed(4));
    drawBoxes(this.#boxes, alert.boxes, alert.size);
    this.node.toggleAttribute('data-none', !alert.pictures);
    if (!alert.pictures) return;
    const address = pictureAddress(alert, this.#stream);
    if (this.#image.getAttribute('src') !== address) this.#image.src = address;
    this.#image.alt = `${this.#words}, ${alert.camera}`;
  }
}

// Buttons of one alert, and the outcome of the last click.
export class AlertActions {
  #acknowledge = element('button', { type: 'button', class: 'acknowledge' });
  #normal = element('button', { type: 'button', class: 'normal' });
  #real = element('button', { type: 'button', class: 'real' });
  #outcome = element('p', { class: 'outcome', role: 'status' });
  #alert;

  constructor(onchange) {
    this.#acknowledge.addEventListener('click', () => this.#ask('acknowledge', onchange));
    this.#normal.addEventListener('click', () => this.#ask('normal', onchange));
    this.#real.addEventListener('click', () => this.#ask('real', onchange));
    this.node = element('div', { class: 'actions' }, this.#acknowledge, this.#normal, this.#real, this.#outcome);
  }

  show(alert) {
    this.#alert = alert;
    const seen = alert.acknowledged_s !== null;
    const about = `${alert.camera}, ${timeOfDay(alert.opened_s)}`;
    this.#label(this.#acknowledge, seen ? 'Acknowledged' : 'Acknowledge', about, seen);
    const stored = alert.verdict === 'normal';
    this.#label(this.#normal, stored ? 'Saved as normal' : 'This was normal', about, stored);
    this.#normal.title = stored
      ? `${savedFootage(alert)} saved as normal footage of scene ${alert.scene}, for the next fit`
      : 'Save the frames as normal footage, for `streammon fit --from-review`';
    this.#normal.disabled = !stored && (alert.open || !(alert.frames || document.body.hasAttribute('data-reviews')));
    if (alert.open) this.#normal.title = 'Available once the alert has closed';
    const real = alert.verdict === 'real';
    this.#label(this.#real, real ? 'Marked as real' : 'Was real', about, real);
    this.#real.title = real
      ? 'Marked as a real anomaly; its frames are not saved as normal footage'
      : 'Mark as a real anomaly; its frames are not saved as normal footage';
  }

  #label(button, words, about, done) {
    if (button.dataset.words === words) return;
    button.dataset.words = words;
    button.replaceChildren(...(done ? [icon('check')] : []), words);
    button.setAttribute('aria-label', `${words}: ${about}`);
    button.setAttribute('aria-disabled', String(done));
  }

  async #ask(what, onchange) {
    if (this.#alert.acknowledged_s !== null && what === 'acknowledge') return;
    if (this.#alert.verdict === what) return;
    setText(this.#outcome, '');
    try {
      const alert = await post(`api/alerts/${encodeURIComponent(this.#alert.id)}/${what}`);
      onchange(alert);
      if (what === 'normal') setText(this.#outcome, `${savedFootage(alert)} saved for the next fit`);
    } catch (error) {
      setText(this.#outcome, error.message);
    }
  }
}

class Card {
  #picture = new AlertPicture('picture', 'Picture at the peak');
  #blended = new AlertPicture('blended', 'Picture at the peak with heatmap');
  #name = element('h3');
  #when = element('time');
  #lasted = element('span', { class: 'lasted' });
  #reason = element('p', { class: 'reason' });
  #peak = element('p', { class: 'peak' });
  #provisional = element('p', { class: 'basis', 'data-provisional': true });
  #actions;

  constructor(alert, onopen, onchange) {
    this.#actions = new AlertActions(onchange);
    this.look = element(
      'button',
      { class: 'look', type: 'button', onclick: () => onopen(alert.id) },
      this.#picture.node,
      this.#blended.node,
    );
    const line = element('p', { class: 'when' }, this.#when, ' · ', this.#lasted);
    const head = element('div', { class: 'card-head' }, this.#name, line);
    const texts = [head, this.#reason, this.#peak, this.#provisional];
    this.node = element('li', { class: 'card', 'data-alert-id': alert.id }, ...texts, this.look, this.#actions.node);
  }

  show(alert, now_s, asked_s) {
    setText(this.#name, alert.camera);
    setText(this.#when, timeOfDay(alert.opened_s));
    this.#when.dateTime = new Date(alert.opened_s * 1000).toISOString();
    this.look.setAttribute('aria-label', `Show the alert of ${alert.camera} at ${timeOfDay(alert.opened_s)} large`);
    setText(this.#reason, alert.reason);
    setText(this.#peak, rarity(alert.peak_level, alert.basis_s));
    this.#peak.title = levelExplained(alert.peak_level, alert.basis_s);
    setText(this.#provisional, provisional(alert, asked_s));
    this.node.toggleAttribute('data-open', alert.open);
    this.node.toggleAttribute('data-acknowledged', alert.acknowledged_s !== null);
    this.#picture.show(alert);
    this.#blended.show(alert);
    this.#actions.show(alert);
    this.tick(alert, now_s);
  }

  tick(alert, now_s) {
    setText(this.#lasted, alert.open ? `open for ${lasted(alert, now_s)}` : lasted(alert, now_s));
  }
}

export class Feed {
  #cards = new Map();
  #list;
  #empty;
  #only;
  #board;
  #onopen;

  constructor(board, onopen) {
    this.#list = document.getElementById('feed');
    this.#empty = document.getElementById('no-alerts');
    this.#only = document.getElementById('only-new');
    this.#board = board;
    this.#onopen = onopen;
    board.addEventListener('all', () => this.#showAll());
    board.addEventListener('alert', ({ detail }) => this.#show(detail.alert, detail.isNew));
    this.#only.addEventListener('change', () => this.#filter());
    setInterval(() => this.#tick(), TICK_MS);
  }

  #showAll() {
    for (const [id, card] of this.#cards) {
      if (this.#board.alerts.has(id)) continue;
      card.node.remove();
      this.#cards.delete(id);
    }
    const newest = [...this.#board.alerts.values()].slice(0, CARDS);
    newest.reverse().forEach((alert) => this.#show(alert, !this.#cards.has(alert.id)));
  }

  #show(alert, isNew) {
    let card = this.#cards.get(alert.id);
    if (!card && isNew) {
      card = new Card(alert, this.#onopen, (changed) => this.#board.updateAlert(changed));
      this.#cards.set(alert.id, card);
      this.#list.prepend(card.node);
      this.#trim();
    }
    card?.show(alert, this.#board.now_s, this.#board.asked_s);
    this.#filter();
  }

  #trim() {
    while (this.#cards.size > CARDS) {
      const [id, card] = this.#cards.entries().next().value;
      card.node.remove();
      this.#cards.delete(id);
    }
  }

  #filter() {
    let shown = 0;
    for (const card of this.#cards.values()) {
      const hidden = this.#only.checked && card.node.hasAttribute('data-acknowledged');
      card.node.hidden = hidden && !card.node.contains(document.activeElement);
      shown += !hidden;
    }
    this.#empty.hidden = this.#cards.size > 0;
    this.#list.hidden = shown === 0 && this.#cards.size === 0;
  }

  #tick() {
    for (const alert of this.#board.openAlerts) this.#cards.get(alert.id)?.tick(alert, this.#board.now_s);
  }
}
