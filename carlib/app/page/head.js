/* The head: features → probabilities, where they come from, and whether they are sure.

   As carlib/model/head.py, explain/class_maps.py and model/confidence.py have it. */

/* Features, the mean of a photo's and its mirror image's → a logit a class. */
export function logits({ kernel, bias, mean, scale }, features) {
  const made = Float64Array.from(bias), n = bias.length;
  features.forEach((feature, row) => {
    const standard = (feature - mean[row]) / scale[row];
    for (let k = 0; k < n; k++) made[k] += standard * kernel[row * n + k];
  });
  return made;
}

export function softmax(values) {
  const top = Math.max(...values);
  const powers = Array.from(values, (value) => Math.exp(value - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/* What each place gives to a class's logit, on the finest grid; null: no maps.
   Each map is {height, width, channels, values}, the channels first. */
export function classMap(head, maps, label) {
  if (!maps.length) return null;
  const n = head.bias.length;
  let start = 0;
  const given = maps.map((map) => {
    const places = map.height * map.width;
    const values = new Float64Array(places).fill(head.bias[label] / maps.length);
    for (let channel = 0; channel < map.channels; channel++) {
      const row = start + channel;
      const weight = head.kernel[row * n + label] / head.scale[row];
      for (let place = 0; place < places; place++) {
        values[place] += weight * (map.values[channel * places + place] - head.mean[row]);
      }
    }
    start += map.channels;
    return { ...map, values: values.map((value) => value / places) };
  });
  return summed(given);
}

/* Maps of grids that differ, on the finest: a place is divided evenly. */
function summed(maps) {
  const height = Math.max(...maps.map((map) => map.height));
  const width = Math.max(...maps.map((map) => map.width));
  const values = new Array(height * width).fill(0);
  for (const map of maps) {
    const rows = shares(map.height, height), columns = shares(map.width, width);
    for (const [h, row, part] of rows) {
      for (const [w, column, other] of columns) {
        values[row * width + column] += part * other * map.values[h * map.width + w];
      }
    }
  }
  return { height, width, values };
}

function shares(before, after) {
  const found = [];
  for (let one = 0; one < before; one++) {
    for (let other = 0; other < after; other++) {
      const low = Math.max(one / before, other / after);
      const high = Math.min((one + 1) / before, (other + 1) / after);
      if (high > low) found.push([one, other, (high - low) * before]);
    }
  }
  return found;
}

/* Why an answer isn't sure, in words; "" where it is. */
export function reasons(confidence, score, features) {
  if (!confidence) return "";
  const grounds = [];
  if (distance(confidence.references, features) > confidence.farthest) {
    grounds.push(confidence.unlike);
  }
  if (confidence.threshold === null) {
    grounds.push(`not sure: ${score.toFixed(2)}, and no answer of it is sure enough`);
  } else if (score < confidence.threshold) {
    grounds.push(below(score, confidence.threshold));
  }
  return grounds.join("; ");
}

/* The cosine distance to the nearest reference. */
export function distance(references, features) {
  const d = features.length, length = Math.hypot(...features) || 1;
  let nearest = -1;
  for (let start = 0; start < references.length; start += d) {
    let product = 0;
    for (let i = 0; i < d; i++) product += features[i] * references[start + i];
    nearest = Math.max(nearest, product / length);
  }
  return Math.min(2, Math.max(0, 1 - nearest));
}

function below(score, threshold) {
  const texts = [2, 3, 4, 9].map((n) => [score.toFixed(n), threshold.toFixed(n)]);
  const told = texts.find(([one, other]) => one !== other) || texts[3];
  return `not sure: ${told[0]}, below ${told[1]}`;
}
