/* Tells that a caller's page is open, and shows what became of the call as soon as it is known. */
"use strict";

const box = document.getElementById("calling");
const page = box.dataset.page;
const everySeconds = 2;

beside.begin(box.dataset.again);

addEventListener("pagehide", () => {
  if (!beside.ours && box.dataset.entered === "yes") navigator.sendBeacon(`${page}/left`);
});

async function tell() {
  try {
    const answer = await fetch(`${page}/seen`, { method: "POST", cache: "no-store" });
    if (!answer.ok) return;
    const now = await answer.json();
    if (now.status !== box.dataset.status) beside.again();
  } catch {
    /* The network is away: the next word will be heard. */
  }
}

tell();
setInterval(tell, everySeconds * 1000);
