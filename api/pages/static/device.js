/* Tries camera and microphone on this device. Nothing is recorded, nothing is sent. */
"use strict";

const box = document.getElementById("trial-box");
const start = document.getElementById("trial-start");
const result = document.getElementById("trial-result");
const picture = document.getElementById("trial-picture");
const sound = document.getElementById("trial-sound");
const level = document.getElementById("trial-level");

function listen(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const draw = () => {
    analyser.getFloatTimeDomainData(samples);
    level.value = Math.min(1, Math.max(...samples.map(Math.abs)) * 3);
    requestAnimationFrame(draw);
  };
  draw();
}

function reason(error) {
  if (error.name === "NotAllowedError") return box.dataset.denied;
  if (error.name === "NotFoundError") return box.dataset.missing;
  return box.dataset.busy;
}

async function tryDevices() {
  start.disabled = true;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    picture.srcObject = stream;
    picture.hidden = false;
    sound.hidden = false;
    listen(stream);
    result.textContent = box.dataset.good;
  } catch (error) {
    result.textContent = reason(error);
    start.disabled = false;
  }
}

document.getElementById("trial-needs-script").hidden = true;
box.hidden = false;
if (navigator.mediaDevices && window.RTCPeerConnection) {
  start.addEventListener("click", tryDevices);
} else {
  start.hidden = true;
  result.textContent = box.dataset.old;
}
