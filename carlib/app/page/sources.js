/* How photos come into the page: chosen, dropped, pasted, or taken by a camera. */

import { find, say } from "./view.js";

/* Hand each lot of files on as it comes, with the element it was dropped on. */
export function listen(take) {
  document.addEventListener("change", ({ target }) => {
    if (target.type !== "file") return;
    take([...target.files], target);
    target.value = "";
  });
  const lit = (event) => event.target.closest?.("[data-drop]") || find("drop");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    unlight();
    lit(event).classList.add("over");
  });
  document.addEventListener("dragleave", unlight);
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    unlight();
    take([...event.dataTransfer.files], lit(event));
  });
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) take(files, find("drop"));
  });
}

function unlight() {
  document.querySelectorAll(".over").forEach((each) => each.classList.remove("over"));
}

/* Let a button open the camera; each picture taken is handed on. */
export function camera(take) {
  const dialog = find("camera"), video = find("video");
  let target = null, stream = null;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-camera]");
    if (!button) return;
    target = button;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      say("No camera can be used here. Choose a photo instead.");
      return;
    }
    video.srcObject = stream;
    find("taken").textContent = "";
    dialog.showModal();
  });
  let count = 0;
  find("take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      count += 1;
      find("taken").textContent = `Photo ${count} taken.`;
      take([new File([blob], `camera ${count}.png`, { type: "image/png" })], target);
    }, "image/png");
    if (target.dataset.camera === "once") dialog.close();
  });
  dialog.addEventListener("close", () => {
    stream?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  });
}
