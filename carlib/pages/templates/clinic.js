"use strict";
/* One case at a time. What is decided is a choice's name by the case's id; the decisions
   to save are made of it. Texts go in as text, never as HTML. */
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const { cases, classes, photos, before, columns, kept_as: keptAs } = data;
  const at = (id) => document.getElementById(id);
  const MOST_KEYS = 9;
  let current = 0;
  let saved = true;
  const decided = new Map(); // a case's number → a choice's name
  const done = []; // what can be undone: the case, and all that was decided before

  const element = (name, text = "", kind = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  /* Decisions */
  const labelled = (name) => ({
    name: "class:" + name,
    text: "It is " + name,
    rows: (one) => [
      ...(one.subjects.length > 1
        ? [["pair", one.subjects[0][0], one.subjects[1][0], "copy", one.subjects[0][1], one.subjects[1][1]]]
        : []),
      ...one.subjects.map(([hash, image, label]) =>
        ["label", hash, "", label === name ? "keep" : "relabel:" + name, image, ""]),
    ],
  });
  const choiceOf = (one, name) => {
    const own = one.choices.find((choice) => choice.name === name);
    const other = classes.find((each) => "class:" + each === name);
    return own || (other === undefined ? undefined : labelled(other));
  };
  const matter = ([kind, one, other]) => [kind, ...[one, other].sort()].join(" ");
  const rowsOf = (number, name) => {
    const choice = choiceOf(cases[number], name);
    const rows = typeof choice.rows === "function" ? choice.rows(cases[number]) : choice.rows;
    /* Of one file under two labels a decision gives both their label. */
    const firm = (row) => row[3].startsWith("relabel:");
    return rows.filter((row) => firm(row) || !rows.some((other) => firm(other) && matter(other) === matter(row)));
  };
  const allRows = () => {
    const rows = new Map(before.map((row) => [matter(row), row]));
    cases.forEach((one, number) => {
      if (decided.has(number)) {
        rowsOf(number, decided.get(number)).forEach((row) => rows.set(matter(row), row));
      }
    });
    return [...rows.values()];
  };
  const opposed = (number, name) => {
    const mine = new Map(rowsOf(number, name).map((row) => [matter(row), row[3]]));
    return [...decided].filter(([other, choice]) => other !== number &&
      rowsOf(other, choice).some((row) => mine.has(matter(row)) && mine.get(matter(row)) !== row[3]))
      .map(([other]) => other);
  };

  /* Kept in the browser, where it lets a page do so */
  const keep = () => {
    try {
      const found = [...decided].map(([number, name]) => [cases[number].id, name]);
      localStorage.setItem(keptAs, JSON.stringify(found));
      return true;
    } catch {
      return false;
    }
  };
  const recall = () => {
    try {
      const places = new Map(cases.map((one, number) => [one.id, number]));
      for (const [id, name] of JSON.parse(localStorage.getItem(keptAs)) ?? []) {
        const number = places.get(id);
        if (number !== undefined && choiceOf(cases[number], name)) decided.set(number, name);
      }
    } catch { /* nothing was kept, or by something else */ }
  };

  /* What is seen */
  const say = (text) => { at("said").textContent = text; };
  const button = (choice, key) => {
    const made = element("button");
    made.type = "button";
    made.dataset.choice = choice.name;
    made.setAttribute("aria-pressed", String(decided.get(current) === choice.name));
    if (key) {
      made.setAttribute("aria-keyshortcuts", key);
      made.append(element("kbd", key.toUpperCase()), " ");
    }
    made.append(element("bdi", choice.short ?? choice.text));
    return made;
  };
  const selection = () => {
    const made = element("select");
    made.setAttribute("aria-label", "Another class");
    made.append(element("option", "Another class …"));
    classes.forEach((name) => {
      const option = element("option", name);
      option.value = "class:" + name;
      option.selected = decided.get(current) === option.value;
      made.append(option);
    });
    made.firstChild.value = "";
    return made;
  };
  const figure = ({ photo, note }) => {
    const made = element("figure");
    const caption = element("figcaption");
    const { name, src, width, height } = photos[photo];
    if (src) {
      const image = element("img");
      Object.assign(image, { src, width, height, alt: "Photo " + name });
      made.append(image);
    } else {
      made.append(element("span", "No picture", "no-picture"));
    }
    caption.append(element("bdi", note, "label"), element("bdi", name, "soft"));
    made.append(caption);
    return made;
  };
  const classButtons = () => classes.map((name, number) =>
    button({ name: "class:" + name, short: name }, String(number + 1)));
  const showCase = () => {
    const one = cases[current];
    at("case-title").textContent = `${current + 1}. ${one.title}`;
    at("case-words").textContent = one.words;
    at("case-photos").replaceChildren(...one.photos.map(figure));
    at("choices").replaceChildren(...one.choices.map((choice) => button(choice, choice.key)));
    at("classes-title").textContent = one.subjects.length > 1 ? "Or both are" : "Or it is";
    const others = classes.length > MOST_KEYS ? [selection()] : classButtons();
    at("classes").replaceChildren(at("classes-title"), ...others);
    at("back").disabled = current === 0;
    at("next").disabled = current === cases.length - 1;
  };
  const showAll = () => {
    at("progress").textContent = `${decided.size} of ${cases.length} decided`;
    at("bar").value = decided.size;
    at("undo").disabled = done.length === 0;
    at("download").disabled = decided.size === 0;
    at("forget").disabled = decided.size === 0;
    document.querySelectorAll("[data-decided]").forEach((cell) => {
      const number = Number(cell.dataset.decided);
      const name = decided.get(number);
      cell.textContent = name === undefined ? "–" : choiceOf(cases[number], name).text;
    });
  };
  const show = (number, focus = false) => {
    const inside = at("case").contains(document.activeElement) && document.activeElement.closest(".choices");
    current = number;
    showCase();
    showAll();
    if (inside || focus) at("case-title").focus();
  };
  const changed = () => {
    saved = false;
    at("kept").textContent = keep()
      ? "What you decided is kept in this browser; save it to use it."
      : "What you decided is lost when you close this page, unless you save it.";
  };

  /* What is done */
  const after = (number) => {
    const round = cases.map((_, step) => (number + 1 + step) % cases.length);
    return round.find((each) => !decided.has(each)) ?? number;
  };
  const decide = (name) => {
    const choice = choiceOf(cases[current], name);
    if (!choice) return;
    done.push([current, [...decided]]);
    const gone = opposed(current, name);
    gone.forEach((number) => decided.delete(number));
    decided.set(current, name);
    changed();
    const again = gone.length
      ? ` That contradicts case ${gone.map((number) => number + 1).join(", ")}, which is open again.`
      : "";
    const left = cases.length - decided.size;
    say(`Case ${current + 1}: ${choice.text}.${again} ${left ? `${left} to go.` : "All are decided: save them."}`);
    show(after(current));
  };
  const undo = () => {
    const last = done.pop();
    if (!last) return;
    decided.clear();
    last[1].forEach(([number, name]) => decided.set(number, name));
    changed();
    say(`Undone: case ${last[0] + 1} is as it was.`);
    show(last[0]);
  };
  const go = (step) => {
    const number = current + step;
    if (number < 0 || number >= cases.length) return;
    show(number);
    say(`Case ${number + 1} of ${cases.length}: ${cases[number].title}`);
  };
  const forget = () => {
    done.push([current, [...decided]]);
    decided.clear();
    changed();
    say("All decisions are taken back. Undo brings them back again.");
    show(0);
  };

  /* The file: what a spreadsheet would take for a formula gets an apostrophe */
  const field = (text) => {
    const safe = /^'*[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const download = () => {
    const lines = [columns, ...allRows()].map((row) => row.map(field).join(","));
    const blob = new Blob([lines.join("\n") + "\n"], { type: "text/csv;charset=utf-8" });
    const link = element("a");
    link.href = URL.createObjectURL(blob);
    link.download = "labels.patch.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
    say(`Saved: labels.patch.csv, ${lines.length - 1} lines.`);
  };

  const KEYS = {
    j: () => go(1), ArrowRight: () => go(1), k: () => go(-1), ArrowLeft: () => go(-1), u: undo,
  };
  const byKey = (key) => {
    const pressed = key.length === 1 ? key.toLowerCase() : key;
    const choice = cases[current].choices.find((each) => each.key === pressed);
    const name = classes.length > MOST_KEYS ? undefined : classes[Number(pressed) - 1];
    if (choice) return () => decide(choice.name);
    return name === undefined ? KEYS[pressed] : () => decide("class:" + name);
  };
  const isTyping = (target) => target.closest("input:not([type=checkbox]), select, textarea, dialog");

  if (!cases.length) return;
  document.addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey, repeat } = event;
    if (!at("keys").checked || ctrlKey || metaKey || altKey || repeat || isTyping(target)) return;
    const act = byKey(key);
    if (act) {
      event.preventDefault();
      act();
    }
  });
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-choice]");
    const link = event.target.closest("[data-case]");
    if (choice) decide(choice.dataset.choice);
    if (link) {
      event.preventDefault();
      show(Number(link.dataset.case), true);
      at("decide").scrollIntoView({ behavior: "instant" });
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select") && event.target.value) decide(event.target.value);
  });
  at("keys").addEventListener("change", () => {
    document.body.classList.toggle("keys-off", !at("keys").checked);
  });
  at("back").addEventListener("click", () => go(-1));
  at("next").addEventListener("click", () => go(1));
  at("undo").addEventListener("click", undo);
  at("download").addEventListener("click", download);
  at("forget").addEventListener("click", forget);
  addEventListener("beforeunload", (event) => {
    if (!saved && !keep()) event.preventDefault();
  });

  recall();
  at("case").hidden = false;
  if (decided.size) say(`${decided.size} decided before are here again.`);
  show(Math.max(0, after(-1)));
})();
