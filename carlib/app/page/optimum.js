/* The optimum of a head's loss: the mean cross-entropy over the rows + l2 · |kernel|².

   On standardised features, as carlib/training/optimum.py finds it; by L-BFGS (Nocedal
   and Wright, Numerical Optimization, algorithm 7.5, steps by Armijo and curvature). */

import { softmax } from "./head.js";

const CLOSE = 1e-8; // the gradient's length, in that of the start's
const REMEMBERED = 12, MOST = 2000;

/* rows: arrays of d features each; labels: their classes, 0 and up. → {head, accuracy,
   loss, converged}; tell hears of the way that is done, from 0 to 1. */
export async function learned(rows, labels, nClasses, l2, tell) {
  const { mean, scale } = statistics(rows);
  const standard = rows.map((row) => row.map((value, i) => (value - mean[i]) / scale[i]));
  const loss = new Loss(standard, labels, nClasses, l2);
  const found = await descended(loss, new Float64Array((mean.length + 1) * nClasses), tell);
  const last = found.x.length - nClasses;
  const head = {
    kernel: Float32Array.from(found.x.subarray(0, last)),
    bias: Float32Array.from(found.x.subarray(last)),
    mean, scale,
  };
  return { head, ...loss.figures, converged: found.converged, iterations: found.iterations };
}

/* Each feature's mean and deviation; a feature that hardly varies is as good as constant. */
function statistics(rows) {
  const d = rows[0].length, n = rows.length;
  const mean = new Float64Array(d), variance = new Float64Array(d);
  for (const row of rows) for (let i = 0; i < d; i++) mean[i] += row[i] / n;
  for (const row of rows) for (let i = 0; i < d; i++) variance[i] += (row[i] - mean[i]) ** 2 / n;
  const scale = variance.map(Math.sqrt).map((each) => (each < 1e-6 ? 1 : each));
  return { mean: Float32Array.from(mean), scale: Float32Array.from(scale) };
}

class Loss {
  constructor(rows, labels, nClasses, l2) {
    Object.assign(this, { rows, labels, nClasses, l2, figures: {} });
  }

  /* The loss at x, kernel and bias one after another; its gradient goes into `gradient`. */
  at(x, gradient) {
    const { rows, labels, nClasses: k, l2 } = this, n = rows.length, d = rows[0].length;
    gradient.fill(0);
    let plain = 0, hits = 0;
    rows.forEach((row, number) => {
      const logits = Float64Array.from(x.subarray(d * k));
      for (let i = 0; i < d; i++) {
        const value = row[i], at = i * k;
        for (let c = 0; c < k; c++) logits[c] += value * x[at + c];
      }
      const pulls = softmax(logits), label = labels[number];
      const best = pulls.indexOf(Math.max(...pulls));
      hits += best === label;
      plain -= Math.log(Math.max(pulls[label], Number.MIN_VALUE)) / n;
      pulls[label] -= 1;
      for (let c = 0; c < k; c++) pulls[c] /= n;
      for (let i = 0; i < d; i++) {
        const value = row[i], at = i * k;
        for (let c = 0; c < k; c++) gradient[at + c] += value * pulls[c];
      }
      for (let c = 0; c < k; c++) gradient[d * k + c] += pulls[c];
    });
    let squares = 0;
    for (let i = 0; i < d * k; i++) {
      squares += x[i] * x[i];
      gradient[i] += 2 * l2 * x[i];
    }
    this.figures = { accuracy: hits / n, loss: plain };
    return plain + l2 * squares;
  }
}

const dot = (one, other) => {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
};
const plus = (one, factor, other) => one.map((value, i) => value + factor * other[i]);
const pause = () => new Promise((done) => { setTimeout(done); });

async function descended(loss, start, tell) {
  let x = start, gradient = new Float64Array(x.length), value = loss.at(x, gradient);
  const first = Math.sqrt(dot(gradient, gradient)), pairs = [];
  let shown = performance.now(), iterations = 0, size = first;
  while (size > CLOSE * first && iterations < MOST) {
    const way = direction(gradient, pairs);
    const next = step(loss, x, value, gradient, way, pairs.length ? 1 : 1 / first);
    if (!next) break;
    const moved = plus(next.x, -1, x), turned = plus(next.gradient, -1, gradient);
    if (dot(moved, turned) > 0) pairs.push({ moved, turned, product: dot(moved, turned) });
    if (pairs.length > REMEMBERED) pairs.shift();
    ({ x, value, gradient } = next);
    size = Math.sqrt(dot(gradient, gradient));
    iterations += 1;
    if (performance.now() - shown > 60) {
      tell(Math.log(size / first) / Math.log(CLOSE));
      await pause();
      shown = performance.now();
    }
  }
  return { x, iterations, converged: size <= 1e-6 * first };
}

function direction(gradient, pairs) {
  let way = gradient.map((value) => -value);
  const factors = [];
  for (const { moved, turned, product } of [...pairs].reverse()) {
    const factor = dot(moved, way) / product;
    factors.unshift(factor);
    way = plus(way, -factor, turned);
  }
  if (pairs.length) {
    const { turned, product } = pairs.at(-1), scale = product / dot(turned, turned);
    way = way.map((value) => value * scale);
  }
  pairs.forEach(({ moved, turned, product }, i) => {
    way = plus(way, factors[i] - dot(turned, way) / product, moved);
  });
  return way;
}

/* A step that goes down enough, and far enough (weak Wolfe conditions, by bisection). */
function step(loss, x, value, gradient, way, first) {
  const slope = dot(gradient, way);
  let low = 0, high = Infinity, length = first;
  for (let tries = 0; tries < 40; tries++) {
    const next = { x: plus(x, length, way), gradient: new Float64Array(x.length) };
    next.value = loss.at(next.x, next.gradient);
    const rounding = 1e-14 * Math.abs(value);
    if (next.value > value + 1e-4 * length * slope + rounding) high = length;
    else if (dot(next.gradient, way) < 0.9 * slope) low = length;
    else return next;
    length = high === Infinity ? 2 * length : (low + high) / 2;
  }
  return null;
}
