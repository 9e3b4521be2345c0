// Everything the server tells, kept up to date by server-sent events.

const SILENCE_S = 25; // the server sends a beat each 10 s
const LOST_AFTER_MS = 1500; // a reconnection quicker than this is nobody's business
const AGAIN_MS = 4000;
const ALERTS = 200;

// Events it dispatches: 'all' (everything is new), 'camera' and 'score' (detail: a camera), 'alert' (detail: an alert
// and whether it is new), 'notices', 'redis', 'connection' and 'unauthorised'.
export class Board extends EventTarget {
  cameras = new Map();
  alerts = new Map(); // newest first
  notices = [];
  redis = null;
  history_s = 600;
  openLevel = 0;
  asked_s = 86400; // one false alarm in so many seconds is asked for
  lostSince = null;
  #source = null;
  #offset_s = 0;
  #heard = 0;
  #timer = 0;

  // The server's clock.
  get now_s() {
    return Date.now() / 1000 + this.#offset_s;
  }

  get openAlerts() {
    return [...this.alerts.values()].filter((alert) => alert.open);
  }

  connect() {
    this.#source?.close();
    clearTimeout(this.#timer);
    const source = (this.#source = new EventSource('/api/events'));
    const on = (name, take) =>
      source.addEventListener(name, (event) => {
        this.#heard = performance.now();
        if (source === this.#source) take.call(this, JSON.parse(event.data));
      });
    on('snapshot', this.#takeSnapshot);
    on('beat', this.#takeBeat);
    on('camera', this.#takeCamera);
    on('score', this.#takeScore);
    on('alert', this.takeAlert);
    on('notice', this.#takeNotice);
    on('redis', this.#takeRedis);
    source.onerror = () => this.#onError(source);
    this.#heard = performance.now();
    this.#watch(source);
  }

  disconnect() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
  }

  #watch(source) {
    if (source !== this.#source) return;
    if (performance.now() - this.#heard > SILENCE_S * 1000) {
      this.#lose();
      this.connect();
      return;
    }
    setTimeout(() => this.#watch(source), 5000);
  }

  async #onError(source) {
    if (source !== this.#source) return;
    setTimeout(() => {
      if (source === this.#source && source.readyState !== EventSource.OPEN) this.#lose();
    }, LOST_AFTER_MS);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    try {
      const answer = await fetch('/api/alerts?limit=1', { cache: 'no-store' });
      if (answer.status === 401) {
        this.disconnect();
        this.#emit('unauthorised');
        return;
      }
    } catch {
      // nobody there: try again
    }
    if (source === this.#source) this.#timer = setTimeout(() => this.connect(), AGAIN_MS);
  }

  #lose() {
    if (this.lostSince === null) {
      this.lostSince = Date.now() / 1000;
      this.#emit('connection');
    }
  }

  #found() {
    if (this.lostSince !== null) {
      this.lostSince = null;
      this.#emit('connection');
    }
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #takeSnapshot(snapshot) {
    this.#offset_s = snapshot.now_s - Date.now() / 1000;
    this.history_s = snapshot.history_s;
    this.openLevel = snapshot.open_level;
    this.asked_s = snapshot.asked_s;
    this.cameras = new Map(snapshot.cameras.map((camera) => [camera.name, { ...camera, peaks: [] }]));
    for (const camera of this.cameras.values()) camera.spans = new Map(camera.spans.map(([id, ...span]) => [id, span]));
    this.alerts = new Map(snapshot.alerts.map((alert) => [alert.id, alert]));
    this.notices = snapshot.notices;
    this.redis = snapshot.redis;
    this.#found();
    this.#emit('all');
  }

  #takeBeat({ now_s }) {
    this.#offset_s = now_s - Date.now() / 1000;
    this.#found();
  }

  #takeCamera(change) {
    const camera = this.cameras.get(change.name);
    if (!camera) return;
    Object.assign(camera, change);
    if (camera.state !== 'online') camera.level = camera.ratio = null;
    this.#emit('camera', camera);
  }

  #takeScore(score) {
    const camera = this.cameras.get(score.camera);
    if (!camera) return;
    camera.level = score.level;
    camera.ratio = score.ratio;
    camera.fps = score.fps;
    camera.basis_s = score.basis_s;
    camera.peaks = [...camera.peaks.filter(([time_s]) => time_s > score.time_s - 3), [score.time_s, score.level]];
    this.#addPoint(camera, score);
    this.#emit('score', camera);
  }

  // As the server thins: one point for each step, the highest.
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

  takeAlert(alert) {
    const isNew = !this.alerts.has(alert.id);
    if (isNew) {
      this.alerts = new Map([[alert.id, alert], ...this.alerts].slice(0, ALERTS));
    } else {
      this.alerts.set(alert.id, alert);
    }
    this.cameras.get(alert.camera)?.spans.set(alert.id, [alert.opened_s, alert.closed_s]);
    this.#emit('alert', { alert, isNew });
  }

  #takeNotice(notice) {
    this.notices = [...this.notices, notice].slice(-20);
    this.#emit('notices');
  }

  #takeRedis(redis) {
    this.redis = redis;
    this.#emit('redis');
  }

  // Whether fewer false alarms are asked for than the camera's normal footage can show.
  isProvisional(camera) {
    return camera.basis_s != null && camera.basis_s < this.asked_s;
  }

  // The alert of a camera that is open now, if one is.
  openAlert(name) {
    for (const alert of this.alerts.values()) if (alert.open && alert.camera === name) return alert;
    return null;
  }
}

// The level to show: the highest of the last three seconds, so that it can be read.
export function shownLevel(camera) {
  if (camera.level == null) return null;
  return Math.max(camera.level, ...camera.peaks.map(([, level]) => level));
}
