// Large view of one camera or one alert.

import { element, icon, setText } from './dom.js';
import { shownLevel } from './board.js';
import { AlertActions, AlertPicture, lasted, provisional } from './feed.js';
import { showBasis } from './grid.js';
import { Screen } from './screen.js';
import { settings } from './settings.js';
import { drawTimeline, timelineWords } from './timeline.js';
import { counted, levelExplained, levelWords, overloadWords, rarity, stateDetail, stateWords, timeOfDay } from './words.js';

const DRAW_MS = 250;
const RECENT = 6;

function heatControls() {
  const toggle = element('button', { class: 'switch', type: 'button' }, icon('heat'), element('span', {}, 'Heatmap'));
  toggle.addEventListener('click', () => settings.set('heat', !settings.get('heat')));
  const slider = element('input', { type: 'range', min: 10, max: 100, step: 5, 'aria-label': 'Heatmap opacity in percent' });
  slider.addEventListener('input', () => settings.set('opacity', Number(slider.value)));
  const show = () => {
    toggle.setAttribute('aria-pressed', String(settings.get('heat')));
    slider.value = settings.get('opacity');
  };
  show();
  return { nodes: [toggle, slider], show };
}

class CameraView {
  #screen;
  #level = element('span', { class: 'level' });
  #state = element('span', { class: 'state' });
  #basis = element('span', { class: 'basis' });
  #canvas = element('canvas', { class: 'timeline', role: 'img' });
  #scale = element('p', { class: 'scale' });
  #heat = heatControls();
  #recent = element('div', { class: 'recent', role: 'group', 'aria-label': 'Latest alerts of this camera' });

  constructor(name, board) {
    this.name = name;
    this.board = board;
    this.title = name;
    this.#screen = new Screen(name, true);
    this.words = [this.#state, this.#level, this.#basis];
    this.controls = this.#heat.nodes;
    this.body = element('div', { class: 'camera-view' }, this.#screen.node, this.#canvas, this.#scale, this.#recent);
    const minutes = Math.round(board.history_s / 60);
    this.#scale.append(
      element('span', {}, `${minutes} min ago`),
      element('span', { class: 'key' }, 'dashed: where an alert opens'),
      element('span', {}, 'now'),
    );
  }

  show() {
    const { board } = this;
    const camera = board.cameras.get(this.name);
    if (!camera) return;
    const alert = board.openAlert(this.name);
    this.body.toggleAttribute('data-alert', Boolean(alert));
    this.#state.dataset.state = camera.state;
    this.#showRecent(board);
    this.#screen.update(camera, alert, !document.hidden, settings.get('heat'));
    const rates = camera.state === 'online' && camera.fps ? [`${camera.fps} fps`, overloadWords(camera)].filter(Boolean) : [];
    const words = stateDetail(camera) ? [`${stateWords(camera)} (${stateDetail(camera)})`] : [stateWords(camera), ...rates];
    setText(this.#state, words.join(' · '));
    const level = camera.state === 'online' ? shownLevel(camera) : null;
    setText(this.#level, levelWords(level, camera.basis_s));
    this.#level.title = levelExplained(level, camera.basis_s);
    showBasis(this.#basis, camera, board);
    this.#level.toggleAttribute('data-alert', Boolean(alert));
    this.#heat.show();
    drawTimeline(this.#canvas, camera, board);
    this.#canvas.setAttribute('aria-label', timelineWords(camera, board));
  }

  #showRecent(board) {
    const alerts = [...board.alerts.values()].filter((alert) => alert.camera === this.name).slice(0, RECENT);
    const words = alerts.map((alert) => [alert, `${timeOfDay(alert.opened_s)} · ${rarity(alert.peak_level, alert.basis_s)}`]);
    const key = JSON.stringify(words.map(([alert, line]) => [alert.id, alert.open, alert.reason, line]));
    if (this.#recent.dataset.key === key) return;
    this.#recent.dataset.key = key;
    const buttons = words.map(([alert, line]) => {
      const button = element('button', { type: 'button', 'data-open': alert.open, title: alert.reason }, line);
      button.addEventListener('click', () => location.replace(`#alert=${alert.id}`));
      return button;
    });
    this.#recent.replaceChildren(...buttons);
    this.#recent.hidden = buttons.length === 0;
  }

  neighbour(step) {
    const names = [...this.board.cameras.keys()];
    const next = names[(names.indexOf(this.name) + step + names.length) % names.length];
    return names.length > 1 ? `camera=${next}` : null;
  }

  stop() {
    this.#screen.stop();
  }
}

class AlertView {
  #picture = new AlertPicture('picture', 'Picture at the peak');
  #blended = new AlertPicture('blended', 'Picture at the peak with heatmap');
  #state = element('span', { class: 'state when-was' });
  #reason = element('span', { class: 'reason' });
  #level = element('span', { class: 'level', 'data-alert': true });
  #provisional = element('span', { class: 'basis', 'data-provisional': true });
  #heat = heatControls();
  #actions;

  constructor(id, board) {
    this.id = id;
    this.board = board;
    this.title = board.alerts.get(id)?.camera ?? '';
    this.#actions = new AlertActions((alert) => board.updateAlert(alert));
    this.words = [this.#reason, this.#state, this.#level, this.#provisional];
    this.controls = this.#heat.nodes;
    const stack = element('div', { class: 'stack' }, this.#picture.node, this.#blended.node);
    this.body = element('div', { class: 'alert-view' }, stack, this.#actions.node);
  }

  show() {
    const alert = this.board.alerts.get(this.id);
    if (!alert) return;
    const regions = alert.boxes.length ? `, ${counted(alert.boxes.length, 'region')}` : '';
    const time = `${timeOfDay(alert.opened_s)}, ${alert.open ? 'open for ' : ''}${lasted(alert, this.board.now_s)}`;
    setText(this.#state, time + regions);
    setText(this.#reason, alert.reason);
    setText(this.#level, rarity(alert.peak_level, alert.basis_s));
    this.#level.title = levelExplained(alert.peak_level, alert.basis_s);
    setText(this.#provisional, provisional(alert, this.board.asked_s));
    this.body.toggleAttribute('data-heat', settings.get('heat'));
    this.body.firstChild.style.setProperty('--aspect', alert.size ? (alert.size[0] / alert.size[1]).toFixed(4) : 1.7778);
    this.#heat.show();
    this.#picture.show(alert);
    this.#blended.show(alert);
    this.#actions.show(alert);
  }

  neighbour(step) {
    const ids = [...this.board.alerts.keys()];
    const next = ids[ids.indexOf(this.id) + step];
    return next ? `alert=${next}` : null;
  }

  stop() {}
}

// The open view is part of the address, so that the browser's back button closes it.
export class Large {
  #dialog = document.getElementById('large');
  #board;
  #view = null;
  #onchange;
  #pushed = false;

  constructor(board, onchange) {
    this.#board = board;
    this.#onchange = onchange;
    this.#dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.close();
    });
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.close());
    this.#dialog.addEventListener('keydown', (event) => this.#onKey(event));
    window.addEventListener('hashchange', () => this.#follow());
    for (const name of ['camera', 'alert', 'all']) board.addEventListener(name, () => this.#onBoard(name));
    settings.addEventListener('change', () => this.#view?.show());
    setInterval(() => this.#view?.show(), DRAW_MS);
  }

  open(what) {
    this.#pushed = true;
    location.hash = what;
  }

  // Restarts the streams of the open view.
  restart() {
    this.#view?.stop();
    this.#view?.show();
  }

  close() {
    if (!this.#view) return;
    if (this.#pushed) history.back();
    else location.replace('#');
  }

  #onBoard(name) {
    if (this.#view) this.#view.show();
    else if (name === 'all') this.#follow();
  }

  #follow() {
    const [kind, name = ''] = decodeURIComponent(location.hash.slice(1)).split('=');
    this.#view?.stop();
    const was = this.#view;
    this.#view = null;
    if (kind === 'camera' && this.#board.cameras.has(name)) this.#view = new CameraView(name, this.#board);
    if (kind === 'alert' && this.#board.alerts.has(name)) this.#view = new AlertView(name, this.#board);
    this.#onchange(this.#view !== null); // the covered streams stop first
    if (this.#view) this.#fill(this.#view);
    else if (was) {
      this.#pushed = false;
      this.#dialog.close(); // the browser returns the focus to where it was
      this.#dialog.replaceChildren();
    }
  }

  #fill(view) {
    const stepButton = (step, name, words) => {
      const target = view.neighbour(step);
      const button = element('button', { class: 'turn', type: 'button', 'aria-label': words, title: words }, icon(name));
      button.disabled = !target;
      button.addEventListener('click', () => this.#step(step));
      return button;
    };
    const focused = this.#dialog.contains(document.activeElement) && document.activeElement.ariaLabel;
    const close = element('button', { class: 'turn', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)' }, icon('close'));
    close.addEventListener('click', () => this.close());
    const name = element('h2', { id: 'large-name' }, view.title);
    const words = element('p', { class: 'large-words' }, ...view.words);
    const controls = element('div', { class: 'controls' }, ...view.controls);
    const turns = element('div', { class: 'turns' }, stepButton(-1, 'before', 'Previous'), stepButton(1, 'after', 'Next'), close);
    this.#dialog.replaceChildren(element('div', { class: 'large-head' }, name, words, controls, turns), view.body);
    if (!this.#dialog.open) this.#dialog.showModal();
    const again = [...turns.children].find((button) => button.ariaLabel === focused && !button.disabled);
    (again ?? close).focus(); // keeps the focus on the button for the next step
    view.show();
  }

  #step(step) {
    const target = this.#view?.neighbour(step);
    if (target) location.replace(`#${target}`);
  }

  #onKey(event) {
    if (event.target.type === 'range') return; // the arrow keys move the slider
    if (event.key === 'ArrowLeft') this.#step(-1);
    if (event.key === 'ArrowRight') this.#step(1);
  }
}
