// Texts of the page: states, levels, times.

const DAY_S = 86400;
const UNITS = [[DAY_S, 'day'], [3600, 'hour'], [60, 'minute']];
const AS_USUAL = -2.5; // more than about 300 times a day
const MAX_INTERVAL_PER_BASIS = 2; // longest interval shown as a number, as a multiple of the footage's duration

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSeconds = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });

// A duration as a whole number of one unit, as in streammon/durations.py.
export function inWords(seconds, rounded = Math.round) {
  for (const [unit_s, name] of UNITS) {
    if (seconds === unit_s) return `1 ${name}`;
    if (seconds >= 2 * unit_s) return `${rounded(seconds / unit_s)} ${name}s`;
  }
  return seconds >= 1 ? `${rounded(seconds)} s` : 'under 1 s';
}

// How often normal footage reaches a level, and the footage's duration, as in streammon/cli/display.py.
export function rarity(level, basis_s) {
  if (level == null) return '';
  if (!(basis_s > 0)) return 'how rare is not known';
  const interval_s = DAY_S * 10 ** level;
  const footage = normalFootage(basis_s);
  return interval_s > MAX_INTERVAL_PER_BASIS * basis_s ? `never in ${footage}` : `about once in ${inWords(interval_s)} (from ${footage})`;
}

// How often normal footage reaches a live level, without the footage's duration.
export function levelWords(level, basis_s) {
  if (level == null) return '';
  if (level < AS_USUAL) return 'as usual';
  return rarity(level, basis_s).replace(/ \(from .*\)$/, '');
}

export function levelExplained(level, basis_s) {
  const words = rarity(level, basis_s);
  return words && `Normal footage of this camera reaches this level: ${words}`;
}

function normalFootage(basis_s) {
  return `${inWords(basis_s, Math.floor)} of normal footage`;
}

// The normal footage that a camera's levels are calibrated on; empty before its first score.
export function basisWords(basis_s) {
  if (basis_s == null) return '';
  return basis_s > 0 ? `calibrated on ${normalFootage(basis_s)}` : 'calibrated on normal footage of unknown length';
}

// Why the configured rate, one false alarm in `asked_s`, can't be confirmed: `basis_s` is shorter.
export function provisionalWords(basis_s, asked_s) {
  return `provisional: ${basisWords(basis_s)}, the configured rate needs ${inWords(asked_s)}`;
}

export function timeOfDay(time_s, seconds = true) {
  const date = new Date(time_s * 1000);
  const time = (seconds ? clockSeconds : clock).format(date);
  return new Date().toDateString() === date.toDateString() ? time : `${day.format(date)} ${time}`;
}

export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < DAY_S) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / DAY_S)} d`;
}

export function isSending(camera) {
  return camera.state === 'online' || camera.state === 'learning';
}

const STATES = { unauthorised: 'password refused', connecting: 'connecting', ended: 'ended' };

export function stateWords(camera) {
  if (camera.state === 'online') return 'online';
  if (camera.state === 'learning') return `learning ${Math.round(100 * (camera.progress ?? 0))} %`;
  const words = STATES[camera.state] ?? camera.state;
  if (camera.state === 'connecting' || camera.state === 'ended') return words;
  return `${words} since ${timeOfDay(camera.since_s, false)}`;
}

export function stateDetail(camera) {
  const retry = camera.retry_in_s == null ? '' : 'trying again';
  const main = camera.main_fault ? `sub-stream shown, no main stream: ${camera.main_fault}` : '';
  return [camera.reason, retry, main].filter(Boolean).join(', ');
}

// How often a camera is scored while the machine can't score all that is asked; else empty.
export function overloadWords(camera) {
  if (!camera.looks_only && !(camera.fps_planned < camera.score_fps)) return '';
  return `overload: scored ${camera.fps_planned} times a second${camera.looks_only ? ' by looks alone' : ''}`;
}

export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}
