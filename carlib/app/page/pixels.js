/* A photo's file → upright RGB pixels → the square that a network takes.

   The square is carlib's own (carlib/data/images.py): antialiased, the aspect ratio not
   kept, by Pillow's integer arithmetic (src/libImaging/Resample.c), to the last bit. */

const BITS = 22; // of a coefficient's fraction
export const MOST_PIXELS = 89_000_000;
const FILTERS = {
  bilinear: { reach: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    reach: 2,
    at: (x) => {
      const d = Math.abs(x), a = -0.5;
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
};

/* Turn a file, or what else a browser can draw, into pixels: {width, height, rgb}.
   What is transparent lies over white. */
export async function decoded(blob) {
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const image = await createImageBitmap(blob, options);
  const { width, height } = image;
  if (width * height > MOST_PIXELS) throw new RangeError("too many pixels");
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  image.close();
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return { width, height, rgb };
}

/* Squash pixels to a square of RGB. */
export function square({ width, height, rgb }, size, interpolation) {
  const filter = FILTERS[interpolation];
  const narrow = width === size ? rgb : across(rgb, width, height, size, filter);
  return height === size ? narrow : down(narrow, size, height, size, filter);
}

export function mirrored(rgb, size) {
  const made = new Uint8Array(rgb.length);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = 3 * (row * size + column), to = 3 * (row * size + size - 1 - column);
      made[to] = rgb[from];
      made[to + 1] = rgb[from + 1];
      made[to + 2] = rgb[from + 2];
    }
  }
  return made;
}

/* Of each pixel to make: the first one that goes into it, and by how much each does. */
function coefficients(before, after, filter) {
  const scale = before / after, stretch = Math.max(scale, 1);
  const reach = filter.reach * stretch;
  return Array.from({ length: after }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(before, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let x = first; x < end; x++) {
      weights.push(filter.at((x - centre + 0.5) * (1 / stretch)));
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const rounded = weights.map((weight) => {
      const share = (sum ? weight / sum : weight) * 2 ** BITS;
      return Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    });
    return { first, weights: Int32Array.from(rounded) };
  });
}

const clipped = (sum) => Math.min(255, Math.max(0, sum >> BITS));

function across(rgb, width, height, size, filter) {
  const made = new Uint8Array(3 * size * height);
  coefficients(width, size, filter).forEach(({ first, weights }, column) => {
    for (let row = 0; row < height; row++) {
      let red = 1 << (BITS - 1), green = red, blue = red;
      let from = 3 * (row * width + first);
      for (const weight of weights) {
        red += rgb[from] * weight;
        green += rgb[from + 1] * weight;
        blue += rgb[from + 2] * weight;
        from += 3;
      }
      const to = 3 * (row * size + column);
      made[to] = clipped(red);
      made[to + 1] = clipped(green);
      made[to + 2] = clipped(blue);
    }
  });
  return made;
}

function down(rgb, width, height, size, filter) {
  const stride = 3 * width, made = new Uint8Array(stride * size);
  coefficients(height, size, filter).forEach(({ first, weights }, row) => {
    for (let place = 0; place < stride; place++) {
      let sum = 1 << (BITS - 1);
      let from = first * stride + place;
      for (const weight of weights) {
        sum += rgb[from] * weight;
        from += stride;
      }
      made[row * stride + place] = clipped(sum);
    }
  });
  return made;
}
