// State of the page, kept up to date by server-sent events.

const SILENCE_S = 25; // the server sends a heartbeat every 10 s
const LOST_AFTER_MS = 1500; // a shorter interruption is not shown
const RECONNECT_MS = 4000;
const ALERTS = 200;

// Dispatches the events 'all' (new snapshot), 'camera' and 'score' (detail: the camera), 'alert' (detail: the alert and
// whether it is new), 'judged' (detail: the id and judgement of an alert), 'notices', 'redis', 'connection' and 'unauthorised'.
export class Board extends EventTarget {
  cameras = new Map();
  alerts = new Map(); // newest first
  notices = [];
  redis = null;
  history_s = 600;
  openLevel = 0;
  asked_s = 86400; // seconds per false alarm at the configured rate
  reviews = false; // evidence of alerts is kept, and reviewed in place of the feed
  lostSince = null;
  #source = null;
  #offset_s = 0;
  #lastEventMs = 0;
  #timer = 0;

  // Unix time of the server.
  get now_s() {
    return Date.now() / 1000 + this.#offset_s;
  }

  get openAlerts() {
    return [...this.alerts.values()].filter((alert) => alert.open);
  }

  connect() {
    this.#source?.close();
    clearTimeout(this.#timer);
    const source = (this.#source = new EventSource('api/events'));
    const on = (name, update) =>
      source.addEventListener(name, (event) => {
        this.#lastEventMs = performance.now();
        if (source === this.#source) update.call(this, JSON.parse(event.data));
      });
    on('snapshot', this.#onSnapshot);
    on('beat', this.#onBeat);
    on('camera', this.#onCamera);
    on('score', this.#onScore);
    on('alert', this.updateAlert);
    on('judged', (judgement) => this.#emit('judged', judgement));
    on('notice', this.#onNotice);
    on('redis', this.#onRedis);
    source.onerror = () => this.#onError(source);
    this.#lastEventMs = performance.now();
    this.#watch(source);
  }

  disconnect() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
  }

  #watch(source) {
    if (source !== this.#source) return;
    if (performance.now() - this.#lastEventMs > SILENCE_S * 1000) {
      this.#onLost();
      this.connect();
      return;
    }
    setTimeout(() => this.#watch(source), 5000);
  }

  async #onError(source) {
    if (source !== this.#source) return;
    setTimeout(() => {
      if (source === this.#source && source.readyState !== EventSource.OPEN) this.#onLost();
    }, LOST_AFTER_MS);
    if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
    try {
      const answer = await fetch('api/alerts?limit=1', { cache: 'no-store' });
      if (answer.status === 401) {
        this.disconnect();
        this.#emit('unauthorised');
        return;
      }
    } catch {
      // the server is unreachable: reconnect
    }
    if (source === this.#source) this.#timer = setTimeout(() => this.connect(), RECONNECT_MS);
  }

  #onLost() {
    if (this.lostSince === null) {
      this.lostSince = Date.now() / 1000;
      this.#emit('connection');
    }
  }

  #onFound() {
    if (this.lostSince !== null) {
      this.lostSince = null;
      this.#emit('connection');
    }
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #onSnapshot(snapshot) {
    this.#offset_s = snapshot.now_s - Date.now() / 1000;
    this.history_s = snapshot.history_s;
    this.openLevel = snapshot.open_level;
    this.asked_s = snapshot.asked_s;
    this.reviews = snapshot.reviews;
    this.cameras = new Map(snapshot.cameras.map((camera) => [camera.name, { ...camera, peaks: [] }]));
    for (const camera of this.cameras.values()) camera.spans = new Map(camera.spans.map(([id, ...span]) => [id, span]));
    this.alerts = new Map(snapshot.alerts.map((alert) => [alert.id, alert]));
    this.notices = snapshot.notices;
    this.redis = snapshot.redis;
    this.#onFound();
    this.#emit('all');
  }

  #onBeat({ now_s }) {
    this.#offset_s = now_s - Date.now() / 1000;
    this.#onFound();
  }

  #onCamera(change) {
    const camera = this.cameras.get(change.name);
    if (!camera) return;
    Object.assign(camera, change);
    if (camera.state !== 'online') camera.level = camera.ratio = null;
    this.#emit('camera', camera);
  }

  #onScore(score) {
    const camera = this.cameras.get(score.camera);
    if (!camera) return;
    camera.level = score.level;
    camera.ratio = score.ratio;
    camera.fps = score.fps;
    camera.fps_planned = score.fps_planned;
    camera.looks_only = score.looks_only;
    camera.basis_s = score.basis_s;
    camera.peaks = [...camera.peaks.filter(([time_s]) => time_s > score.time_s - 3), [score.time_s, score.level]];
    this.#addPoint(camera, score);
    this.#emit('score', camera);
  }

  // One point per time step, with the highest level and ratio, as on the server.
  #addPoint({ timeline, step_s }, { time_s, level, peak }) {
    const start = Math.floor(time_s / step_s) * step_s;
    const last = timeline.at(-1);
    if (last && start <= last[0] + 1e-3) {
      last[1] = Math.max(last[1], level);
      last[2] = Math.max(last[2], peak);
      return;
    }
    timeline.push([start, level, peak]);
    while (timeline[0][0] < start - this.history_s) timeline.shift();
  }

  updateAlert(alert) {
    const isNew = !this.alerts.has(alert.id);
    if (isNew) {
      this.alerts = new Map([[alert.id, alert], ...this.alerts].slice(0, ALERTS));
    } else {
      this.alerts.set(alert.id, alert);
    }
    this.cameras.get(alert.camera)?.spans.set(alert.id, [alert.opened_s, alert.closed_s]);
    this.#emit('alert', { alert, isNew });
  }

  #onNotice(notice) {
    this.notices = [...this.notices, notice].slice(-20);
    this.#emit('notices');
  }

  #onRedis(redis) {
    this.redis = redis;
    this.#emit('redis');
  }

  // True if the camera's normal footage is shorter than the interval between two false alarms at the configured rate.
  isProvisional(camera) {
    return camera.basis_s != null && camera.basis_s < this.asked_s;
  }

  // The open alert of a camera, or null.
  openAlert(name) {
    for (const alert of this.alerts.values()) if (alert.open && alert.camera === name) return alert;
    return null;
  }
}

// The level to show: the highest of the last three seconds, so that a short peak stays readable.
export function shownLevel(camera) {
  if (camera.level == null) return null;
  return Math.max(camera.level, ...camera.peaks.map(([, level]) => level));
}
