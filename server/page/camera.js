/* camera.js - a picture from the camera. */
import { byId, make, showError } from "./dom.js";
import { addPictures } from "./pictures.js";

let stream = null;
let taken = 0;

async function start() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  } catch (problem) {
    // Browsers give it to pages of this machine, and to those that came by HTTPS.
    showError(`The camera cannot be used: ${problem.message}`);
    return;
  }
  byId("video").srcObject = stream;
  byId("camera-dialog").showModal();
}

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  byId("video").srcObject = null;
  stream = null;
}

async function take() {
  const video = byId("video"), canvas = make("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  byId("camera-dialog").close();
  addPictures([{ name: `camera-${++taken}.jpg`, blob }]);
}

export function startCamera() {
  byId("camera").addEventListener("click", () => {
    if (navigator.mediaDevices) start();
    else showError("The browser gives the camera only to pages of this machine and to pages that came by HTTPS.");
  });
  byId("take").addEventListener("click", take);
  byId("camera-close").addEventListener("click", () => byId("camera-dialog").close());
  byId("camera-dialog").addEventListener("close", stop);
}
