// Plot of a camera's scores in the last minutes, with the threshold as a line and alerts shaded.

const TOP = 2; // upper end of the axis in multiples of the threshold; higher scores are clipped

let colours = null;

export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = Object.fromEntries(
      ['accent', 'alert', 'muted', 'line', 'text', 'alert-shade', 'accent-shade'].map((name) => [
        name,
        style.getPropertyValue(`--${name}`).trim(),
      ]),
    );
  }
  return colours;
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (colours = null));

// The cleared context of a canvas, in CSS pixels at the screen's resolution; null while the canvas has no size.
export function sized(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

export function drawTimeline(canvas, camera, board) {
  const pen = sized(canvas);
  if (!pen) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const { timeline, step_s } = camera;
  const newest = timeline.length ? timeline.at(-1)[0] + step_s : 0;
  const end = Math.max(board.now_s, newest); // footage played fast is ahead of the clock
  const x = (time_s) => width * (1 - (end - time_s) / board.history_s);
  const y = (ratio) => height - 1 - (height - 2) * (Math.min(ratio, TOP) / TOP);
  shadeAlerts(pen, camera.spans, x, end, height);
  drawThreshold(pen, width, y(1));
  for (const run of runs(timeline, step_s)) {
    drawRun(pen, run, x, y, step_s, height, [0, height], 'accent');
    drawRun(pen, run, x, y, step_s, height, [0, y(1)], 'alert');
  }
}

function shadeAlerts(pen, spans, x, end, height) {
  pen.fillStyle = palette()['alert-shade'];
  for (const [opened_s, closed_s] of spans.values()) {
    const [left, right] = [x(opened_s), x(closed_s ?? end)];
    if (right >= 0) pen.fillRect(Math.max(0, left), 0, Math.max(2, right - Math.max(0, left)), height);
  }
}

function drawThreshold(pen, width, level) {
  pen.strokeStyle = palette().muted;
  pen.globalAlpha = 0.7;
  pen.lineWidth = 1;
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(0, Math.round(level) + 0.5);
  pen.lineTo(width, Math.round(level) + 0.5);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

// Runs of successive points: the line is interrupted where no frame was scored.
function runs(timeline, step_s) {
  const found = [];
  let before = -Infinity;
  for (const point of timeline) {
    if (point[0] - before > Math.max(2.5 * step_s, 6)) found.push([]);
    found.at(-1).push(point);
    before = point[0];
  }
  return found;
}

function drawRun(pen, points, x, y, step_s, height, [top, bottom], colour) {
  pen.save();
  pen.beginPath();
  pen.rect(0, top, pen.canvas.width, bottom - top);
  pen.clip();
  pen.beginPath();
  for (const [time_s, , ratio] of points) pen.lineTo(x(time_s + step_s / 2), y(ratio));
  if (points.length === 1) pen.lineTo(x(points[0][0] + step_s / 2) + 1.5, y(points[0][2]));
  pen.strokeStyle = palette()[colour];
  pen.lineWidth = 1.5;
  pen.lineJoin = 'round';
  pen.stroke();
  pen.lineTo(x(points.at(-1)[0] + step_s / 2), height);
  pen.lineTo(x(points[0][0] + step_s / 2), height);
  pen.fillStyle = palette()[`${colour}-shade`];
  if (colour === 'accent') pen.fill();
  pen.restore();
}

export function timelineWords(camera, board) {
  const minutes = Math.round(board.history_s / 60);
  const from = board.now_s - board.history_s;
  const alerts = [...camera.spans.values()].filter(([, closed_s]) => closed_s === null || closed_s > from).length;
  const highest = camera.timeline.reduce((most, [, , ratio]) => Math.max(most, ratio), 0);
  if (!camera.timeline.length) return `Scores of the last ${minutes} minutes: none`;
  const words = alerts === 1 ? '1 alert' : `${alerts || 'no'} alerts`;
  return `Scores of the last ${minutes} minutes: at most ${highest.toFixed(1)} times the threshold, ${words}`;
}
