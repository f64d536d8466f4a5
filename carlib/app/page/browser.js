/* The model in the browser: nothing of a photo leaves this computer.

   What the page needs of it are files: page.json, graphs, weights and the runtime. They
   lie beside the page, or, packed, in it. */

import { classMap, logits, reasons, softmax } from "./head.js";
import { Network, meanOf, numbersOf } from "./network.js";
import { decoded } from "./pixels.js";
import { headerSize, isHalf, npy, numbers, unzipped } from "./zip.js";

const NOT_READ = "This is no photo that the browser can open. JPEG, PNG, WebP, BMP and GIF are read.";

export async function openHere(say) {
  say("Opening the model …");
  const page = JSON.parse(new TextDecoder().decode(await part("page.json")));
  const members = inFull(unzipped(await part("ImageModel.zip")));
  const graphs = await Promise.all(page.backbones.map(({ graph }) => part(graph)));
  const weights = page.backbones.map(({ weights: name }) => numbersOf(members.get(name)));
  const ort = globalThis.ort ?? await import("./runtime/ort.mjs");
  const wasm = await part("runtime/ort.wasm");
  const network = await Network.open(ort, wasm, page.backbones, page.augment, graphs, weights);
  const array = (name) => numbers(members.get(`${name}.npy`));
  const head = Object.fromEntries(["kernel", "bias", "mean", "scale"].map((n) => [n, array(n)]));
  const confidence = page.confidence && { ...page.confidence, references: array("references") };
  const old = page.taught ? oldPhotos(page.taught, await part("photos.f16"), head) : null;
  const model = { ...page, network, head, confidence, members, old };
  model.look = (file) => look(network, file);
  model.answer = async (file) => answerOf(model, await model.look(file));
  return model;
}

async function look(network, file) {
  let pixels;
  try {
    pixels = await decoded(file);
  } catch (error) {
    const large = error instanceof RangeError;
    throw new Error(large ? "It has more than 89 million pixels." : NOT_READ);
  }
  return network.look(pixels);
}

function answerOf({ head, class_names: names, confidence }, { views, maps }) {
  const shares = softmax(logits(head, meanOf(views)));
  const ranked = names.map((label, k) => ({ label, probability: shares[k] }));
  const best = shares.indexOf(Math.max(...shares));
  ranked.sort((one, other) => other.probability - one.probability);
  const why = reasons(confidence, shares[best], views[0]);
  return { ranked, why, map: classMap(head, maps, best) };
}

/* The photos it was trained on: labels, and for each view what gives a photo's features. */
function oldPhotos({ labels, views }, bytes, { mean: { length: d } }) {
  const halves = new Uint16Array(bytes.slice().buffer);
  const of = (row) => Float64Array.from(halves.subarray(row * d, (row + 1) * d), half);
  const starts = Array.from({ length: views }, (_, view) => view * labels.length);
  return { labels, views: starts.map((start) => (photo) => of(start + photo)) };
}

/* A model's members whose weights are float32; a large model's are float16 in the page. */
function inFull(members) {
  for (const [name, data] of members) {
    if (!name.startsWith("backbone") || !isHalf(data)) continue;
    const weights = Float32Array.from(new Uint16Array(data.slice(headerSize(data)).buffer), half);
    members.set(name, npy(weights, [weights.length]));
  }
  return members;
}

/* A number of 16 bits (IEEE 754, binary16). */
function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, rest = bits & 1023;
  const small = exponent === 0;
  return sign * 2 ** ((small ? 1 : exponent) - 15) * (small ? rest / 1024 : 1 + rest / 1024);
}

/* The bytes of a part of the page: out of the page, or from beside it. */
async function part(name) {
  const packed = document.querySelector(`script[data-part="${name}"]`);
  return packed ? unpacked(packed) : fetched(name);
}

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is missing beside this page.`);
  return new Uint8Array(await response.arrayBuffer());
}

async function unpacked(element) {
  const text = element.textContent.trim();
  element.remove();
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
