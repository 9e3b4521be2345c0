// Grid of all cameras; only visible tiles play.

import { element, icon, setText } from './dom.js';
import { shownLevel } from './board.js';
import { Screen } from './screen.js';
import { settings } from './settings.js';
import { drawTimeline, timelineWords } from './timeline.js';
import {
  basisWords, levelExplained, levelWords, overloadWords, provisionalWords, stateDetail, stateWords,
} from './words.js';

const DRAW_MS = 250;
const LINGER_MS = 2500; // a tile that leaves the view stops after this delay, so that scrolling back does not restart it
const WORDS_MS = 5000;

class Tile {
  visible = false;
  isDirty = true;
  #heat = null; // choice of this tile; null follows the page
  #leaving = 0;
  #wordsAt = -Infinity;
  #screen;
  #name = element('h3', { class: 'name' });
  #state = element('span', { class: 'state' });
  #level = element('span', { class: 'level' });
  #basis = element('p', { class: 'basis' });
  #canvas = element('canvas', { class: 'timeline', role: 'img' });
  #toggle;

  constructor(camera, onopen, onchange) {
    this.name = camera.name;
    this.#screen = new Screen(camera.name, false);
    setText(this.#name, camera.name);
    const open = element('button', { class: 'open', type: 'button', 'aria-label': `Show ${camera.name} large` });
    open.addEventListener('click', () => onopen(camera.name));
    this.#screen.node.append(open);
    this.#toggle = element(
      'button',
      {
        class: 'heat', type: 'button', 'aria-pressed': 'false', title: 'Heatmap',
        'aria-label': `Heatmap of ${camera.name}`,
        onclick: () => {
          this.#heat = !this.heat;
          onchange();
        },
      },
      icon('heat'),
    );
    const words = element('div', { class: 'words' }, this.#name, this.#state, this.#level);
    const caption = element('div', { class: 'caption' }, words, this.#basis);
    this.#screen.node.append(this.#toggle);
    const article = element('article', { 'aria-label': camera.name }, this.#screen.node, caption, this.#canvas);
    this.node = element('li', { class: 'tile', 'data-camera': camera.name }, article);
  }

  get heat() {
    return this.#heat ?? settings.get('heat');
  }

  followPage() {
    this.#heat = null;
  }

  setVisible(visible, onchange) {
    clearTimeout(this.#leaving);
    if (visible) this.visible = true;
    else this.#leaving = setTimeout(() => ((this.visible = false), onchange()), LINGER_MS);
    onchange();
  }

  show(board, plays) {
    const camera = board.cameras.get(this.name);
    if (!camera) return;
    const alert = board.openAlert(this.name);
    this.#screen.update(camera, alert, plays && this.visible, this.heat);
    this.node.dataset.state = camera.state;
    this.node.toggleAttribute('data-alert', Boolean(alert));
    this.#toggle.setAttribute('aria-pressed', String(this.heat));
    this.#toggle.hidden = camera.state !== 'online';
    setText(this.#state, stateWords(camera));
    const fps = camera.fps ? `${camera.fps} pictures a second` : '';
    this.#state.title = stateDetail(camera) || [fps, overloadWords(camera)].filter(Boolean).join(', ');
    const level = camera.state === 'online' ? shownLevel(camera) : null;
    setText(this.#level, levelWords(level, camera.basis_s));
    this.#level.title = levelExplained(level, camera.basis_s);
    showBasis(this.#basis, camera, board);
    if (!this.visible) return;
    drawTimeline(this.#canvas, camera, board);
    if (performance.now() - this.#wordsAt > WORDS_MS) {
      this.#wordsAt = performance.now();
      this.#canvas.setAttribute('aria-label', timelineWords(camera, board));
    }
  }
}

// Shows the duration of a camera's normal footage, and whether it is too short for the configured rate.
export function showBasis(node, camera, board) {
  const provisional = board.isProvisional(camera);
  setText(node, provisional ? provisionalWords(camera.basis_s, board.asked_s) : basisWords(camera.basis_s));
  node.title = node.textContent;
  node.toggleAttribute('data-provisional', provisional);
}

export class Grid {
  #tiles = new Map();
  #list;
  #board;
  #plays = true;
  #observer;

  constructor(list, board, onopen) {
    this.#list = list;
    this.#board = board;
    this.#observer = new IntersectionObserver((entries) => this.#onVisibility(entries), { rootMargin: '80px 0px' });
    board.addEventListener('all', () => this.#rebuild(onopen));
    board.addEventListener('camera', ({ detail }) => this.#showNow(detail.name));
    board.addEventListener('score', ({ detail }) => this.#mark(detail.name));
    board.addEventListener('alert', ({ detail }) => this.#showNow(detail.alert.camera));
    settings.addEventListener('change', () => this.showAll());
    setInterval(() => this.#draw(), DRAW_MS);
  }

  // False while another view covers the grid, or the tab is hidden.
  set plays(plays) {
    this.#plays = plays;
    this.showAll();
  }

  followPage() {
    for (const tile of this.#tiles.values()) tile.followPage();
  }

  showAll() {
    for (const tile of this.#tiles.values()) tile.show(this.#board, this.#plays);
  }

  #rebuild(onopen) {
    const names = [...this.#board.cameras.keys()];
    if (names.join('\n') !== [...this.#tiles.keys()].join('\n')) {
      this.#observer.disconnect();
      const tiles = names.map((name) => new Tile(this.#board.cameras.get(name), onopen, () => this.#showNow(name)));
      this.#tiles = new Map(tiles.map((tile) => [tile.name, tile]));
      this.#list.replaceChildren(...tiles.map((tile) => tile.node));
      this.#list.style.setProperty('--columns', Math.min(6, Math.ceil(Math.sqrt(names.length))));
      for (const tile of tiles) this.#observer.observe(tile.node);
    }
    this.showAll();
  }

  #onVisibility(entries) {
    for (const { target, isIntersecting } of entries) {
      const name = target.dataset.camera;
      this.#tiles.get(name)?.setVisible(isIntersecting, () => this.#showNow(name));
    }
  }

  #showNow(name) {
    this.#tiles.get(name)?.show(this.#board, this.#plays);
  }

  #mark(name) {
    const tile = this.#tiles.get(name);
    if (tile) tile.isDirty = true;
  }

  // Tiles with new scores are drawn four times a second, others every two seconds, since the time axis moves.
  #ticks = 0;
  #draw() {
    if (document.hidden) return;
    this.#ticks += 1;
    for (const tile of this.#tiles.values()) {
      if (!tile.visible || !(tile.isDirty || this.#ticks % 8 === 0)) continue;
      tile.isDirty = false;
      tile.show(this.#board, this.#plays);
    }
  }
}
