/* Keeps the staff page true: asks every second, rings, and says that its reader is there while it is open. */
"use strict";

const title = document.title;
const beatSeconds = 15;
/* As long as the server waits for a beat. A device that slept for as long does not wake up to be rung. */
const silentSeconds = 45;
const patienceSeconds = 10;
let sound = null;
let notified = false;
/* Whether somebody is here, so that the page may say so. It says no more: who is idle or away, only they say. */
let here = false;
let slept = false;

const desk = () => document.getElementById("desk");
/* Stays when the desk is shown anew: only what changes in a place that stays is read out. */
const told = document.getElementById("told");
const note = document.getElementById("note");

const isMute = () => !sound || sound.state !== "running";

/* Browsers allow a page to be heard once somebody has pressed something on it, since it was loaded. */
function listen() {
  sound = sound || new AudioContext();
  if (isMute()) sound.resume();
}

/* Two short tones, as long as something rings. */
function ring() {
  if (isMute()) return;
  for (const [delay, pitch] of [[0, 880], [0.25, 660]]) {
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = 0.15;
    tone.connect(volume).connect(sound.destination);
    tone.start(sound.currentTime + delay);
    tone.stop(sound.currentTime + delay + 0.2);
  }
}

function call(ringing) {
  if (!ringing) {
    told.textContent = "";
    document.title = title;
    notified = false;
    return;
  }
  const said = desk().dataset.rings;
  if (told.textContent !== said) told.textContent = said;
  document.title = document.title === title ? `● ${said}` : title;
  ring();
  if (!notified && document.hidden && window.Notification && Notification.permission === "granted") {
    new Notification(said, { tag: "toritsugi-ring" });
  }
  notified = true;
}

/* What whoever is here has to know of the page itself. */
function warn() {
  const { presence, slept: asleep, mute } = desk().dataset;
  const said = slept && presence === "away" ? asleep : presence === "idle" && isMute() ? mute : "";
  if (note.textContent !== said) note.textContent = said;
  note.hidden = !said;
}

function prepare() {
  if (desk().dataset.presence !== "away") {
    here = true;
    slept = false;
  }
  /* Rooms open beside this page, so that it goes on ringing and telling. */
  for (const form of document.querySelectorAll("form.room")) form.target = "_blank";
}

/* By what something on the desk is known again when the desk is shown anew, the surest first. */
function marks(element) {
  if (!element || !desk().contains(element)) return [];
  const heading = element.closest("section")?.getAttribute("aria-labelledby");
  const form = element.form;
  if (form && form.classList.contains("presence")) return [form.action, heading];
  return [form ? form.action + new URLSearchParams(new FormData(form)) : element.href || element.id, heading];
}

function look(address) {
  return fetch(address, { cache: "no-store", signal: AbortSignal.timeout(patienceSeconds * 1000) });
}

/* What cannot be shown now is looked at again: a desk that is out of date still rings. */
async function refresh() {
  const answer = await look(desk().dataset.page);
  if (answer.status === 404) return location.replace(desk().dataset.page);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("desk");
  if (!fresh) return;
  const before = marks(document.activeElement);
  desk().replaceWith(document.adoptNode(fresh));
  prepare();
  /* Whoever works by keyboard stays where they were; where that is gone, at the heading that it was under. */
  for (const mark of before) {
    const again = [...desk().querySelectorAll("button, a, h2")].find((each) => marks(each).includes(mark));
    if (!again) continue;
    if (again.matches("h2")) again.tabIndex = -1;
    return again.focus();
  }
}

async function ask() {
  try {
    const answer = await look(desk().dataset.state);
    if (answer.status === 404) return location.replace(desk().dataset.page);
    if (!answer.ok) return;
    const now = await answer.json();
    if (now.version !== desk().dataset.version) {
      await refresh();
      /* Away for want of beats alone: the network was, or the server, and whoever is here stayed. */
      if (desk().dataset.presence === "away") beat();
    }
    call(now.ringing);
  } catch {
    /* The network is away: the next look will tell. */
  }
}

async function say(words) {
  const body = new URLSearchParams({ proof: desk().dataset.proof, quiet: "1", ...words });
  return fetch(desk().dataset.beat, { method: "POST", body }).catch(() => null);
}

function beat() {
  const { presence, said } = desk().dataset;
  if (here && (said !== "away" || presence === "busy")) say({});
}

document.addEventListener("submit", async (event) => {
  if (event.target.classList.contains("presence")) {
    event.preventDefault();
    if (window.Notification && Notification.permission === "default") Notification.requestPermission();
    await say({ state: event.target.elements.state.value });
    await refresh().catch(() => null);
  } else if (event.target.classList.contains("room")) {
    setTimeout(() => refresh().catch(() => null), 1000);
  }
});
for (const gesture of ["pointerup", "keydown"]) addEventListener(gesture, listen);

/* What was said of a press is said once. */
history.replaceState(null, "", desk().dataset.page);
prepare();
let ticks = 0;
let last = Date.now();
let asking = false;
new Worker(desk().dataset.clock).addEventListener("message", async () => {
  ticks += 1;
  if (Date.now() - last > silentSeconds * 1000) {
    slept = here && desk().dataset.said !== "away";
    here = false;
  }
  last = Date.now();
  if (ticks % beatSeconds === 0) beat();
  if (asking) return;
  asking = true;
  await ask();
  asking = false;
  warn();
});
