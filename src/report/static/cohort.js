// The table of courses: only the rows in view exist.
const ROW = 26, SPARE = 10;
const boot = async () => {
  document.querySelectorAll("table.sortable").forEach(sortable);
  const table = $("coursetable");
  if (table) courseTable(table, JSON.parse(new TextDecoder().decode(await inflate(blockBytes("tbl")))));
  document.body.dataset.ready = "1";
};
const courseTable = (table, t) => {
  const total = t.name.length, box = $("window"), body = table.tBodies[0];
  const columns = [
    { name: "course", text: (i) => t.name[i], value: (i) => t.name[i], hidden: false },
    { name: "state", text: (i) => t.state[i], value: (i) => t.state[i], hidden: false },
    ...t.columns.map((c, n) => ({
      name: c.name,
      number: c.decimals !== null,
      hidden: c.hidden,
      value: (i) => t.data[n][i],
      text: (i) => {
        const v = t.data[n][i];
        return v === null ? "—" : typeof v === "number" ? fixed(v, c.decimals ?? 2) : v;
      },
    })),
  ];
  const chosen = new Set();
  let rows = Array.from({ length: total }, (_, i) => i), sorted = null, down = false, from = -1, to = -1;
  const haystack = rows.map((i) => columns.map((c) => (c.number ? "" : String(c.text(i)))).join("\n").toLowerCase());
  const visible = () => columns.filter((c) => !c.hidden);

  const cell = (c, i, n) => {
    const e = el(n === 0 ? "th" : "td", n === 0 ? { scope: "row" } : c.number ? { class: "n" } : null);
    if (n === 0 && t.link[i]) e.append(named(el("a", { href: t.link[i] }), c.text(i)));
    else named(e, c.text(i));
    return e;
  };
  const draw = (force) => {
    const first = clamp(Math.floor(box.scrollTop / ROW) - SPARE, 0, rows.length);
    const last = clamp(Math.ceil((box.scrollTop + box.clientHeight) / ROW) + SPARE, 0, rows.length);
    if (!force && first === from && last === to) return;
    [from, to] = [first, last];
    const shown = visible();
    const spacer = (n) => {
      const e = el("td", { colspan: shown.length + 1, class: "spacer" });
      e.style.height = `${n * ROW}px`;
      return el("tr", { "aria-hidden": "true", class: "space" }, e);
    };
    const out = [spacer(first)];
    for (let r = first; r < last; r++) {
      const i = rows[r];
      const check = el("input", { type: "checkbox", "aria-label": `choose ${t.name[i].slice(0, 64)}` });
      check.checked = chosen.has(i);
      check.addEventListener("change", () => {
        check.checked ? chosen.add(i) : chosen.delete(i);
        note();
      });
      out.push(el("tr", { "aria-rowindex": r + 2 }, el("td", { class: "pick" }, check), ...shown.map((c, n) => cell(c, i, n))));
    }
    out.push(spacer(rows.length - last));
    body.replaceChildren(...out);
  };
  const heads = () => {
    const row = table.tHead.rows[0];
    row.replaceChildren(el("th", { scope: "col", class: "pick" }, el("span", { class: "away" }, "choose")));
    for (const c of visible()) {
      const th = el("th", { scope: "col", class: c.number ? "n" : null });
      const b = named(el("button", { type: "button", class: "sort" }), c.name);
      if (sorted === c) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      b.addEventListener("click", () => {
        down = sorted === c && !down;
        sorted = c;
        apply();
        heads();
      });
      th.append(b);
      row.append(th);
    }
    table.setAttribute("aria-rowcount", total + 1);
  };
  const note = () => {
    $("tablenote").textContent = `${fixed(rows.length, 0)} of ${fixed(total, 0)} courses` + (chosen.size ? ` · ${fixed(chosen.size, 0)} chosen` : "");
  };
  const search = el("input", { type: "search", placeholder: "find", "aria-label": "find in courses" });
  const state = el("select", { "aria-label": "state" }, el("option", { value: "" }, "all states"));
  for (const s of [...new Set(t.state)].sort()) state.append(named(el("option", { value: s }), s));
  const apply = () => {
    const q = search.value.toLowerCase();
    rows = [];
    for (let i = 0; i < total; i++) if ((!state.value || t.state[i] === state.value) && (!q || haystack[i].includes(q))) rows.push(i);
    if (sorted) {
      const base = rows;
      rows = order(base.length, (n) => sorted.value(base[n]), down).map((n) => base[n]);
    }
    box.scrollTop = 0;
    draw(true);
    note();
  };
  search.addEventListener("input", apply);
  state.addEventListener("change", apply);
  const chooser = el("details", { class: "chooser" }, el("summary", null, "columns"));
  const inside = el("div");
  for (const c of columns.slice(1)) {
    const check = el("input", { type: "checkbox" });
    check.checked = !c.hidden;
    check.addEventListener("change", () => {
      c.hidden = !check.checked;
      heads();
      draw(true);
    });
    inside.append(el("label", null, check, named(el("span"), c.name)));
  }
  chooser.append(inside);
  const pick = el("button", { type: "button" }, "choose all found");
  pick.addEventListener("click", () => {
    const full = rows.every((i) => chosen.has(i));
    rows.forEach((i) => (full ? chosen.delete(i) : chosen.add(i)));
    draw(true);
    note();
  });
  const save = el("button", { type: "button" }, "selection to CSV");
  save.addEventListener("click", () => {
    const list = chosen.size ? rows.filter((i) => chosen.has(i)) : rows;
    // Texts that a spreadsheet would compute get an apostrophe.
    const field = (v) => {
      if (v === null || v === undefined) return "";
      if (typeof v === "number") return String(v);
      const text = /^[=+\-@\t\r]/.test(v) ? `'${v}` : v;
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [columns.map((c) => field(c.name)), ...list.map((i) => columns.map((c) => field(c.value(i))))];
    const url = URL.createObjectURL(new Blob([lines.map((l) => l.join(",") + "\n").join("")], { type: "text/csv" }));
    el("a", { href: url, download: "courses.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  const bar = $("coursebar");
  bar.append(search, state, chooser, pick, save);
  bar.hidden = false;
  box.classList.add("on");
  box.tabIndex = 0;
  box.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)));
  heads();
  apply();
};
boot().catch((error) => {
  document.body.dataset.ready = "failed";
  console.error(error);
});
