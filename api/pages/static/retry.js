/* On a page that says that the service is away: looks whether what was asked for can be shown again, and shows it. */
"use strict";

async function look() {
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (answer && answer.status < 500) location.reload();
}

/* Not all at the same moment. */
setInterval(look, 5000 + Math.random() * 2000);
