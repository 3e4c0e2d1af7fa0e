// The script of an item that is watched live: asks for the page again each second while it is looked at, and draws the
// last two minutes of what it says.

const LENGTH = 120000, PACE = 1000, GAP = 10000;
const [WIDTH, TOP, BOTTOM] = [720, 20, 150];
const id = (name, from = document) => from.getElementById(name);
let seen = [];

function take(part) {
  const [at, figure] = [Number(part.dataset.at), Number(part.dataset.figure)];
  if (!("figure" in part.dataset) || !Number.isFinite(figure)) return;
  const last = seen.at(-1);
  if (last && last.at >= at) return;
  seen.push({ at, figure, words: id("live-value")?.textContent || "" });
  seen = seen.filter((it) => it.at > at - LENGTH);
  draw();
}

function draw() {
  const end = seen.at(-1).at;
  const sorted = [...seen].sort((a, b) => a.figure - b.figure);
  const [least, most] = [sorted[0], sorted.at(-1)];
  const height = most.figure - least.figure;
  const x = (it) => ((it.at - end + LENGTH) / LENGTH * WIDTH).toFixed(1);
  const y = (it) => (height ? BOTTOM - (it.figure - least.figure) / height * (BOTTOM - TOP) : (TOP + BOTTOM) / 2).toFixed(1);
  // One that stands alone is a dot.
  const steps = seen.map((it, index) => index && it.at - seen[index - 1].at < GAP ? `L${x(it)} ${y(it)}` : `M${x(it)} ${y(it)}h.1`);
  id("live-curve").setAttribute("d", steps.join(""));
  id("live-most").textContent = most.words;
  id("live-least").textContent = height ? least.words : "";
  id("live-drawing").removeAttribute("hidden");
}

async function ask() {
  let wait = PACE;
  try {
    const answer = await fetch(location.href, { headers: { "x-live": "1" } });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") throw new Error("The session has ended. Sign in again.");
    if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
    const fresh = id("live-now", new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!fresh) throw new Error("The server answers something else.");
    id("live-now").replaceWith(fresh);
    take(fresh);
    wait = Math.max(PACE, 1000 * Number(fresh.dataset.wait) || 0);
  } catch (error) {
    const note = document.createElement("p");
    note.className = "warning";
    note.textContent = `Not live: ${error.message}`;
    const part = id("live-now");
    part.querySelector("p.warning")?.remove();
    part.append(note);
    wait = 10 * PACE;
  }
  later(wait);
}

function later(wait) {
  setTimeout(() => {
    if (!document.hidden) { ask(); return; }
    document.addEventListener("visibilitychange", () => later(0), { once: true });
  }, wait);
}

take(id("live-now"));
later(Math.max(PACE, 1000 * Number(id("live-now").dataset.wait) || 0));
