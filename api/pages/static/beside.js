/* For a page that stays open beside a room: it opens the room, and shows itself anew only when it can be shown. */
"use strict";

const beside = {
  /* Whether the page goes by our own doing. Then it tells nobody that it was closed. */
  ours: false,
  /* Whether a form is on its way from it. Then nothing may come in its way. */
  going: false,

  /* By GET, wherever the page came from: nothing is sent twice. While the server is away this page stays as it is. */
  async again() {
    const answer = await fetch(this.page, { cache: "no-store" }).catch(() => null);
    if (this.going) return;
    this.ours = Boolean(answer && answer.status < 500);
    if (this.ours) location.replace(this.page);
  },

  /* A tab of its own keeps this page open. Where browsers have but one, this very page is led into the room. */
  enter() {
    this.ours = this.going = true;
    const latest = Date.now() + 10_000;
    const waiting = setInterval(() => {
      if (!document.hidden && Date.now() < latest) return;
      clearInterval(waiting);
      this.going = false;
      this.again();
    }, 1500);
  },

  /* A press may be taken back, or come to nothing; then this page is there as before. */
  go() {
    this.ours = this.going = true;
    setTimeout(() => {
      this.ours = this.going = false;
    }, 10_000);
  },

  begin(page) {
    this.page = page;
    /* What was said of a press is said once. */
    history.replaceState(null, "", page);
    for (const form of document.forms) {
      const leads = form.classList.contains("room");
      if (leads) form.target = "_blank";
      form.addEventListener("submit", () => {
        if (leads) this.enter();
        else this.go();
      });
    }
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      this.going = false;
      this.again();
    });
  },
};
