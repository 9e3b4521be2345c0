// One event of the review: its row in the list, and its clip, texts and buttons while it is selected.

import { address, Clip } from './clip.js';
import { element, icon, setText } from './dom.js';
import { lasted, provisional } from './feed.js';
import { levelExplained, rarity, timeOfDay } from './words.js';

export const ACTIONS = { a: 'acknowledge', n: 'normal', r: 'real', u: 'undo' }; // by key
const WORDS = { acknowledge: 'Acknowledge', normal: 'This was normal', real: 'Was real', undo: 'Undo' };

function by(user) {
  return user ? ` by ${user}` : '';
}

// What operators said of an event, in words; empty if nothing.
function judgementWords(event) {
  const { verdict, acknowledged_s } = event;
  if (verdict) return `${verdict === 'real' ? 'was real' : 'was normal'}${by(event.judged_by)}`;
  return acknowledged_s === null ? '' : `acknowledged${by(event.acknowledged_by)}`;
}

// True if an action would change nothing.
export function isDone(event, what) {
  if (what === 'acknowledge') return event.acknowledged_s !== null;
  return what === 'undo' ? event.acknowledged_s === null : event.verdict === what;
}

// One event in the list: a row, and below it the clip and the buttons while the event is selected.
export class EventCard {
  isTouched = false; // judged on this page, so it stays although the filters may exclude it now
  #image = element('img', { alt: '', loading: 'lazy', decoding: 'async' });
  #name = element('span', { class: 'event-name' });
  #when = element('time');
  #reason = element('span', { class: 'reason' });
  #lasted = element('span', { class: 'lasted' });
  #judgement = element('span', { class: 'judgement' });
  #body = null;

  constructor(event, onselect) {
    const thumb = element('span', { class: 'thumb' }, this.#image);
    const head = element('span', { class: 'card-head' }, this.#name, element('span', { class: 'when' }, this.#when, ' · ', this.#lasted));
    const words = element('span', { class: 'event-words' }, head, element('span', { class: 'event-line' }, this.#reason, this.#judgement));
    this.row = element('button', { type: 'button', class: 'event-row', 'aria-expanded': 'false', onclick: onselect }, thumb, words);
    this.node = element('li', { class: 'event', 'data-event-id': event.id, tabindex: -1 }, this.row);
  }

  get isSelected() {
    return this.#body !== null;
  }

  show(event, board) {
    const becameWhole = this.event?.recording && !event.recording;
    this.event = event;
    setText(this.#name, event.camera);
    setText(this.#when, timeOfDay(event.opened_s));
    this.#when.dateTime = new Date(event.opened_s * 1000).toISOString();
    setText(this.#reason, event.reason);
    setText(this.#lasted, event.open ? `open for ${lasted(event, board.now_s)}` : lasted(event, board.now_s));
    setText(this.#judgement, event.recording && !event.open ? 'being recorded' : judgementWords(event));
    this.#judgement.dataset.verdict = event.verdict ?? '';
    this.node.toggleAttribute('data-open', event.open);
    this.node.toggleAttribute('data-acknowledged', event.acknowledged_s !== null);
    const picture = event.snapshot ? address(event, 'snapshot.jpg') : '';
    if (picture && this.#image.getAttribute('src') !== picture) this.#image.src = picture;
    this.#image.hidden = !picture;
    if (becameWhole && this.isSelected) this.#body.replay(event);
    this.#body?.show(event, board);
  }

  select(board, onact) {
    this.#body = new Body(this.event, onact);
    this.#body.show(this.event, board);
    this.node.append(this.#body.node);
    this.#mark(true);
  }

  deselect() {
    this.#body?.stop();
    this.#body?.node.remove();
    this.#body = null;
    this.#mark(false);
  }

  toggle() {
    this.#body?.toggle();
  }

  say(text) {
    this.#body?.say(text);
  }

  #mark(isSelected) {
    this.node.toggleAttribute('data-selected', isSelected);
    this.row.setAttribute('aria-expanded', String(isSelected));
  }
}

// What is below the row of the selected event.
class Body {
  #clip = null;
  #place = element('div', { class: 'event-clip' });
  #peak = element('p', { class: 'peak' });
  #provisional = element('p', { class: 'basis', 'data-provisional': true });
  #said = element('p', { class: 'said' });
  #note = element('p', { class: 'basis' });
  #files = element('p', { class: 'files' });
  #outcome = element('p', { class: 'outcome', role: 'status' });
  #buttons = {};

  constructor(event, onact) {
    for (const [key, what] of Object.entries(ACTIONS)) {
      const about = `${WORDS[what]}: ${event.camera}, ${timeOfDay(event.opened_s)}`;
      this.#buttons[what] = element('button', { type: 'button', class: what, title: `Key ${key}`, 'aria-label': about });
      this.#buttons[what].addEventListener('click', () => onact(what));
    }
    const actions = element('div', { class: 'actions' }, ...Object.values(this.#buttons), this.#outcome);
    // A mouse click leaves the focus on the event, so that space plays and does not press the button again.
    actions.addEventListener('click', ({ detail }) => detail && this.node.parentNode?.focus({ preventScroll: true }));
    this.node = element('div', { class: 'event-body' }, this.#place, this.#peak, this.#provisional, this.#note, this.#said, actions, this.#files);
    this.replay(event);
  }

  // Loads the clip, or shows the picture of an event without one.
  replay(event) {
    this.stop();
    if (event.parts.length) {
      this.#clip = new Clip(event);
      this.#place.replaceChildren(this.#clip.node);
      return;
    }
    const picture = event.snapshot && element('img', { class: 'event-picture', src: address(event, 'snapshot.jpg'), alt: `Picture at the peak, ${event.camera}` });
    const why = event.recording ? 'The clip can be played once it is recorded.' : 'There is no clip.';
    this.#place.replaceChildren(...(picture ? [picture] : []), element('p', { class: 'empty' }, why));
  }

  show(event, board) {
    setText(this.#peak, rarity(event.peak_level, event.basis_s));
    this.#peak.title = levelExplained(event.peak_level, event.basis_s);
    setText(this.#provisional, provisional(event, board.asked_s));
    setText(this.#note, event.note);
    this.#note.hidden = !event.note;
    const said = [
      event.acknowledged_s !== null && `acknowledged${by(event.acknowledged_by)}, ${timeOfDay(event.acknowledged_s, false)}`,
      event.verdict && `${event.verdict === 'real' ? 'was real' : 'was normal, kept for the next fit'}${by(event.judged_by)}, ${timeOfDay(event.judged_s, false)}`,
    ].filter(Boolean);
    setText(this.#said, said.join(' · '));
    this.#said.hidden = !said.length;
    for (const [what, button] of Object.entries(this.#buttons)) {
      const key = `${what !== 'undo' && isDone(event, what)}`;
      if (button.dataset.done === key) continue;
      button.dataset.done = key;
      button.replaceChildren(...(key === 'true' ? [icon('check')] : []), WORDS[what]);
      button.setAttribute('aria-pressed', key);
    }
    this.#buttons.undo.removeAttribute('aria-pressed');
    this.#buttons.undo.disabled = isDone(event, 'undo');
    this.#buttons.normal.disabled = event.open;
    this.#showFiles(event);
  }

  #showFiles(event) {
    const key = JSON.stringify([event.parts, event.snapshot, event.heatmap, event.side_car]);
    if (this.#files.dataset.key === key) return;
    this.#files.dataset.key = key;
    const name = `${event.camera} ${new Date(event.opened_s * 1000).toISOString().slice(0, 19).replaceAll(':', '-')}`;
    const link = (what, words, file) => element('a', { href: address(event, what), download: file }, words);
    const links = event.parts.map((part) => {
      const number = event.parts.length > 1 ? ` ${part}` : '';
      return link(`clip/${part}`, `clip${number}`, `${name}${number}.mp4`);
    });
    if (event.snapshot) links.push(link('snapshot.jpg', 'picture', `${name}.jpg`));
    if (event.heatmap) links.push(link('heatmap.png', 'heatmap', `${name}.png`));
    if (event.side_car) links.push(link('side-car', 'scores', `${name}.json`));
    this.#files.replaceChildren(...(links.length ? ['Save: '] : []), ...links);
  }

  say(text) {
    setText(this.#outcome, text);
  }

  toggle() {
    this.#clip?.toggle();
  }

  stop() {
    this.#clip?.stop();
    this.#clip = null;
  }
}
