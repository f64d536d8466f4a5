/* What a person sees of an answer: its label, its bars, whether it is sure, and where.

   Names of files and classes come from anybody. They go in as text, never as HTML. */

export const find = (id) => document.getElementById(id);

export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/* A text whose lines may end after an underscore. */
export function breakable(made) {
  const parts = made.textContent.split(/(?<=_)/);
  made.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]));
  return made;
}

export const say = (text) => { find("said").textContent = text; };

/* A share in percent; what isn't all or none never reads as such. */
export function percent(share) {
  const hundred = 100 * share;
  if (hundred < 0.1) return "<\u00a00.1\u00a0%";
  if (hundred > 99.9) return ">\u00a099.9\u00a0%";
  return `${hundred.toFixed(hundred < 1 || hundred > 99 ? 1 : 0)}\u00a0%`;
}

/* Show a photo and what was answered: {name, url, ranked, why, map, error}. */
export function show(photo) {
  find("result").hidden = false;
  find("name").replaceChildren(element("bdi", photo.name));
  const image = find("photo");
  image.hidden = !photo.url;
  image.onload = () => {
    const ratio = image.naturalWidth / image.naturalHeight;
    find("looks").style.setProperty("--ratio", ratio);
  };
  if (photo.url) image.src = photo.url;
  image.alt = `Photo ${photo.name}`;
  const { error, ranked = [], why = "", map = null } = photo;
  find("label").textContent = error ? "Not read" : ranked[0].label;
  breakable(find("label"));
  find("share").textContent = error ? "" : percent(ranked[0].probability);
  find("sure").hidden = !(error || why);
  find("sure").textContent = error || sentence(why);
  find("bars").replaceChildren(...ranked.slice(0, 8).map(bar));
  showMap(map);
  find("nearest").hidden = true;
}

function sentence(why) {
  const parts = why.split("; ").map((part) => part.replace(/^not sure: /, "its probability is "));
  return `Not sure: ${parts.join(", and ")}. Let a person look.`;
}

function bar({ label, probability }, place) {
  const item = element("li", "", place ? "" : "top");
  item.dataset.probability = probability;
  const track = element("span", "", "track"), fill = element("span", "", "fill");
  fill.style.width = `${100 * probability}%`;
  track.append(fill);
  item.append(breakable(element("span", label, "label")),
    element("span", percent(probability), "number"), track);
  return item;
}

const ROWS = ["at the top", "in the middle", "at the bottom"], COLUMNS = ["left", "", "right"];

/* Where the largest value of a map is: "at the top left". */
function where({ height, width, values }) {
  const place = values.indexOf(Math.max(...values));
  const row = Math.floor((3 * Math.floor(place / width)) / height);
  return `${ROWS[row]} ${COLUMNS[Math.floor((3 * (place % width)) / width)]}`.trim();
}

function showMap(map) {
  const canvas = find("map");
  find("map-words").textContent = map ? `Most of what speaks for it is ${where(map)}.` : "";
  find("looks").classList.toggle("without-map", !map);
  if (!map) return;
  const { height, width, values } = map;
  const scale = Math.max(...values.map(Math.abs)) || 1;
  const context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [width, height];
  const picture = context.createImageData(width, height);
  values.forEach((value, place) => {
    const colour = value > 0 ? [0, 114, 178] : [213, 94, 0];
    picture.data.set([...colour, 217 * Math.abs(value) / scale], 4 * place);
  });
  context.putImageData(picture, 0, 0);
}

/* Show the training photos that are most like it: [{label, src, distance}]. */
export function showNearest(photos) {
  find("nearest").hidden = !photos.length;
  find("nearest-photos").replaceChildren(...photos.map(({ label, src }) => {
    const figure = element("figure"), image = element("img"), item = element("li");
    image.src = src;
    image.alt = `A training photo labelled ${label}`;
    figure.append(image, breakable(element("figcaption", label)));
    item.append(figure);
    return item;
  }));
}

/* One button a photo, the latest first, once there are two. */
export function showStrip(photos, current, choose) {
  find("strip").hidden = photos.length < 2;
  find("strip-photos").replaceChildren(...photos.map((photo) => {
    const item = element("li"), button = element("button", "", "strip-photo");
    button.type = "button";
    if (photo === current) button.setAttribute("aria-current", "true");
    if (photo.url) {
      const image = element("img");
      image.src = photo.url;
      image.alt = "";
      button.append(image);
    } else {
      button.append(element("span", "?", "unread"));
    }
    const known = photo.ranked && !photo.stale;
    const label = photo.error ? "not read" : known ? photo.ranked[0].label : "…";
    button.append(breakable(element("span", label)),
      element("bdi", photo.name, "visually-hidden"));
    button.addEventListener("click", () => choose(photo));
    item.append(button);
    return item;
  }));
}
