/* The page's own thread: photos come in, are answered one after another, and are shown. */

import { openHere } from "./browser.js";
import { openServed } from "./served.js";
import { camera, listen } from "./sources.js";
import { teaching } from "./teach.js";
import { element, find, say, show, showNearest, showStrip } from "./view.js";

const MOST_SHOWN = 60; // pictures of earlier photos
const photos = [];
let current = null, teach = null;

const opened = open();
listen(arrived);
camera(arrived);

async function open() {
  const mode = document.documentElement.dataset.mode;
  try {
    const model = await (mode === "served" ? openServed() : openHere(say));
    find("about").replaceChildren(element("bdi", model.about));
    if (model.network) teach = teaching(model, again);
    say("Ready.");
    document.documentElement.dataset.ready = "true";
    return model;
  } catch (error) {
    say(`The model can't be opened: ${error.message}`);
    document.documentElement.dataset.ready = "failed";
    throw error;
  }
}

async function arrived(files, place) {
  if (teach?.owns(place)) {
    teach.arrived(files, place);
    return;
  }
  for (const file of files) {
    const photo = { name: file.name || "pasted photo", file, url: URL.createObjectURL(file) };
    photos.unshift(photo);
    photos.splice(MOST_SHOWN).forEach(({ url }) => url && URL.revokeObjectURL(url));
    await answered(photo);
  }
}

async function answered(photo) {
  say(`Looking at ${photo.name} …`);
  try {
    const model = await opened;
    Object.assign(photo, { error: null, stale: false }, await model.answer(photo.file));
    say(`${photo.name}: ${photo.ranked[0].label}.`);
  } catch (error) {
    photo.error = error.message;
    if (photo.url) URL.revokeObjectURL(photo.url);
    photo.url = "";
    say(`${photo.name}: not read. ${error.message}`);
  }
  choose(photo);
}

async function choose(photo) {
  if (photo.stale && !photo.error) {
    await answered(photo);
    return;
  }
  current = photo;
  show(photo);
  showStrip(photos, photo, choose);
  const model = await opened;
  if (photo.error || !model.nearest) return;
  photo.nearest ??= model.nearest(photo.file).catch(() => ({ photos: [] }));
  const { photos: near } = await photo.nearest;
  if (photo === current) showNearest(near);
}

/* Ask again about the photo that is shown, and about the others when they are: the model
   has learned something. */
function again() {
  for (const photo of photos) photo.stale = true;
  if (current) choose(current);
}
