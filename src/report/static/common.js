// Small helpers. Text enters the document through textContent only.
const $ = (id) => document.getElementById(id);
const el = (tag, attributes, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) if (v !== null && v !== undefined) e.setAttribute(k, v);
  e.append(...children);
  return e;
};
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
const fixed = (v, d) => {
  if (!Number.isFinite(v)) return "—";
  let [whole, rest] = Math.abs(v).toFixed(d).split(".");
  if (whole.length > 4) whole = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = rest ? `${whole}.${rest}` : whole;
  return v < 0 && /[1-9]/.test(text) ? `−${text}` : text;
};
const cc = (v) => fixed(v, Math.abs(v) >= 99.95 ? 0 : Math.abs(v) >= 9.995 ? 1 : 2);
// Names are cut at 64 characters, the full text stands in the title.
const named = (e, text) => {
  const letters = Array.from(text);
  e.textContent = letters.length > 64 ? letters.slice(0, 63).join("") + "…" : text;
  if (letters.length > 64) e.title = letters.slice(0, 10000).join("");
  return e;
};
const numberOf = (text) => {
  const m = /^[−-]?[\d,]+(\.\d+)?/.exec(text.trim());
  return m ? parseFloat(m[0].replace("−", "-").replaceAll(",", "")) : null;
};
const compare = (a, b) => {
  // Empty cells stay at the end in either direction.
  if (a === null || b === null) return 0;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
};
const order = (n, key, down) => {
  const at = Array.from({ length: n }, (_, i) => i);
  const keys = at.map(key);
  const empty = (v) => v === null || v === undefined || v === "";
  return at.sort((a, b) => {
    const x = keys[a], y = keys[b];
    if (empty(x) || empty(y)) return empty(x) - empty(y) || a - b;
    return (down ? -compare(x, y) : compare(x, y)) || a - b;
  });
};
// Heads of sortable tables become buttons.
const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button", class: "sort" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows];
      const key = (i) => {
        const text = rows[i].cells[column].textContent;
        if (text === "—" || text === "") return null;
        return head.classList.contains("n") ? numberOf(text) : text;
      };
      body.replaceChildren(...order(rows.length, key, down).map((i) => rows[i]));
    });
  });
};
