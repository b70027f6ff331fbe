// The page is whole without this: it brings new messages in and puts times into the reader's own zone.
const localise = () => {
  for (const time of document.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today ? at.toLocaleTimeString() : at.toLocaleString();
  }
};

const refresh = async () => {
  const { newest } = await (await fetch("/_newest")).json();
  if (String(newest) === document.body.dataset.newest) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const known = new Map([...document.querySelectorAll("#inbox details[id]")].map((mail) => [mail.id, mail]));
  for (const mail of page.querySelectorAll("#inbox details[id]")) {
    // A mail that is being read stays as it is, its frame unreloaded and its state untouched.
    const before = known.get(mail.id);
    if (before) mail.replaceWith(before);
  }
  const scrolled = document.querySelector(".scroll").scrollTop;
  document.querySelector("#inbox").replaceWith(page.querySelector("#inbox"));
  document.querySelector(".scroll").scrollTop = scrolled;
  document.querySelector("#recipients").replaceWith(page.querySelector("#recipients"));
  document.body.dataset.newest = page.body.dataset.newest;
  document.querySelector("#news").textContent = "New messages have arrived.";
  localise();
};

localise();
// A sandbox that is away or restarting is simply asked again.
setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, 1500);
