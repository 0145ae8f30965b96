// The histogram's cursor: all shown structures are read at one dose, and the dose is outlined in the images.
const makeChart = (meta, curves, shown, moved) => {
  const svg = document.querySelector("svg.dvh");
  if (!svg) return null;
  const d = svg.dataset, x0 = +d.x0, w = +d.w, y0 = +d.y0, h = +d.h, top = +d.top;
  const cursor = svg.querySelector(".cursor"), tick = svg.querySelector(".tick");
  const groups = new Map([...svg.querySelectorAll("g[data-s]")].map((g) => [+g.dataset.s, g]));
  const goals = [...svg.querySelectorAll("path.goal")];
  const panel = $("atdose");
  let at = null;
  const value = (row, gy) => {
    const n = gy / meta.dvh.step, a = Math.floor(n);
    if (a >= row.length - 1) return 0;
    return row[a] + (n - a) * (row[a + 1] - row[a]);
  };
  const list = () => {
    if (at === null) return void (panel.hidden = true);
    const body = el("tbody");
    meta.dvh.order.forEach((s, n) => {
      if (s === null || !shown[s]) return;
      const info = meta.structures[s], share = value(curves[n], at);
      const name = el("th", { scope: "row" });
      const swatch = el("span", { class: "dot" });
      swatch.style.background = info.orig;
      name.append(swatch, named(el("span"), info.name));
      const volume = info.cc === null ? "—" : `${cc(share * info.cc)} cc`;
      const row = el("tr", { "data-s": s }, name, el("td", { class: "n" }, `${fixed(100 * share, 1)} %`), el("td", { class: "n" }, volume));
      row.addEventListener("pointerenter", () => mark(s));
      row.addEventListener("pointerleave", () => mark(null));
      body.append(row);
    });
    panel.replaceChildren(el("table", null, el("caption", null, `≥ ${fixed(at, 1)} Gy`), body));
    panel.hidden = false;
  };
  const set = (gy) => {
    at = gy === null ? null : clamp(gy, 0, top);
    cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at !== null) cursor.setAttribute("d", `M${(x0 + (at / top) * w).toFixed(1)} ${y0}v${h}`);
    list();
    moved(at);
  };
  const mark = (s) => {
    for (const [n, g] of groups) g.classList.toggle("hot", n === s);
    for (const r of panel.querySelectorAll("tr[data-s]")) r.classList.toggle("hot", +r.dataset.s === s);
  };
  const doseOf = (event) => {
    const r = svg.getBoundingClientRect();
    return (((event.clientX - r.left) / r.width) * svg.viewBox.baseVal.width - x0) / w * top;
  };
  svg.addEventListener("pointermove", (e) => {
    const gy = doseOf(e);
    if (gy >= 0 && gy <= top) set(gy);
    const g = e.target.closest("g[data-s]");
    mark(g ? +g.dataset.s : null);
  });
  svg.addEventListener("pointerleave", (e) => e.pointerType !== "touch" && set(null));
  svg.addEventListener("keydown", (e) => {
    const step = (e.shiftKey ? 1 : 0.1) * ({ ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key] || 0);
    if (step) set(Math.round(((at ?? 0) + step) * 10) / 10);
    else if (e.key === "Escape") set(null);
    else return;
    e.preventDefault();
  });
  $("dvhhelp").hidden = false;
  const refresh = () => {
    for (const [n, g] of groups) g.classList.toggle("off", !shown[n]);
    for (const g of goals) {
      const k = /\bk(\d+)\b/.exec(g.getAttribute("class"));
      g.classList.toggle("off", !!k && !shown[+k[1]]);
    }
    list();
  };
  refresh();
  return {
    refresh,
    tick: (gy) => {
      tick.setAttribute("visibility", gy === null || gy > top ? "hidden" : "visible");
      if (gy !== null) tick.setAttribute("d", `M${(x0 + (gy / top) * w).toFixed(1)} ${y0 + h}l-4 7h8z`);
    },
  };
};
