/* A model's file with another head: its manifest says what Python's would, hash by hash.

   Python hashes what json.dumps makes of the fields. There 1.0 is not 1, so numbers stay
   the texts that they are. */

import { npy, sha256, zipped } from "./zip.js";

const NUMBER = "#number";
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const DIGITS = 12; // of a photo's hash; see carlib/model/digests.py

/* JSON whose numbers stay texts. */
export function parsed(text) {
  const kept = text.replace(TOKENS, (token) =>
    token[0] === '"' ? token : JSON.stringify({ [NUMBER]: token }));
  return JSON.parse(kept);
}

/* What Python's json.dumps(value, sort_keys=True) returns. */
export function dumped(value) {
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(dumped).join(", ")}]`;
  if (NUMBER in value) return value[NUMBER];
  const pairs = inOrder(Object.keys(value)).map((key) => `${quoted(key)}: ${dumped(value[key])}`);
  return `{${pairs.join(", ")}}`;
}

/* A number that Python shall take for a float, to four digits. */
export function float(number) {
  const text = String(Math.round(number * 1e4) / 1e4);
  return { [NUMBER]: text.includes(".") ? text : `${text}.0` };
}

/* Texts as Python sorts them: by their characters, not by their halves. */
export function inOrder(texts) {
  const points = (text) => Array.from(text, (character) => character.codePointAt(0));
  const keyed = texts.map((text) => [points(text), text]);
  keyed.sort(([one], [other]) => {
    const place = one.findIndex((point, i) => point !== other[i]);
    return place < 0 ? one.length - other.length : one[place] - (other[place] ?? -1);
  });
  return keyed.map(([, text]) => text);
}

const SHORT = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b" };
const quoted = (text) => `"${text.replace(/["\\]|[^ -~]/g, (unit) => SHORT[unit] ?? escaped(unit))}"`;
const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/* The file of a model whose head was learned in the page.

   members: the file's that it came from; taught: {head, class_names, l2, accuracy, loss,
   iterations, photos: [{label, key}], kept: the digests by label of those that were
   trained on before, n_before: how many these are}. */
export function modelFile(members, taught) {
  const { head, class_names: names, photos } = taught, d = head.mean.length;
  const old = parsed(new TextDecoder().decode(members.get("manifest.json")));
  const arrays = new Map([...members].filter(([name]) => /^backbone.*\.npy$/.test(name)));
  arrays.set("kernel.npy", npy(head.kernel, [d, names.length]));
  arrays.set("bias.npy", npy(head.bias, [names.length]));
  arrays.set("mean.npy", npy(head.mean, [d]));
  arrays.set("scale.npy", npy(head.scale, [d]));
  const sorted = inOrder([...arrays.keys()]).map((name) => [name, arrays.get(name)]);
  const fields = { ...old, ...changed(old, taught), data_hash: sha256(dumped(
    inOrder(photos.map(({ key, label }) => `${key} ${label}`)))) };
  delete fields.sha256;
  const hashes = Object.fromEntries(sorted.map(([name, data]) => [name, sha256(data)]));
  hashes["manifest.json"] = sha256(dumped(fields));
  const said = new TextEncoder().encode(dumped({ ...fields, sha256: hashes }));
  return zipped([["manifest.json", said], ...sorted]);
}

function changed(old, { class_names, l2, accuracy, loss, iterations, photos, kept, n_before }) {
  const options = {
    ...old.options, optimizer: "lbfgs", l2: float(l2), within_class: float(0),
    label_smoothing: float(0), class_weight: null, calibrate: null, refuse: null,
    standardize: true, early_stopping: null, validation_set_fraction: null,
  };
  const history = {
    dataset: ["train"], batch_processed_count: [1], epoch: [iterations],
    accuracy: [float(accuracy)], cross_entropy: [float(loss)], learning_rate: [null],
  };
  const digests = {};
  for (const name of class_names) {
    const own = photos.filter(({ label }) => label === name).map(({ key }) => key.slice(0, DIGITS));
    const before = (kept[name] ?? "").match(/.{12}/g) ?? [];
    if (own.length + before.length) digests[name] = [...own, ...before].sort().join("");
  }
  const count = photos.length.toLocaleString("en");
  const more = n_before ? ` and the ${n_before.toLocaleString("en")} it was trained on before` : "";
  const note = `Taught in a page on ${count} photos${more}; nothing measured how good it is.`;
  return {
    class_names, options, history, best_epoch: iterations, metrics: {}, calibration: null,
    confidence: null, trained_on: digests, notes: [note],
  };
}
