// The page: cameras, alerts, notices and the state of the connection.

import { Board } from './board.js';
import { element, setText } from './dom.js';
import { Feed } from './feed.js';
import { Grid } from './grid.js';
import { Large } from './large.js';
import { Login } from './login.js';
import { sessionsEnded } from './player.js';
import { Review } from './review.js';
import { settings } from './settings.js';
import { counted, isSending, rarity, timeOfDay } from './words.js';

const HIDDEN_MS = 15000; // a hidden tab stops playing after this delay

const board = new Board();
const grid = new Grid(document.getElementById('grid'), board, (name) => large.open(`camera=${name}`));
const large = new Large(board, (isOpen) => {
  covered = isOpen;
  setPlays();
});
new Feed(board, (id) => large.open(`alert=${id}`));
new Review(board);
const login = new Login(
  () => {
    shut = false;
    board.connect();
    setPlays();
  },
  () => {
    shutDown();
    return sessionsEnded();
  },
);

let covered = false; // by the large view
let asleep = false; // the tab is hidden
let shut = false; // no user is logged in

function setPlays() {
  grid.plays = !covered && !asleep && !shut;
}

function shutDown() {
  shut = true;
  board.disconnect();
  large.close();
  setPlays();
}

function showSummary() {
  const cameras = [...board.cameras.values()];
  const sending = cameras.filter(isSending).length;
  const open = board.openAlerts.length;
  const parts = [counted(cameras.length, 'camera'), `${sending} online`];
  if (open) parts.push(`${counted(open, 'alert')} open`);
  if (board.redis && !board.redis.online) parts.push(`Redis ${board.redis.refused ? 'refuses alerts' : 'offline'} since ${timeOfDay(board.redis.since_s, false)}`);
  const summary = document.getElementById('summary');
  setText(summary, cameras.length ? parts.join(' · ') : '');
  summary.toggleAttribute('data-alert', open > 0);
  const fresh = [...board.alerts.values()].filter((alert) => alert.acknowledged_s === null).length;
  setText(document.getElementById('to-alerts'), board.reviews ? 'Events' : fresh ? `${counted(fresh, 'new alert')}` : 'Alerts');
  setText(document.getElementById('alerts-heading'), board.reviews ? 'Events' : 'Alerts');
  document.title = `${open ? `(${open}) ` : ''}streammon`;
}

function showNotices() {
  const notices = document.getElementById('notices');
  notices.hidden = board.notices.length === 0;
  const lines = board.notices.map(({ time_s, text }) =>
    element('li', {}, element('time', {}, timeOfDay(time_s)), ' ', text),
  );
  notices.querySelector('ul').replaceChildren(...lines.reverse());
}

function showConnection() {
  const lost = document.getElementById('lost');
  lost.hidden = board.lostSince === null;
  setText(lost, lost.hidden ? '' : `No connection to streammon since ${timeOfDay(board.lostSince)}; trying again. The page may be out of date.`);
  document.body.toggleAttribute('data-lost', !lost.hidden);
  if (lost.hidden) { // restart the streams, since the server may have restarted
    grid.plays = false;
    setPlays();
    large.restart();
  }
}

function announce({ alert, isNew }) {
  if (!isNew || !alert.open) return;
  const rare = rarity(alert.peak_level, alert.basis_s);
  const words = `Alert on ${alert.camera} at ${timeOfDay(alert.opened_s)}: ${alert.reason}, ${rare}`;
  setText(document.getElementById('announcer'), words);
}

function showSettings() {
  document.getElementById('heat').setAttribute('aria-pressed', String(settings.get('heat')));
  document.getElementById('opacity').value = settings.get('opacity');
  document.documentElement.style.setProperty('--heat-opacity', settings.get('opacity') / 100);
}

document.getElementById('heat').addEventListener('click', () => {
  grid.followPage();
  settings.set('heat', !settings.get('heat'));
});
document.getElementById('opacity').addEventListener('input', (event) => {
  settings.set('opacity', Number(event.target.value));
});
settings.addEventListener('change', showSettings);
document.getElementById('to-alerts').addEventListener('click', () => {
  const alerts = document.getElementById('alerts');
  alerts.scrollIntoView();
  alerts.focus({ preventScroll: true });
});
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty('--bar-height', `${target.offsetHeight}px`);
}).observe(document.querySelector('.bar'));

for (const name of ['all', 'camera', 'alert', 'redis']) board.addEventListener(name, showSummary);
for (const name of ['all', 'notices']) board.addEventListener(name, showNotices);
board.addEventListener('connection', showConnection);
board.addEventListener('alert', ({ detail }) => announce(detail));
board.addEventListener('unauthorised', () => {
  shutDown();
  login.ask();
});

let sleep = 0;
document.addEventListener('visibilitychange', () => {
  clearTimeout(sleep);
  const set = (value) => {
    asleep = value;
    setPlays();
  };
  if (document.hidden) sleep = setTimeout(set, HIDDEN_MS, true);
  else set(false);
});
window.addEventListener('pagehide', () => {
  asleep = true;
  setPlays(); // ends the sessions on the server
});
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  asleep = false;
  setPlays();
  board.connect();
});

showSettings();
login.isIn().then(
  (isIn) => (isIn ? board.connect() : login.ask()),
  () => board.connect(), // its connection error is shown on the page
);
