// What people read: states, levels, times.

const DAY_S = 86400;
const AS_USUAL = -2.5; // more than about 300 times a day
const LONGEST_LEVEL = Math.log10(3650); // no calibration says more

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSeconds = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });

function rounded(number) {
  if (number >= 10) return Math.round(number).toLocaleString();
  return String(Math.round(number * 10) / 10);
}

// How often normal footage is as unusual as this.
export function rarity(level) {
  if (level == null) return '';
  if (level < AS_USUAL) return 'as usual';
  if (level <= 0) {
    const times = 10 ** -level;
    return times < 1.5 ? 'once a day' : `${rounded(times)} times a day`;
  }
  if (level > LONGEST_LEVEL) return 'less than once in 10 years';
  const days = 10 ** level;
  if (days < 1.5) return 'once a day';
  if (days < 60) return `once in ${rounded(days)} days`;
  if (days < 550) return `once in ${Math.round(days / 30.44)} months`;
  return `once in ${rounded(days / 365.25)} years`;
}

export function rarityExplained(level) {
  const words = rarity(level);
  if (!words) return '';
  return `Normal footage of this camera looks this unusual ${words === 'as usual' ? 'all the time' : words}`;
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
  return [camera.reason, retry].filter(Boolean).join(', ');
}

export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}
