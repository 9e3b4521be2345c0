// Clip of an event: plays its files one after another, with boxes over the picture and the score curve under it.

import { drawCurve, thinned } from './curve.js';
import { boxOverlay, drawBoxes, element, icon, setText } from './dom.js';
import { duration, timeOfDay } from './words.js';

const LEAD_S = 2; // playing begins so long before the alert
const BOXES_S = 1; // a frame's boxes are shown for so long, unless another frame was scored
const STEP_S = 1; // of the arrow keys on the curve

export function address(event, what) {
  return `api/evidence/${encodeURIComponent(event.id)}/${what}`;
}

// The last of the points, ordered by time, at or before a time; null before the first.
export function pointAt(points, time_s) {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].time_s <= time_s) low = middle + 1;
    else high = middle;
  }
  return low ? points[low - 1] : null;
}

export class Clip {
  #video = element('video', { playsinline: true, disableremoteplayback: true, preload: 'auto' });
  #boxes = boxOverlay();
  #marker = element('span', { class: 'moment' }, 'alert');
  #toggle = element('button', { type: 'button', class: 'play' });
  #clock = element('span', { class: 'clock' });
  #fault = element('p', { class: 'outcome', role: 'status' });
  #canvas = element('canvas', { class: 'curve', role: 'slider', tabindex: 0, 'aria-label': 'Score over time' });
  #event;
  #parts = []; // files of the clip, with their times
  #points = []; // scored frames
  #curve = []; // the same, as many as are drawn
  #part = 0; // index of the file that is loaded
  #sideCar = null;
  #frame;
  #resized;
  #stopped = new AbortController();

  constructor(event) {
    this.#event = event;
    this.#video.muted = true;
    this.#video.setAttribute('aria-label', `Clip of ${event.camera}, ${timeOfDay(event.opened_s)}`);
    if (event.snapshot) this.#video.poster = address(event, 'snapshot.jpg');
    this.#frame = element('div', { class: 'clip-frame' }, this.#video, this.#boxes, this.#marker);
    const controls = element('div', { class: 'clip-controls' }, this.#toggle, this.#clock);
    this.node = element('div', { class: 'clip' }, element('div', { class: 'clip-screen' }, this.#frame), this.#canvas, controls, this.#fault);
    this.#toggle.addEventListener('click', () => this.toggle());
    this.#video.addEventListener('click', () => this.toggle());
    for (const name of ['play', 'pause', 'seeked', 'timeupdate', 'loadedmetadata']) this.#video.addEventListener(name, () => this.#show());
    this.#video.addEventListener('resize', () => this.#setAspect(this.#video.videoWidth, this.#video.videoHeight));
    this.#video.addEventListener('ended', () => this.#onEnded());
    this.#video.addEventListener('error', () => this.#onError());
    this.#canvas.addEventListener('pointerdown', (press) => this.#onPress(press));
    this.#canvas.addEventListener('keydown', (press) => this.#onKey(press));
    this.#resized = new ResizeObserver(() => this.#draw());
    this.#resized.observe(this.#canvas);
    this.#load();
  }

  stop() {
    this.#stopped.abort();
    this.#resized.disconnect();
    this.#video.removeAttribute('src');
    this.#video.load(); // ends the request
  }

  toggle() {
    if (this.#video.paused) this.#play();
    else this.#video.pause();
  }

  get #time_s() {
    return (this.#parts[this.#part]?.began_s ?? 0) + this.#video.currentTime;
  }

  get #span() {
    const [first, last] = [this.#parts[0], this.#parts.at(-1)];
    return first?.ended_s ? [first.began_s, last.ended_s] : [this.#points[0]?.time_s ?? 0, this.#points.at(-1)?.time_s ?? 1];
  }

  #setAspect(width, height) {
    if (width && height) this.#frame.style.setProperty('--aspect', (width / height).toFixed(4));
  }

  async #load() {
    const event = this.#event;
    try {
      if (event.side_car) {
        const answer = await fetch(address(event, 'side-car'), { signal: this.#stopped.signal });
        this.#sideCar = answer.ok ? await answer.json() : null;
      }
    } catch {
      if (this.#stopped.signal.aborted) return;
    }
    const described = (number) => this.#sideCar?.clip?.find(({ file }) => file === `${event.id}-${number}.mp4`);
    this.#parts = event.parts.map((number) => ({ number, ...described(number) }));
    this.#points = this.#sideCar?.scores ?? [];
    this.#curve = thinned(this.#points);
    if (this.#sideCar?.source_size) this.#setAspect(...this.#sideCar.source_size);
    this.#canvas.hidden = this.#points.length < 2;
    this.#marker.hidden = true;
    if (!this.#parts.length) return;
    this.#seek(Math.max(this.#span[0], event.opened_s - LEAD_S));
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches) this.#play();
    this.#follow();
  }

  #play() {
    this.#video.play().catch(() => {}); // the browser forbids it, or another file is loaded
  }

  #seek(time_s) {
    const part = Math.max(0, this.#parts.findLastIndex(({ began_s }) => began_s <= time_s));
    const offset_s = Math.max(0, time_s - (this.#parts[part].began_s ?? time_s));
    const played = !this.#video.paused;
    this.#open(part);
    if (played) this.#play(); // another file begins paused
    if (this.#video.readyState) this.#video.currentTime = offset_s;
    else this.#video.addEventListener('loadedmetadata', () => (this.#video.currentTime = offset_s), { once: true });
  }

  #open(part) {
    const source = address(this.#event, `clip/${this.#parts[part].number}`);
    if (this.#video.getAttribute('src') === source) return;
    this.#part = part;
    this.#video.src = source;
  }

  #onEnded() {
    if (this.#part + 1 >= this.#parts.length) return;
    this.#open(this.#part + 1);
    this.#play();
  }

  #onError() {
    if (!this.#video.getAttribute('src')) return;
    if (this.#video.error.code === MediaError.MEDIA_ERR_NETWORK) return setText(this.#fault, 'The connection broke off; select the event again.');
    const codec = this.#parts[this.#part]?.codec;
    setText(this.#fault, `This browser can't play the clip${codec ? ` (${codec})` : ''}; save it and play it elsewhere.`);
  }

  // Draws boxes with each picture of the video where the browser says when one is shown.
  #follow() {
    if (!this.#video.requestVideoFrameCallback) return;
    const next = () => {
      if (this.#stopped.signal.aborted) return;
      this.#show();
      this.#video.requestVideoFrameCallback(next);
    };
    this.#video.requestVideoFrameCallback(next);
  }

  #show() {
    const time_s = this.#time_s;
    const [begin_s, end_s] = this.#span;
    const point = pointAt(this.#points, time_s);
    const boxes = point && time_s - point.time_s <= BOXES_S ? point.boxes : [];
    drawBoxes(this.#boxes, boxes, this.#sideCar?.source_size);
    const { opened_s, closed_s } = this.#event;
    this.#marker.hidden = !this.#points.length || time_s < opened_s || time_s > (closed_s ?? Infinity);
    const word = this.#video.paused ? 'Play' : 'Pause';
    if (this.#toggle.dataset.word !== word) {
      this.#toggle.dataset.word = word;
      this.#toggle.replaceChildren(icon(word.toLowerCase()), word);
    }
    const since = time_s - opened_s;
    const relative = this.#points.length ? ` · ${duration(Math.abs(since))} ${since < 0 ? 'before' : 'after'} the alert` : '';
    setText(this.#clock, this.#points.length ? `${timeOfDay(time_s)}${relative}` : duration(this.#video.currentTime));
    this.#canvas.setAttribute('aria-valuemin', 0);
    this.#canvas.setAttribute('aria-valuemax', Math.round(end_s - begin_s));
    this.#canvas.setAttribute('aria-valuenow', Math.round(time_s - begin_s));
    this.#canvas.setAttribute('aria-valuetext', `${timeOfDay(time_s)}${relative}`);
    this.#draw();
  }

  #draw() {
    if (this.#points.length < 2) return;
    const { opened_s, closed_s } = this.#event;
    drawCurve(this.#canvas, this.#curve, this.#sideCar.threshold, this.#span, [opened_s, closed_s], this.#time_s);
  }

  #onPress(press) {
    const seek = ({ clientX }) => {
      const { left, width } = this.#canvas.getBoundingClientRect();
      const [begin_s, end_s] = this.#span;
      this.#seek(begin_s + (end_s - begin_s) * Math.min(1, Math.max(0, (clientX - left) / width)));
    };
    if (press.button !== 0 || !this.#parts.length) return;
    this.#canvas.setPointerCapture(press.pointerId);
    this.#canvas.onpointermove = seek;
    this.#canvas.onpointerup = this.#canvas.onpointercancel = () => (this.#canvas.onpointermove = null);
    seek(press);
  }

  #onKey(press) {
    const steps = { ArrowLeft: -STEP_S, ArrowRight: STEP_S };
    if (!(press.key in steps) || !this.#parts.length) return;
    press.preventDefault();
    const [begin_s, end_s] = this.#span;
    this.#seek(Math.min(end_s, Math.max(begin_s, this.#time_s + steps[press.key])));
  }
}
