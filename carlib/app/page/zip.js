/* A model's file: a zip whose members are stored as they are, arrays in NumPy's format. */

const text = new TextDecoder(), bytesOf = new TextEncoder();

/* The members of a zip, by name. */
export function unzipped(zip) {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength);
  let end = zip.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("The model's file is damaged.");
  const members = new Map();
  let place = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(place + 10, true), size = view.getUint32(place + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((at) => view.getUint16(place + at, true));
    const local = view.getUint32(place + 42, true);
    if (method !== 0) throw new Error("The model's file is packed.");
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const called = text.decode(zip.subarray(place + 46, place + 46 + name));
    members.set(called, zip.subarray(start, start + size));
    place += 46 + name + extra + comment;
  }
  return members;
}

/* A zip of members [name, bytes], all stored, dated as carlib dates them. */
export function zipped(members) {
  const parts = [], directory = [];
  let place = 0;
  for (const [name, data] of members) {
    const called = bytesOf.encode(name), sum = crc32(data);
    const common = [[20, 2], [0, 2], [0, 2], [0, 2], [33, 2], [sum, 4], [data.length, 4],
      [data.length, 4], [called.length, 2], [0, 2]];
    const local = packed([[0x04034b50, 4], ...common]);
    parts.push(local, called, data);
    directory.push(packed([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2],
      [0, 4], [place, 4]]), called);
    place += local.length + called.length + data.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const count = members.length;
  const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4],
    [place, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

function packed(fields) {
  const made = new Uint8Array(fields.reduce((sum, [, size]) => sum + size, 0));
  const view = new DataView(made.buffer);
  let place = 0;
  for (const [value, size] of fields) {
    if (size === 2) view.setUint16(place, value, true);
    else view.setUint32(place, value, true);
    place += size;
  }
  return made;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(data) {
  let sum = 0xffffffff;
  for (let i = 0; i < data.length; i++) sum = CRC[(sum ^ data[i]) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/* The numbers of an array of float32 in NumPy's format, version 1. */
export function numbers(npy) {
  const start = 10 + npy[8] + 256 * npy[9];
  return new Float32Array(npy.slice(start).buffer);
}

export const headerSize = (npy) => 10 + npy[8] + 256 * npy[9];

export const isHalf = (npy) => text.decode(npy.subarray(10, headerSize(npy))).includes("'<f2'");

/* An array as NumPy's np.save writes it. */
export function npy(values, shape) {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const said = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sides}), }`;
  // NumPy leaves room for the first side to grow to 21 digits.
  const room = said.length + 21 - String(shape[0]).length;
  const padded = said.padEnd(64 * Math.floor((10 + room + 1) / 64) + 53) + "\n";
  const made = new Uint8Array(10 + padded.length + 4 * values.length);
  made.set([0x93, 78, 85, 77, 80, 89, 1, 0, padded.length & 255, padded.length >> 8]);
  made.set(bytesOf.encode(padded), 10);
  made.set(new Uint8Array(Float32Array.from(values).buffer), 10 + padded.length);
  return made;
}

const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n++) if (PRIMES.every((p) => n % p)) PRIMES.push(n);
const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) >>> 0;
const FIRST = PRIMES.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
const ROUND = PRIMES.map((p) => fraction(Math.cbrt(p)));

/* SHA-256 (FIPS 180-4), as hex digits. A page that is no "secure context", as on a
   phone that opens a file, has no crypto.subtle. */
export function sha256(data) {
  const bytes = typeof data === "string" ? bytesOf.encode(data) : data;
  const whole = bytes.length & ~63, rest = bytes.subarray(whole);
  const tail = new Uint8Array(rest.length < 56 ? 64 : 128), end = new DataView(tail.buffer);
  tail.set(rest);
  tail[rest.length] = 0x80;
  end.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  end.setUint32(tail.length - 4, (bytes.length * 8) >>> 0);
  const state = Uint32Array.from(FIRST), words = new Uint32Array(64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < whole; at += 64) compress(state, words, view, at);
  for (let at = 0; at < tail.length; at += 64) compress(state, words, end, at);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

function compress(state, words, view, at) {
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15], y = words[i - 2];
    const one = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const two = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    words[i] = words[i - 16] + one + words[i - 7] + two;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const one = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const x = (h + one + ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
    const two = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const y = (two + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + x) | 0, c, b, a, (x + y) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
}
