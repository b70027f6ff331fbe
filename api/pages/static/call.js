/* Keeps a call page true while it stays open beside the room, and tells when it is closed. */
"use strict";

const box = document.getElementById("in-call");
const page = box.dataset.page;
/* Of this tab alone: whoever only looks on, in another tab or on another device, leaves no room by closing it. */
const key = `in-call ${page}`;
const everySeconds = 5;

beside.begin(box.dataset.again);
for (const form of document.forms) {
  form.addEventListener("submit", () => {
    if (form.classList.contains("room")) sessionStorage.setItem(key, "1");
    if (form.classList.contains("leaves")) sessionStorage.removeItem(key);
  });
}

addEventListener("pagehide", () => {
  const isLeft = box.dataset.there === "yes" && sessionStorage.getItem(key);
  if (isLeft && !beside.ours) navigator.sendBeacon(`${page}/leave?quiet=1`);
});

async function ask() {
  try {
    const answer = await fetch(`${page}/state.json`, { cache: "no-store" });
    if (!answer.ok) return;
    const now = await answer.json();
    const same =
      now.state === box.dataset.state &&
      now.there === (box.dataset.there === "yes") &&
      now.other === (box.dataset.other === "yes");
    const typing = document.activeElement && document.activeElement.matches("select, textarea, input");
    if (!same && !typing) beside.again();
  } catch {
    /* The network is away: the next look will tell. */
  }
}

/* The same tab, loaded anew: whoever is in the room has not left it, whatever the page told as it went. */
async function undo() {
  const answer = await fetch(`${page}/back`, { method: "POST" }).catch(() => null);
  if (answer && answer.ok) ask();
}

if (["early", "open"].includes(box.dataset.state)) setInterval(ask, everySeconds * 1000);
/* What it told may still be on its way. */
if (sessionStorage.getItem(key) && box.dataset.entered === "yes") setTimeout(undo, 1000);
