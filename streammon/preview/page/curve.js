// Plot of an event's scores over its clip: the threshold dashed, the alert shaded, its opening and the playhead as lines.

import { palette, sized } from './timeline.js';

const LEAST_TOP = 1.5; // upper end of the axis in multiples of the threshold, at least
const TOP = 6; // and at most; higher scores are clipped
const POINTS = 1500; // about two a pixel
const GAP_S = 6; // the line is interrupted where no frame was scored for longer

// At most POINTS points, of neighbours the one with the highest score.
export function thinned(points) {
  const every = Math.ceil(points.length / POINTS);
  const runs = Array.from({ length: Math.ceil(points.length / every) || 0 }, (_, run) => points.slice(run * every, (run + 1) * every));
  return runs.map((run) => run.reduce((most, point) => (point.score > most.score ? point : most)));
}

export function drawCurve(canvas, points, threshold, [begin_s, end_s], [opened_s, closed_s], now_s) {
  const pen = sized(canvas);
  if (!pen) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const highest = points.reduce((most, point) => Math.max(most, point.score), 0);
  const unit = threshold || highest || 1;
  const top = Math.min(TOP, Math.max(LEAST_TOP, (1.1 * highest) / unit));
  const x = (time_s) => (width * (time_s - begin_s)) / Math.max(0.001, end_s - begin_s);
  const y = (score) => height - 1 - (height - 2) * (Math.min(score / unit, top) / top);
  pen.fillStyle = palette()['alert-shade'];
  pen.fillRect(x(opened_s), 0, Math.max(2, x(closed_s ?? end_s) - x(opened_s)), height);
  if (threshold) line(pen, 0, y(threshold), width, y(threshold), palette().muted, [3, 3]);
  pen.save();
  drawScores(pen, points, x, y, palette().accent);
  if (threshold) {
    pen.beginPath();
    pen.rect(0, 0, width, y(threshold));
    pen.clip();
    drawScores(pen, points, x, y, palette().alert);
  }
  pen.restore();
  line(pen, x(opened_s), 0, x(opened_s), height, palette().alert, []);
  line(pen, x(now_s), 0, x(now_s), height, palette().text, []);
}

function drawScores(pen, points, x, y, colour) {
  pen.beginPath();
  let before_s = -Infinity;
  for (const { time_s, score } of points) {
    if (time_s - before_s > GAP_S) pen.moveTo(x(time_s), y(score));
    else pen.lineTo(x(time_s), y(score));
    before_s = time_s;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.lineJoin = 'round';
  pen.stroke();
}

function line(pen, left, top, right, bottom, colour, dashes) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.setLineDash(dashes);
  pen.beginPath();
  pen.moveTo(left, top);
  pen.lineTo(right, bottom);
  pen.stroke();
  pen.setLineDash([]);
}
