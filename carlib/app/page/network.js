/* The backbones, in the browser: pixels → features, and where in the photo they arise.

   A graph is ONNX without its weights; those stay where they lie in the model's file
   and are handed over as they are (onnxruntime-web, one thread). */

import { mirrored, square } from "./pixels.js";
import { headerSize } from "./zip.js";

export class Network {
  /* described: what page.json says of the backbones; graphs and weights: their bytes. */
  static async open(ort, wasm, described, augment, graphs, weights) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = wasm;
    const sessions = [];
    for (const [number, { weights: path }] of described.entries()) {
      const externalData = [{ path, data: weights[number] }];
      const options = { executionProviders: ["wasm"], externalData };
      sessions.push(await ort.InferenceSession.create(graphs[number], options));
    }
    return new Network(ort, sessions, described, augment === "flip" ? 2 : 1);
  }

  constructor(ort, sessions, described, views) {
    Object.assign(this, { ort, sessions, described, views, turn: Promise.resolve() });
  }

  /* Features of each view, and the mean of the views' maps, of one photo's pixels.
     One photo after another: a session runs once at a time. */
  look(pixels) {
    const mine = this.turn.then(() => this.run(pixels));
    this.turn = mine.catch(() => {});
    return mine;
  }

  async run(pixels) {
    const parts = [];
    for (const [number, session] of this.sessions.entries()) {
      const { size, interpolation } = this.described[number];
      const one = square(pixels, size, interpolation);
      const batch = new Uint8Array(this.views * one.length);
      batch.set(one);
      if (this.views === 2) batch.set(mirrored(one, size), one.length);
      const tensor = new this.ort.Tensor("uint8", batch, [this.views, size, size, 3]);
      parts.push(await session.run({ pixels: tensor }));
    }
    return { views: this.features(parts), maps: this.maps(parts) };
  }

  features(parts) {
    return Array.from({ length: this.views }, (_, view) => {
      const made = parts.map(({ features: { data } }) => {
        const d = data.length / this.views;
        return data.subarray(view * d, (view + 1) * d);
      });
      return Float32Array.from(made.flatMap((part) => [...part]));
    });
  }

  maps(parts) {
    return parts.flatMap((outputs) => Object.keys(outputs)
      .filter((name) => name !== "features")
      .sort((one, other) => one.slice(4) - other.slice(4))
      .map((name) => this.meanMap(outputs[name])));
  }

  meanMap({ dims: [, channels, height, width], data }) {
    const values = Float64Array.from(data.subarray(0, channels * height * width));
    if (this.views === 2) {
      for (let row = 0; row < channels * height; row++) {
        for (let column = 0; column < width; column++) {
          const other = values.length + row * width + width - 1 - column;
          values[row * width + column] = (values[row * width + column] + data[other]) / 2;
        }
      }
    }
    return { channels, height, width, values };
  }
}

/* Where a backbone's numbers begin in its member of the model's file. */
export const numbersOf = (npy) => npy.subarray(headerSize(npy));

export const meanOf = (views) => Float64Array.from(views[0], (_, i) =>
  views.reduce((sum, view) => sum + view[i], 0) / views.length);
