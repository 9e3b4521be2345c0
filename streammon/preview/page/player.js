// Plays one stream of one camera in a box: by WebRTC (WHEP), else as MJPEG, else as repeated JPEG snapshots.

const FIRST_PICTURE_MS = 6000;
const GATHERING_MS = 800;
const STALLED_MS = 6000;
const WATCH_MS = 2000;
const RETRIES = 2; // of WebRTC, before falling back to MJPEG
const STILL_MS = 1000;
const FALLBACK_MS = 60000;
const LONGEST_FALLBACK_MS = 3600000;
const MJPEG_AT_ONCE = 3; // a browser opens six connections to one server, and the events need one
const PEERS_AT_ONCE = 3; // connections being set up; a grid of 64 starts a few at a time

let mjpegPlaying = 0;
let connecting = 0;
const waiting = [];
const hangUps = new Set();

// Waits until the server has ended the session of every stopped viewer.
export function sessionsEnded() {
  return Promise.allSettled([...hangUps]);
}

async function withinLimit(work) {
  if (connecting >= PEERS_AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  connecting += 1;
  try {
    return await work();
  } finally {
    connecting -= 1;
    waiting.shift()?.();
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MS);
    peer.addEventListener('icegatheringstatechange', () => {
      if (peer.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      resolve();
    });
  });
}

export class Player {
  #box;
  #camera;
  #stream;
  #query;
  #label;
  #run = null; // AbortController of the current playback
  #node = null;
  #session = null;
  #peer = null;
  #isRefused = false;

  // onsize is called with the aspect ratio of the picture. With `main`, a main stream is opened for this player.
  constructor(box, camera, stream, label, onsize = () => {}, main = false) {
    this.#box = box;
    this.#camera = camera;
    this.#stream = stream;
    this.#query = `stream=${stream}${main ? '' : '&main=0'}`;
    this.#label = label;
    this.onsize = onsize;
  }

  get isPlaying() {
    return this.#run !== null;
  }

  start() {
    if (this.#run) return;
    this.#run = new AbortController();
    this.#isRefused = false;
    this.#play(this.#run.signal);
  }

  stop() {
    if (!this.#run) return;
    this.#run.abort();
    this.#run = null;
    this.#hangUp();
    this.#clear();
  }

  // Plays by WebRTC; after failures by MJPEG or snapshots, and tries WebRTC again after a growing delay.
  async #play(signal) {
    for (let rest = FALLBACK_MS; !signal.aborted; rest = Math.min(2 * rest, LONGEST_FALLBACK_MS)) {
      await this.#playPeer(signal);
      if (signal.aborted || this.#isRefused) return;
      const meanwhile = AbortSignal.any([signal, AbortSignal.timeout(rest)]);
      if (mjpegPlaying >= MJPEG_AT_ONCE || !(await this.#playMjpeg(meanwhile))) await this.#playStills(meanwhile);
    }
  }

  async #playPeer(signal) {
    for (let failures = 0; !signal.aborted && failures < RETRIES && window.RTCPeerConnection; failures += 1) {
      const began = performance.now();
      try {
        await withinLimit(() => this.#connect(signal));
        await this.#untilStalled(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#hangUp();
        this.#isRefused = error.status === 401; // the page shows the log-in form
        if (error.status) return; // refused: retrying at once would not help
      }
      this.#hangUp();
      if (performance.now() - began > 30000) failures = 0;
      await pause(1000 * (failures + 1), signal);
    }
  }

  async #connect(signal) {
    if (signal.aborted) throw new DOMException('stopped', 'AbortError');
    const video = this.#show('video');
    video.muted = video.autoplay = video.playsInline = true;
    video.disablePictureInPicture = true;
    const peer = (this.#peer = new RTCPeerConnection({ iceServers: [] }));
    const { receiver } = peer.addTransceiver('video', { direction: 'recvonly' });
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    video.srcObject = new MediaStream([receiver.track]);
    await peer.setLocalDescription();
    await gathered(peer);
    const answer = await fetch(`whep/${this.#camera}?${this.#query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', 'X-Streammon': '1' },
      body: peer.localDescription.sdp,
      signal,
    });
    if (answer.status !== 201) throw Object.assign(new Error('no session'), { status: answer.status });
    this.#session = new URL(answer.headers.get('Location'), answer.url).href;
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    video.play().catch(() => {}); // #untilStalled detects it by the clock that stands still
    await firstPicture(video, peer, signal);
    this.#sized(video.videoWidth, video.videoHeight);
    video.addEventListener('resize', () => this.#sized(video.videoWidth, video.videoHeight));
  }

  async #untilStalled(signal) {
    const peer = this.#peer;
    let [last, moved] = [-1, performance.now()];
    while (!signal.aborted && performance.now() - moved < STALLED_MS) {
      await pause(WATCH_MS, signal);
      if (['failed', 'closed'].includes(peer.connectionState)) return;
      if (this.#node.currentTime !== last || document.hidden) moved = performance.now();
      last = this.#node.currentTime;
    }
  }

  // Plays until the signal; false if MJPEG doesn't work.
  async #playMjpeg(signal) {
    const image = this.#show('img');
    mjpegPlaying += 1;
    try {
      return await new Promise((resolve) => {
        image.onload = () => {
          this.#sized(image.naturalWidth, image.naturalHeight);
          image.dataset.shown = 'mjpeg';
        };
        image.onerror = () => resolve(false);
        signal.addEventListener('abort', () => resolve(true), { once: true });
        image.src = `mjpeg/${this.#camera}?${this.#query}`;
      });
    } finally {
      mjpegPlaying -= 1;
    }
  }

  async #playStills(signal) {
    const image = this.#show('img');
    while (!signal.aborted) {
      const next = new Image();
      next.src = `snapshot/${this.#camera}.jpg?stream=${this.#stream}&at=${Date.now()}`;
      try {
        await next.decode();
        if (signal.aborted) return;
        image.src = next.src;
        image.dataset.shown = 'still';
        this.#sized(next.naturalWidth, next.naturalHeight);
        await pause(STILL_MS, signal);
      } catch {
        await pause(5 * STILL_MS, signal);
      }
    }
  }

  #show(tag) {
    this.#clear();
    this.#node = document.createElement(tag);
    if (tag === 'img') this.#node.alt = this.#label;
    else if (this.#label) this.#node.setAttribute('aria-label', this.#label);
    if (!this.#label) this.#node.setAttribute('aria-hidden', 'true');
    this.#node.className = `live ${this.#stream}`;
    this.#box.prepend(this.#node);
    if (this.#stream !== 'picture') this.#box.append(this.#node);
    return this.#node;
  }

  #clear() {
    if (!this.#node) return;
    if (this.#node.tagName === 'VIDEO') this.#node.srcObject = null;
    else this.#node.removeAttribute('src'); // ends the MJPEG response
    this.#node.remove();
    this.#node = null;
  }

  #sized(width, height) {
    if (width && height) this.onsize(width / height);
  }

  #hangUp() {
    const [peer, session] = [this.#peer, this.#session];
    this.#peer = this.#session = null;
    if (!session || peer?.connectionState === 'failed') {
      peer?.close();
      return;
    }
    peer?.getReceivers().forEach((receiver) => receiver.track.stop());
    const hangUp = fetch(session, { method: 'DELETE', keepalive: true, headers: { 'X-Streammon': '1' } })
      .catch(() => {})
      .finally(() => {
        peer?.close(); // after the DELETE, which would otherwise find the session ended
        hangUps.delete(hangUp);
      });
    hangUps.add(hangUp);
  }
}

function firstPicture(video, peer, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no picture')), FIRST_PICTURE_MS);
    const end = (finish, value) => () => {
      clearTimeout(timer);
      finish(value);
    };
    video.addEventListener('loadeddata', end(resolve), { once: true });
    peer.addEventListener('connectionstatechange', () => {
      if (peer.connectionState === 'failed') end(reject, new Error('connection failed'))();
    });
    signal.addEventListener('abort', end(reject, new DOMException('stopped', 'AbortError')), { once: true });
  });
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
