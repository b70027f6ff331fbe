/* A tick each second, also for a page in the background: there browsers slow a page's own timers to one a minute. */
"use strict";

setInterval(() => postMessage("tick"), 1000);
