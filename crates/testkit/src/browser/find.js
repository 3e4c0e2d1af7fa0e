// Finding elements as a person names them. The words of a specification are in browser/find.rs.
const tidy = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const visible = (element) => {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0 &&
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
};
const byIds = (root, ids) => tidy((ids ?? "").split(/\s+/).filter(Boolean)
  .map((id) => root.ownerDocument.getElementById(id)?.textContent ?? "").join(" "));
const nameOf = (element) => {
  const said = tidy(element.getAttribute("aria-label")) || byIds(element, element.getAttribute("aria-labelledby"));
  if (said) return said;
  if (element.labels?.length) {
    return tidy([...element.labels].map((label) => {
      const words = label.cloneNode(true);
      words.querySelectorAll("input, select, textarea, button, output").forEach((control) => control.remove());
      return words.textContent;
    }).join(" "));
  }
  if (element.matches("input[type=submit], input[type=button]")) return tidy(element.value);
  return tidy(element.textContent) || tidy(element.title);
};
const KINDS = {
  button: "button, [role=button], input[type=submit], input[type=button]",
  link: "a[href], [role=link]",
  field: "input:not([type=hidden]):not([type=submit]), select, textarea",
  heading: "h1, h2, h3, h4, h5, h6, [role=heading]",
  summary: "summary",
  option: "option",
};
const pick = (root, part) => {
  if (part.startsWith("^")) return [root.closest(part.slice(1))].filter(Boolean);
  const named = part.match(/^(\w+)([:~])(.+)$/s);
  if (named && named[1] === "text") {
    const fits = (element) => tidy(element.textContent).includes(named[3]);
    const all = [...root.querySelectorAll("*")].filter((element) => !element.closest("script, style, title") && fits(element));
    return all.filter((element) => ![...element.children].some(fits));
  }
  if (named && KINDS[named[1]]) {
    const all = [...root.querySelectorAll(KINDS[named[1]])];
    return all.filter((element) => named[2] === ":" ? nameOf(element) === named[3] : nameOf(element).includes(named[3]));
  }
  return [...root.querySelectorAll(part)];
};
const every = (spec) => {
  let roots = [document];
  for (const part of spec.split(" >> ")) {
    roots = [...new Set(roots.flatMap((root) => pick(root, part)))];
  }
  return roots;
};
const find = (spec) => every(spec).filter(visible);
const describe = (element) => {
  if (!element) return "nothing";
  const words = tidy(element.textContent).slice(0, 40);
  return "<" + element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") +
    (element.classList.length ? "." + [...element.classList].join(".") : "") + ">" + (words ? " “" + words + "”" : "");
};
// The one element, or a refusal that says what there is instead.
const one = (spec) => {
  const found = find(spec);
  if (found.length === 1) return found[0];
  const hidden = every(spec).length - found.length;
  throw new Error(found.length
    ? found.length + " elements: " + found.slice(0, 5).map(describe).join(", ")
    : "no visible element" + (hidden ? " (" + hidden + " hidden)" : ""));
};
// Where to click an element: its middle, or a refusal if something else lies there.
const spot = (spec) => {
  const element = one(spec);
  if (element.disabled) throw new Error("it is disabled");
  element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
  const box = element.getClientRects()[0];
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  const there = document.elementFromPoint(x, y);
  if (!there || !(element.contains(there) || there.contains(element) && there.closest("label, a, button, summary"))) {
    throw new Error("covered by " + describe(there));
  }
  return { x, y };
};
