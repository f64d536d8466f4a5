/* Ask the carlib that serves this page. */

async function asked(path, body) {
  const response = await fetch(path, body ? { method: "POST", body } : {});
  const said = await response.json().catch(() => ({}));
  if (!response.ok || said.error) throw new Error(said.error || "It could not be answered.");
  return said;
}

export async function openServed() {
  const facts = await asked("model");
  return {
    ...facts,
    answer: (file) => asked("answer", file),
    nearest: facts.shows_nearest ? (file) => asked("nearest", file) : null,
  };
}
