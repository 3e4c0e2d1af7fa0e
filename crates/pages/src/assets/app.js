// The script of all pages. Each works without it; with it they live, follow the keyboard, and graphs answer the pointer.
// Nothing is kept here: what a page shows comes from the server, and its address says what it is.

const root = document.documentElement;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// Times: the server's clock counts, not this machine's.
const skew = Number(root.dataset.now || Date.now()) - Date.now();
const span = (seconds) => {
  const [m, h, d] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${m} min`;
  if (seconds < 36000 && m % 60) return `${h} h ${m % 60} min`;
  if (seconds < 172800) return `${h} h`;
  if (seconds < 864000 && h % 24) return `${d} d ${h % 24} h`;
  return `${d} d`;
};
const two = (number) => String(number).padStart(2, "0");
const local = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
function tell() {
  const now = Date.now() + skew;
  for (const time of $$("time[data-ago], time[data-for]")) {
    const passed = (now - Date.parse(time.dateTime)) / 1000;
    const words = span(Math.abs(passed));
    const ago = Math.abs(passed) < 2 ? "just now" : passed < 0 ? `in ${words}` : `${words} ago`;
    const text = "for" in time.dataset ? span(Math.max(0, passed)) : ago;
    if (time.textContent !== text) time.textContent = text;
  }
  for (const tick of $$("svg text[data-at][data-form]:not([data-done])")) {
    const at = new Date(tick.dataset.at);
    const [day, month] = [at.getDate(), at.toLocaleString("en", { month: "short" })];
    tick.textContent = {
      second: local(at).slice(11),
      minute: at.getHours() + at.getMinutes() ? local(at).slice(11, 16) : `${day} ${month}`,
      day: `${day} ${month}`,
    }[tick.dataset.form] || tick.textContent;
    tick.dataset.done = "";
  }
  for (const time of $$("time[data-local]:not([data-done])")) {
    time.title ||= time.textContent;
    time.textContent = local(new Date(time.dateTime));
    time.dataset.done = "";
  }
}

// Live: the stream says which topics have changed; a page that shows one of them fetches itself again, and takes over what
// differs in its live parts. Where somebody types, picks or has a form open, nothing is taken away under his hands.
const topics = new Set((root.dataset.topics || "").split(" ").filter(Boolean));
const editions = (words) => new Map(words.split(" ").filter(Boolean).map((word) => word.split(":")));
let shown = editions(root.dataset.editions || "");
const gists = new WeakMap();
let fetching = false, again = false, latest = null;
const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")
  || $("details.action[open], input:checked", part) || String(getSelection()) && part.contains(getSelection().anchorNode);
// What a part says, but for how long ago: that changes by itself.
const gist = (part) => {
  const copy = part.cloneNode(true);
  for (const time of $$("time", copy)) time.textContent = time.title = "";
  return copy.outerHTML;
};
const liveState = (words) => {
  const state = $("#live-state");
  if (!state) return;
  state.hidden = !words;
  if (words) state.textContent = words;
};
// A form that was sent leads away, and what this page shows may be gone before the browser is there: a host that is removed.
let notBefore = 0, leaving = 0, asking = null;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.getAttribute("method") === "dialog") return;
  leaving = Date.now() + 30000;
  asking?.abort();
});
addEventListener("pageshow", () => { leaving = 0; });
async function renew() {
  if (fetching || document.hidden || Date.now() < leaving) { again = true; return; }
  if (Date.now() < notBefore) { again = true; setTimeout(() => { if (again) renew(); }, notBefore - Date.now()); return; }
  fetching = true; again = false;
  const begun = Date.now();
  const told = latest;
  const mine = asking = new AbortController();
  try {
    const answer = await fetch(location.href, { headers: { "x-live": "1" }, signal: mine.signal });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { liveState("Not live: the session has ended. Sign in again."); return; }
    if (answer.status === 404) { liveState("Not live: what this page shows is no longer there."); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    let held = false;
    for (const part of $$("[data-live][id]")) {
      const next = fresh.getElementById(part.id);
      if (!next) continue;
      const now = gist(next);
      if (now === gists.get(part)) continue;
      if (busy(part)) { held = true; continue; }
      const open = $$("details[open][id]", part).map((it) => it.id);
      const focus = part.contains(document.activeElement) ? document.activeElement : null;
      const focused = focus && (focus.id ? `#${CSS.escape(focus.id)}` : focus.getAttribute("href") && `a[href="${CSS.escape(focus.getAttribute("href"))}"]`);
      const picked = focus && focus.closest("tr.picked");
      part.replaceWith(next);
      gists.set(next, now);
      for (const id of open) { const it = document.getElementById(id); if (it) it.open = true; }
      if (focused) $(focused, next)?.focus({ preventScroll: true });
      if (picked && next.contains(document.activeElement)) document.activeElement.closest("tr")?.classList.add("picked");
      graphs(next);
    }
    if (!held && told) shown = told;
    again ||= held;
    liveState("");
    tell();
    reach();
  } catch {
    again = true;
    if (!mine.signal.aborted) liveState("Not live: the server does not answer. The page is as it was.");
  } finally {
    fetching = false;
    // In a fleet where something happens each second, a page takes a breath, and a slow server a longer one.
    notBefore = Date.now() + Math.max(2000, 10 * (Date.now() - begun));
  }
}
function live() {
  if (!topics.size || !window.EventSource) return;
  for (const part of $$("[data-live][id]")) gists.set(part, gist(part));
  const stream = new EventSource("/live");
  stream.addEventListener("open", () => { liveState(""); root.dataset.liveNow = "yes"; });
  stream.addEventListener("error", () => {
    root.dataset.liveNow = "no";
    liveState("Not live: the server does not answer. The page is as it was.");
  });
  stream.addEventListener("board", (event) => {
    latest = editions(event.data);
    const changed = [...latest].some(([topic, edition]) => topics.has(topic) && shown.get(topic) !== edition);
    if (changed) renew(); else if (shown.size) shown = new Map([...latest].filter(([topic]) => topics.has(topic)));
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) renew(); });
  setInterval(() => { if (again) renew(); }, 5000);
}

// Keys.
let going = false;
const typing = (target) => target.matches?.("input, select, textarea, [contenteditable]");
const rows = () => $$("main tbody tr").filter((row) => $("a[href]", row) && row.offsetParent);
function pick(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("picked"));
  all[at]?.classList.remove("picked");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next.classList.add("picked");
  const links = $$("a[href]", next);
  (links.find((it) => !it.checkVisibility || it.checkVisibility()) || links[0]).focus();
}
// Opens a form of the row that is picked, or of the rows that are ticked, or the first one of the page. `to` is how the
// address ends that it is sent to.
const formTo = (to, from) => $(`form.action[action$="${to}"]`, from);
function act(to) {
  const ticked = $("#bulk") && $('input[form="bulk"]:checked');
  if (ticked) { $("#bulk input[name=note]").focus(); return; }
  const row = $("main tr.picked") || document.activeElement.closest?.("main tr");
  const form = row && formTo(to, row) || formTo(to, $("main"));
  const fold = form?.closest("details.action");
  if (!fold) return;
  for (const other of $$("details.action[open]")) if (other !== fold) other.open = false;
  fold.open = true;
  $("input:not([type=hidden]), select", form)?.focus();
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    const open = $("details.menu[open], details.action[open]");
    if (typing(document.activeElement)) document.activeElement.blur();
    else if (open) { open.open = false; $("summary", open).focus(); }
    return;
  }
  if (typing(event.target)) return;
  if (going) {
    going = false;
    const place = $(`.top nav a[data-key="${CSS.escape(event.key)}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  const does = {
    "/": () => { $("#search")?.focus(); $("#search")?.select(); },
    "?": () => {
      for (const it of $$("#keys [data-needs]")) it.hidden = !formTo(it.dataset.needs, $("main"));
      $("#keys")?.showModal();
    },
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
    j: () => pick(1),
    k: () => pick(-1),
    a: () => act("/ack"),
    s: () => act("/silence"),
  }[event.key];
  if (does && !$("dialog[open]")) { event.preventDefault(); does(); }
});

// Clicks: a command copies itself; a menu closes when somebody clicks elsewhere.
document.addEventListener("click", async (event) => {
  const twin = event.target.closest?.(".twin, pre.command code");
  if (twin && navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(twin.textContent);
      twin.classList.add("copied");
      setTimeout(() => twin.classList.remove("copied"), 1500);
    } catch { /* The browser forbids it; the words can be selected. */ }
  }
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-all]")) {
    for (const box of $$(`input[name="${CSS.escape(event.target.dataset.all)}"]`)) box.checked = event.target.checked;
  }
});

// A silence is looked at while it is typed: a moment after the last key, one question at a time. Without an answer the page is
// as it was, and the button asks the same.
function looking() {
  const form = $("#new-silence");
  if (!form) return;
  let waits = 0, asking = null;
  form.addEventListener("input", () => {
    clearTimeout(waits);
    asking?.abort();
    waits = setTimeout(async () => {
      // What proves that the form is ours is on a button, and not among these.
      const typed = String(new URLSearchParams(new FormData(form)));
      const seen = $("#silence-preview");
      if (typed.length > 8000) { seen.textContent = "This is much: press Preview to see what it would hold back."; return; }
      const mine = asking = new AbortController();
      const end = setTimeout(() => mine.abort(), 5000);
      try {
        const answer = await fetch(`/silences/preview?${typed}`, { signal: mine.signal });
        if (!answer.ok || answer.redirected) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const id of ["silence-preview", "silence-twin"]) {
          const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
          if (old && next && !old.isEqualNode(next)) old.replaceChildren(...next.childNodes);
        }
      } catch { /* Something newer was typed, or the server does not answer. */ } finally { clearTimeout(end); }
    }, 400);
  });
}

// Graphs: the value under the pointer, in all graphs of the page at once; a drag zooms by asking for that time.
function graphs(from = document) {
  for (const hits of $$("svg g.hits", from)) {
    const graph = hits.ownerSVGElement;
    if (graph.dataset.ready) continue;
    graph.dataset.ready = "";
    const line = document.createElementNS(graph.namespaceURI, "line");
    line.setAttribute("class", "crosshair");
    line.setAttribute("visibility", "hidden");
    hits.before(line);
    const words = document.createElement("output");
    words.className = "pointer";
    graph.after(words);
    let begun = null;
    const over = (event) => event.target.closest?.("rect.hit");
    graph.addEventListener("pointermove", (event) => {
      const hit = over(event);
      if (hit) point(hit.dataset.at);
      if (begun && hit) band(graph, begun, hit);
    });
    graph.addEventListener("pointerleave", () => point(null));
    if (!graph.closest("[data-zoom]")) continue;
    graph.addEventListener("pointerdown", (event) => { begun = over(event); if (begun) event.preventDefault(); });
    addEventListener("pointerup", (event) => {
      const end = begun && (over(event) || $("rect.band-drag", graph)?.end);
      const start = begun;
      begun = null;
      $("rect.band-drag", graph)?.remove();
      if (!end || end === start) return;
      const [a, b] = [start, end].map((it) => Date.parse(it.dataset.at)).sort((x, y) => x - y);
      const address = new URL(graph.closest("[data-zoom]").dataset.zoom || location.href, location.href);
      address.searchParams.delete("view");
      const second = (at) => new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
      address.searchParams.set("from", second(a));
      address.searchParams.set("to", second(b));
      location.assign(address);
    });
  }
}
function band(graph, begun, hit) {
  let drag = $("rect.band-drag", graph);
  if (!drag) {
    drag = document.createElementNS(graph.namespaceURI, "rect");
    drag.setAttribute("class", "band-drag");
    $("g.hits", graph).before(drag);
  }
  const [x, width] = [begun, hit].map((it) => Number(it.getAttribute("x"))).sort((a, b) => a - b);
  drag.end = hit;
  for (const [name, value] of [["x", x], ["y", hit.getAttribute("y")], ["width", Math.max(1, width - x)], ["height", hit.getAttribute("height")]]) drag.setAttribute(name, value);
}
function point(at) {
  const moment = at && Date.parse(at);
  for (const graph of $$("svg[data-ready]")) {
    const [line, words] = [$("line.crosshair", graph), graph.nextElementSibling];
    let best = null, distance = Infinity;
    if (at) for (const hit of $$("rect.hit", graph)) {
      const away = Math.abs(Date.parse(hit.dataset.at) - moment);
      if (away < distance) [best, distance] = [hit, away];
    }
    line.setAttribute("visibility", best ? "visible" : "hidden");
    words.textContent = best ? `${local(new Date(best.dataset.at))}: ${best.dataset.words}` : "";
    if (!best) continue;
    const x = Number(best.getAttribute("x")) + Number(best.getAttribute("width")) / 2;
    const y = Number(best.getAttribute("y"));
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", y], ["y2", y + Number(best.getAttribute("height"))]]) line.setAttribute(name, value);
  }
}

// What scrolls can be scrolled by keys, in every browser (WCAG 2.1.1).
function reach() {
  for (const it of $$("main :is(pre, table, ol, ul, .scroll)")) {
    const scrolls = /auto|scroll/.test(getComputedStyle(it).overflow)
      && (it.scrollWidth > it.clientWidth || it.scrollHeight > it.clientHeight);
    if (scrolls && !$("a[href], button, input, select, textarea, summary", it)) it.tabIndex = 0;
  }
}
addEventListener("resize", reach);

live();
looking();
tell();
setInterval(tell, 1000);
graphs();
reach();
root.dataset.ready = "yes";
