// Review of the events whose evidence is kept: filters, an endless list, each event's clip in place, and keys.

import { element, setText } from './dom.js';
import { ACTIONS, EventCard, isDone } from './event.js';
import { post } from './requests.js';
import { counted } from './words.js';

const PAGE = 50;
const REFRESH_MS = 1000; // after an alert changed
const RECORDING_MS = 3000; // while a clip is being recorded
const TYPING = 'input, select, textarea';
const JUDGEMENT = ['verdict', 'judged_s', 'judged_by', 'acknowledged_s', 'acknowledged_by'];

async function get(query) {
  const answer = await fetch(query, { cache: 'no-store' });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `request failed (${answer.status})`);
  return content;
}

// The order of the list, as on the server.
function isNewer(a, b) {
  return a.opened_s > b.opened_s || (a.opened_s === b.opened_s && a.id > b.id);
}

// Unix times of a day, or of a part of it, in the browser's time zone; without a day it is today.
function span(day, from, to) {
  const begin = day ? new Date(`${day}T00:00`) : new Date(new Date().setHours(0, 0, 0, 0));
  const at = (hours, minutes) => new Date(begin).setHours(hours, minutes) / 1000;
  const [since, until] = [from, to].map((time) => time && time.split(':').map(Number));
  return [since ? at(...since) : at(0, 0), until ? at(until[0], until[1] + 1) : at(24, 0)]; // the minute itself counts
}

// The filters as a query string of the API.
function queryOf(form) {
  const { camera, channel, verdict, state, day, from, to } = Object.fromEntries(new FormData(form));
  const states = { open: { open: true }, new: { acknowledged: false }, seen: { acknowledged: true } };
  const asked = { camera, channel, verdict, ...states[state] };
  if (day || from || to) [asked.since, asked.until] = span(day, from, to);
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ''));
}

export class Review {
  #board;
  #place = document.getElementById('review');
  #list = document.getElementById('events');
  #form = document.getElementById('filters');
  #counts = document.getElementById('event-counts');
  #empty = document.getElementById('no-events');
  #keys = document.getElementById('keys');
  #more = element('li', { class: 'more', 'aria-hidden': 'true' });
  #cards = new Map(); // in the order of the list
  #selected = null;
  #next = null; // cursor of the page that follows
  #query = '';
  #loading = null;
  #timer = 0;
  #isOn = false;

  constructor(board) {
    this.#board = board;
    board.addEventListener('all', () => this.#start());
    board.addEventListener('alert', () => this.#refreshIn(REFRESH_MS));
    board.addEventListener('judged', ({ detail }) => this.#onJudged(detail));
    this.#form.addEventListener('input', () => this.#anew());
    this.#form.addEventListener('reset', () => setTimeout(() => this.#anew()));
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    document.getElementById('show-keys').addEventListener('click', () => this.#keys.showModal());
    this.#keys.addEventListener('click', () => this.#keys.close());
    document.addEventListener('keydown', (press) => this.#onKey(press));
    new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#loadMore()).observe(this.#more);
  }

  #start() {
    this.#isOn = this.#board.reviews;
    this.#place.hidden = !this.#isOn;
    document.body.toggleAttribute('data-reviews', this.#isOn);
    if (!this.#isOn) return;
    const select = this.#form.elements.camera;
    const known = new Set([...select.options].map((option) => option.value));
    for (const name of this.#board.cameras.keys()) if (!known.has(name)) select.append(element('option', { value: name }, name));
    if (this.#cards.size) this.#refresh();
    else this.#anew();
  }

  // Loads the first page of what the filters select now.
  async #anew() {
    this.#query = queryOf(this.#form).toString();
    const query = this.#query;
    this.#list.setAttribute('aria-busy', 'true');
    const page = await this.#page();
    if (query !== this.#query) return;
    this.#list.removeAttribute('aria-busy');
    if (!page) return;
    this.#select(null);
    this.#cards.clear();
    this.#list.replaceChildren();
    this.#append(page);
  }

  async #page(before = '') {
    const query = new URLSearchParams(this.#query);
    query.set('limit', PAGE);
    if (before) query.set('before', before);
    try {
      const page = await get(`api/evidence?${query}`);
      if (query.toString().startsWith(this.#query)) this.#showCounts(page.counts);
      return page;
    } catch (error) {
      setText(this.#counts, error.message);
      return null;
    }
  }

  #showCounts({ matching, unacknowledged, unjudged }) {
    setText(this.#counts, `${counted(matching, 'event')} · ${unacknowledged} unacknowledged · ${unjudged} not judged`);
    this.#empty.hidden = matching > 0;
  }

  #append({ events, next }) {
    for (const event of events) this.#list.append(this.#card(event).node);
    this.#next = next;
    this.#list.append(this.#more); // stays the last one
    this.#more.hidden = next === null;
    this.#watchRecordings();
  }

  #card(event) {
    let card = this.#cards.get(event.id);
    if (!card) {
      card = new EventCard(event, () => this.#select(card.isSelected ? null : card));
      this.#cards.set(event.id, card);
    }
    card.show(event, this.#board);
    return card;
  }

  #loadMore() {
    if (!this.#next) return null;
    this.#loading ??= (async () => {
      const [query, before] = [this.#query, this.#next];
      const page = await this.#page(before);
      if (page && query === this.#query && before === this.#next) this.#append(page);
      this.#loading = null;
      // An observer reports only changes: with few rows the end of the list may still be in sight.
      if (page?.next && this.#more.getBoundingClientRect().top < innerHeight) this.#loadMore();
    })();
    return this.#loading;
  }

  #refreshIn(delay_ms) {
    if (!this.#isOn || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (document.hidden) this.#refreshIn(delay_ms);
      else this.#refresh();
    }, delay_ms);
  }

  #watchRecordings() {
    const first = [...this.#cards.values()].slice(0, PAGE);
    if (first.some((card) => card.event.recording)) this.#refreshIn(RECORDING_MS);
  }

  // Updates the top of the list; the pages below stay, since only new alerts and their clips change by themselves.
  async #refresh() {
    const query = this.#query;
    const page = await this.#page();
    if (!page || query !== this.#query) return;
    const found = new Set(page.events.map((event) => event.id));
    const last = page.events.at(-1);
    if (this.#cards.size && page.next && !page.events.some((event) => this.#cards.has(event.id))) return this.#anew();
    for (const [id, card] of this.#cards) {
      const isAbove = !page.next || card.event.opened_s > last.opened_s;
      if (isAbove && !found.has(id) && !card.isTouched && !card.isSelected) {
        card.node.remove();
        this.#cards.delete(id);
      }
    }
    const isFirst = this.#cards.size === 0;
    for (const event of page.events) {
      const isNew = !this.#cards.has(event.id);
      const card = this.#card(event);
      if (isNew) this.#insert(card);
    }
    if (isFirst) this.#next = page.next;
    this.#cards = new Map([...this.#cards].sort(([, a], [, b]) => (isNewer(a.event, b.event) ? -1 : 1)));
    this.#watchRecordings();
  }

  #insert(card) {
    const older = [...this.#list.children].find((node) => {
      const event = this.#cards.get(node.dataset.eventId)?.event;
      return !event || isNewer(card.event, event);
    });
    this.#list.insertBefore(card.node, older ?? null);
  }

  #onJudged(judgement) {
    const card = this.#cards.get(judgement.id);
    if (card) card.show({ ...card.event, ...judgement }, this.#board);
    this.#refreshIn(REFRESH_MS);
  }

  #select(card) {
    if (this.#selected === card) return;
    this.#selected?.deselect();
    this.#selected = card;
    if (!card) return;
    card.select(this.#board, (what) => this.#act(what));
    card.node.focus({ preventScroll: true });
    const show = () => card.node.scrollIntoView({ block: 'start' });
    requestAnimationFrame(() => requestAnimationFrame(show)); // the browser scrolls itself as the former clip's room goes
  }

  async #step(step) {
    const cards = [...this.#cards.values()];
    const at = this.#selected ? cards.indexOf(this.#selected) + step : 0;
    if (at >= cards.length && this.#next) {
      await this.#loadMore();
      return this.#select([...this.#cards.values()][at] ?? this.#selected);
    }
    if (cards[at]) this.#select(cards[at]);
  }

  async #act(what) {
    const card = this.#selected;
    if (!card) return;
    const { event } = card;
    if (isDone(event, what)) return;
    card.isTouched = true;
    try {
      const alert = await post(`api/alerts/${encodeURIComponent(event.id)}/${what}`);
      const judgement = Object.fromEntries(JUDGEMENT.map((name) => [name, alert[name]]));
      card.show({ ...card.event, ...judgement }, this.#board);
      card.say('');
      this.#refreshIn(REFRESH_MS);
    } catch (error) {
      card.say(error.message);
    }
  }

  #onKey(press) {
    if (!this.#isOn || press.ctrlKey || press.metaKey || press.altKey || press.defaultPrevented) return;
    if (this.#keys.open && press.key === '?') return this.#keys.close();
    if (press.target.closest?.(TYPING) || document.querySelector('dialog[open]')) return;
    const inList = document.getElementById('alerts').contains(document.activeElement);
    const steps = { j: 1, k: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1 } : {}) };
    if (press.key in steps) this.#step(steps[press.key]);
    else if (press.key in ACTIONS && this.#selected) this.#act(ACTIONS[press.key]);
    else if (press.key === ' ' && this.#selected && !press.target.closest('button, a, summary')) this.#selected.toggle();
    else if (press.key === '?') this.#keys.showModal();
    else return;
    press.preventDefault();
  }
}
