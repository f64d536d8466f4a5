/* Teach the model in the page: photos of a class come in, a head is learned from them.

   Of each photo only its features are kept. What was trained on before takes part where
   the page was given its features. */

import { inOrder, modelFile, parsed } from "./manifest.js";
import { learned } from "./optimum.js";
import { sha256 } from "./zip.js";
import { breakable, element, find } from "./view.js";

const L2 = 0.1;
const tell = (text) => { find("taught").textContent = text; };
const counted = (count) => `${count.toLocaleString("en")} photo${count === 1 ? "" : "s"}`;

/* Set the section up; `changed` is called when the model has another head. */
export function teaching(model, changed) {
  const state = new State(model);
  const update = () => render(state);
  find("teach").hidden = false;
  find("teach-lead").textContent = model.old
    ? "Add a class, or more photos of one: drop them on it. The photos it was trained on take part, by their features."
    : "Add two classes or more, and drop photos on each. The model learns these, in the place of those it knows: the photos it was trained on are not in this page.";
  find("new-class").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = find("new-name").value.trim().normalize("NFC");
    if (!name) return;
    if (state.classes.has(name)) tell(`There is a class ${name} already.`);
    else state.add(name);
    find("new-name").value = "";
    update();
  });
  find("undo").addEventListener("click", () => {
    const { head } = model;
    tell(state.undo());
    update();
    if (model.head !== head) changed();
  });
  find("learn").addEventListener("click", async () => {
    state.busy = true;
    update();
    await state.learn();
    state.busy = false;
    update();
    changed();
  });
  find("save").addEventListener("click", () => save(state, model));
  update();
  return {
    owns: (place) => Boolean(place?.dataset?.teach),
    arrived: async (files, place) => {
      await state.take(files, place.dataset.teach, update);
      update();
    },
  };
}

class State {
  constructor(model) {
    Object.assign(this, { model, classes: new Map(), steps: [], result: null, busy: false });
    for (const name of model.old ? model.class_names : []) this.classes.set(name, []);
  }

  add(name) {
    this.classes.set(name, []);
    this.steps.push(() => { this.classes.delete(name); return `The class ${name} is gone again.`; });
    tell(`Class ${name} added. Drop photos on it.`);
  }

  /* How many photos of a class were trained on before. */
  known(name) {
    return this.model.old ? this.model.old.labels.filter((each) => each === name).length : 0;
  }

  async take(files, name, update) {
    const photos = this.classes.get(name), taken = [], failed = [];
    this.busy = true;
    for (const [number, file] of files.entries()) {
      tell(`${name}: photo ${number + 1} of ${files.length} …`);
      try {
        const key = sha256(new Uint8Array(await file.arrayBuffer()));
        const twice = [...this.classes.values()].some((each) => each.some((photo) => photo.key === key));
        if (twice) throw new Error("it is here already");
        const { views } = await this.model.look(file);
        const photo = { key, views };
        photos.push(photo);
        taken.push(photo);
      } catch (error) {
        failed.push(`${file.name}: ${error.message}`);
      }
      update();
    }
    if (taken.length) {
      this.steps.push(() => {
        this.classes.set(name, this.classes.get(name).filter((photo) => !taken.includes(photo)));
        return `${counted(taken.length)} of ${name} taken back.`;
      });
    }
    this.busy = false;
    const left = failed.length ? ` Left out: ${failed.join("; ")}` : "";
    tell(`${counted(taken.length)} of ${name} added.${left}`);
  }

  undo() {
    return this.steps.pop()();
  }

  get ready() {
    const full = [...this.classes].filter(([name, photos]) => photos.length + this.known(name));
    return full.length >= 2 && full.length === this.classes.size && this.steps.length > 0;
  }

  /* The rows to learn from, each with its class: of each photo, its views. */
  rows(names) {
    const rows = [], labels = [];
    const old = this.model.old ?? { labels: [], views: [] };
    old.labels.forEach((name, photo) => {
      for (const view of old.views) {
        rows.push(view(photo));
        labels.push(names.indexOf(name));
      }
    });
    names.forEach((name, label) => {
      for (const { views } of this.classes.get(name)) {
        for (const view of views) {
          rows.push(Float64Array.from(view));
          labels.push(label);
        }
      }
    });
    return { rows, labels };
  }

  async learn() {
    const names = inOrder([...this.classes.keys()]), progress = find("progress");
    progress.classList.remove("visually-hidden");
    tell("Learning …");
    const { rows, labels } = this.rows(names);
    const found = await learned(rows, labels, names.length, L2, (share) => { progress.value = share; });
    progress.classList.add("visually-hidden");
    const before = { head: this.model.head, class_names: this.model.class_names,
      confidence: this.model.confidence, result: this.result };
    Object.assign(this.model, { head: found.head, class_names: names, confidence: null });
    this.told();
    this.result = { ...found, class_names: names, l2: L2, photos: this.photos() };
    this.steps.push(() => {
      const { result, ...model } = before;
      Object.assign(this.model, model);
      this.result = result;
      this.told();
      return "What was learned is forgotten.";
    });
    const right = Math.round(100 * found.accuracy);
    tell(`Learned ${names.length} classes. Of what it was taught it names ${right} of 100 rightly; show it new photos to see how good it is.`);
  }

  /* Say which model the page has now. */
  told() {
    const arch = this.model.about.split(", ")[0];
    find("about").textContent = `${arch}, ${this.model.class_names.length} classes`;
  }

  photos() {
    return [...this.classes].flatMap(([label, photos]) => photos.map(({ key }) => ({ label, key })));
  }
}

function render(state) {
  find("classes").replaceChildren(...inOrder([...state.classes.keys()]).map((name) => card(state, name)));
  find("learn").disabled = state.busy || !state.ready;
  find("undo").disabled = state.busy || !state.steps.length;
  find("save").disabled = state.busy || !state.result;
}

function card(state, name) {
  const item = element("li", "", "class"), title = breakable(element("h3", name));
  const known = state.known(name), count = state.classes.get(name).length;
  item.dataset.drop = "";
  item.dataset.teach = name;
  const buttons = element("div", "", "buttons"), label = element("label", "Add photos", "button");
  const input = element("input", "", "visually-hidden"), camera = element("button", "Camera");
  Object.assign(input, { type: "file", accept: "image/*", multiple: true });
  input.dataset.teach = name;
  input.setAttribute("aria-label", `Add photos of ${name}`);
  label.prepend(input);
  camera.type = "button";
  Object.assign(camera.dataset, { camera: "many", teach: name });
  camera.setAttribute("aria-label", `Take photos of ${name} with the camera`);
  buttons.append(label, camera);
  item.append(title, element("p", amount(known, count)), buttons);
  return item;
}

function amount(known, added) {
  if (!known) return added ? `${counted(added)} added` : "No photos yet";
  return `${counted(known)} known${added ? `, ${added.toLocaleString("en")} added` : ""}`;
}

function save(state, model) {
  const manifest = parsed(new TextDecoder().decode(model.members.get("manifest.json")));
  const kept = model.old ? manifest.trained_on : {};
  const n_before = model.old ? model.old.labels.length : 0;
  const file = modelFile(model.members, { ...state.result, kept, n_before });
  const link = element("a");
  link.href = URL.createObjectURL(file);
  link.download = "ImageModel.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  tell("Saved as ImageModel.zip: carlib.load_model opens it.");
}
