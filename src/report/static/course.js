// Boot of the course page.
const GROUPS = [["target", "targets"], ["organ", "organs at risk"], ["other", "other"], ["automatic", "automatic"]];
const structureList = (meta, shown, drawn, changed, goTo) => {
  const list = $("list");
  const search = el("input", { type: "search", placeholder: "find a structure", "aria-label": "find a structure" });
  const all = el("button", { type: "button" }, "all"), none = el("button", { type: "button" }, "none");
  const rows = [];
  const set = (pick) => {
    rows.forEach((r) => {
      if (r.row.hidden) return;
      shown[r.n] = pick(r.n);
      r.check.checked = shown[r.n];
    });
    changed();
  };
  all.addEventListener("click", () => set(() => true));
  none.addEventListener("click", () => set(() => false));
  list.append(el("div", { class: "find" }, search, all, none));
  for (const [key, title] of GROUPS) {
    const members = meta.structures.map((s, n) => n).filter((n) => meta.structures[n].group === key);
    if (!members.length) continue;
    const head = el("h3", null, title);
    list.append(head);
    for (const n of members) {
      const info = meta.structures[n];
      const check = el("input", { type: "checkbox" });
      check.checked = shown[n];
      check.setAttribute("aria-label", info.name);
      const swatch = el("span", { class: "dot" });
      swatch.style.background = info.orig;
      swatch.style.borderColor = info.color;
      const name = named(el("button", { type: "button", class: "nm" }), info.name);
      if (info.full) name.title = info.full;
      const row = el("div", { class: "row" }, check, swatch, name);
      if (info.style) row.append(el("span", { class: "src", title: info.source }, info.style === 1 ? "auto" : "custom"));
      if (!drawn.has(n)) row.classList.add("undrawn");
      check.addEventListener("change", () => {
        shown[n] = check.checked;
        changed();
      });
      name.addEventListener("click", () => info.centre && goTo(info.centre));
      name.addEventListener("dblclick", () => set((m) => m === n));
      rows.push({ n, row, check, head, key: info.name.toLowerCase() });
      list.append(row);
    }
  }
  search.addEventListener("input", () => {
    const q = search.value.toLowerCase();
    rows.forEach((r) => (r.row.hidden = !r.key.includes(q)));
  });
};
const toolbar = (meta, viewer, keysText) => {
  const tools = $("tools"), s = viewer.state;
  const presets = el("span", { class: "presets" });
  const setPresets = () => {
    presets.replaceChildren();
    viewer.current().windows.forEach((w, n) => {
      const b = el("button", { type: "button", title: `key ${n + 1}` }, w.name);
      b.addEventListener("click", () => viewer.window(w.level, w.width));
      presets.append(b);
    });
  };
  if (meta.images.length > 1) {
    const select = el("select", { "aria-label": "image series" });
    meta.images.forEach((m, n) => select.append(named(el("option", { value: n }), m.label || `image ${n + 1}`)));
    const note = el("span", { class: "dim" });
    select.addEventListener("change", async () => {
      const opening = viewer.open(+select.value);
      setPresets();
      const m = meta.images[+select.value];
      note.textContent = +select.value === 0 ? "" : m.same ? "contours lie on the first image" : "other frame of reference: no dose, no contours";
      await opening;
    });
    tools.append(select, note);
  }
  setPresets();
  tools.append(presets);
  const check = (label, key, get, set) => {
    const box = el("input", { type: "checkbox" });
    box.checked = get();
    box.addEventListener("change", () => {
      set(box.checked);
      viewer.redraw();
    });
    tools.append(el("label", { title: `key ${key}` }, box, ` ${label}`));
    return () => {
      box.checked = !box.checked;
      set(box.checked);
      viewer.redraw();
    };
  };
  const toggles = {};
  if (meta.doses.length) {
    if (meta.doses.length > 1) {
      const select = el("select", { "aria-label": "dose" });
      meta.doses.forEach((d, n) => select.append(named(el("option", { value: n }), d.label || `dose ${n + 1}`)));
      select.addEventListener("change", () => {
        s.dose = +select.value;
        viewer.redraw();
      });
      tools.append(select);
    }
    const wash = el("input", { type: "range", min: 0, max: 100, value: s.wash * 100, "aria-label": "opacity of the dose wash" });
    let last = s.wash;
    wash.addEventListener("input", () => {
      s.wash = wash.value / 100;
      viewer.redraw();
    });
    tools.append(el("label", { title: "key d" }, "dose wash ", wash));
    toggles.d = () => {
      if (s.wash > 0) [last, s.wash] = [s.wash, 0];
      else s.wash = last || 0.45;
      wash.value = s.wash * 100;
      viewer.redraw();
    };
    const d = meta.doses[0];
    toggles.i = check(`isodoses ${d.levels.map((l) => l.label.replace(" Gy", "")).join("/")} ${d.rx ? "%" : "Gy"}`, "i", () => s.iso, (v) => (s.iso = v));
    const ramp = el("select", { "aria-label": "dose colours" }, el("option", { value: 0 }, "rainbow"), el("option", { value: 1 }, "viridis"));
    ramp.addEventListener("change", () => {
      s.ramp = +ramp.value;
      viewer.redraw();
    });
    tools.append(ramp);
  }
  if (meta.cont) {
    toggles.c = check("contours", "c", () => s.contours, (v) => (s.contours = v));
    toggles.m = check("manual only", "m", () => s.manual, (v) => (s.manual = v));
  }
  const help = el("button", { type: "button", "aria-expanded": "false", title: "key ?" }, "?");
  const text = el("p", { class: "dim help" }, keysText);
  text.hidden = true;
  toggles["?"] = () => {
    text.hidden = !text.hidden;
    help.setAttribute("aria-expanded", String(!text.hidden));
  };
  help.addEventListener("click", toggles["?"]);
  tools.append(help);
  $("bar").after(text);
  return toggles;
};
const KEYS =
  "Click or drag: cross-hair. Wheel, arrow up and down: slices; PageUp and PageDown: ten. 1 to 4: windows. Right drag: window and level. Ctrl and wheel: zoom; double click: whole picture. d: dose wash, i: isodoses, c: contours, m: manual only, ?: this text.";
const gestures = (viewer, toggles) => {
  const ratio = () => window.devicePixelRatio || 1;
  viewer.panes.forEach((pane, n) => {
    const canvas = pane.over;
    const view = () => viewer.current().views[n];
    const spot = (e) => {
      const r = canvas.getBoundingClientRect();
      const p = placement(view(), viewer.current().frame, canvas.width, canvas.height);
      return [p.u((e.clientX - r.left) * ratio()), p.v((e.clientY - r.top) * ratio())];
    };
    const aim = (e) => {
      const [u, v] = spot(e), index = [...viewer.at()];
      index[view().x] = u;
      index[view().y] = v;
      viewer.move(index);
    };
    const step = (d) => {
      const index = [...viewer.at()];
      index[view().n] += d * view().sn;
      viewer.move(index);
    };
    let drag = null;
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      canvas.focus({ preventScroll: true });
      drag = e.button === 2 ? { x: e.clientX, y: e.clientY, level: viewer.state.level, width: viewer.state.width } : "aim";
      if (drag === "aim") aim(e);
      e.preventDefault();
    });
    canvas.addEventListener("pointermove", (e) => {
      if (drag === "aim") aim(e);
      else if (drag) {
        const unit = viewer.current().windows[0].width / 400;
        viewer.window(drag.level + (e.clientY - drag.y) * unit, drag.width + 2 * (e.clientX - drag.x) * unit);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (drag = null));
    canvas.addEventListener("dblclick", () => {
      const f = viewer.current().frame, v = view();
      Object.assign(v, { zoom: 1, cx: (f.dims[v.x] - 1) / 2, cy: (f.dims[v.y] - 1) / 2 });
      viewer.redraw();
    });
    let rest = 0;
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      if (e.ctrlKey) {
        // The point under the pointer stays where it is.
        const [u, v] = spot(e), w = view(), zoom = clamp(w.zoom * Math.exp(-e.deltaY / 300), 1, 20), k = w.zoom / zoom;
        Object.assign(w, { zoom, cx: u + (w.cx - u) * k, cy: v + (w.cy - v) * k });
        viewer.redraw();
        return;
      }
      rest += e.deltaMode === 0 ? e.deltaY / 60 : e.deltaY;
      const whole = Math.trunc(rest);
      rest -= whole;
      if (whole) step(-whole);
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      const d = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[e.key];
      if (d) {
        step(d);
        e.preventDefault();
      }
    });
  });
  $("images").addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(text|search)$/.test(e.target.type || "")) return;
    const preset = viewer.current().windows[+e.key - 1];
    if (preset) viewer.window(preset.level, preset.width);
    else if (Object.hasOwn(toggles, e.key)) toggles[e.key]();
    else return;
    e.preventDefault();
  });
};
const fromHash = (meta) => {
  const q = new URLSearchParams(location.hash.slice(1));
  const mm = (q.get("at") || "").split(",").map(Number);
  const name = q.get("s");
  return { at: mm.length === 3 && mm.every(Number.isFinite) ? mm : null, structure: meta.structures.findIndex((s) => s.name === name) };
};
const boot = async () => {
  document.querySelectorAll("table.sortable").forEach(sortable);
  const meta = JSON.parse($("meta").textContent);
  const shown = meta.structures.map((s) => s.on);
  let viewer = null, chart = null;
  if (meta.dvh) {
    const curves = decodeCurves(await inflate(blockBytes("dvhd")), meta.dvh.bins, meta.dvh.order.length);
    chart = makeChart(meta, curves, shown, (gy) => {
      if (!viewer) return;
      viewer.state.cut = gy;
      viewer.redraw();
    });
  }
  if (meta.images.length) {
    viewer = makeViewer(meta, ({ gy }) => chart && chart.tick(gy));
    const drawn = new Set();
    if (meta.cont) {
      const decoded = decodeContours(await inflate(blockBytes("cont")), meta.cont.unit, meta.cont.order.length);
      const list = decoded.map((planes, n) => ({ structure: meta.cont.order[n], planes })).filter((c) => c.structure !== null);
      list.forEach((c) => c.planes.size && drawn.add(c.structure));
      viewer.setContours(list);
    }
    const hash = fromHash(meta);
    if (hash.structure >= 0) shown[hash.structure] = true;
    shown.forEach((on, n) => (viewer.shown[n] = on));
    structureList(meta, shown, drawn, () => {
      shown.forEach((on, n) => (viewer.shown[n] = on));
      if (chart) chart.refresh();
      viewer.redraw();
    }, (mm) => viewer.goTo(mm));
    const doses = [];
    for (const m of meta.doses) {
      const steps = decodeDose(await inflate(blockBytes(m.id)), m.dims);
      doses.push({ ...m, frame: frame(m), at: doseSampler(steps, m.dims, m.unit) });
    }
    viewer.setDoses(doses);
    const loading = viewer.start(hash.at || meta.start);
    gestures(viewer, toolbar(meta, viewer, KEYS));
    window.addEventListener("hashchange", () => {
      const h = fromHash(meta);
      if (h.at) viewer.goTo(h.at);
    });
    new ResizeObserver(() => viewer.redraw()).observe($("viewer"));
    await loading;
    if (chart) chart.refresh();
    viewer.drawNow();
  }
  document.body.dataset.ready = "1";
};
boot().catch((error) => {
  document.body.classList.remove("live");
  for (const id of ["viewer", "bar"]) if ($(id)) $(id).hidden = true;
  const note = $("failed");
  if (note) {
    note.textContent = `The viewer could not start (${error.message}); the pictures stand for it.`;
    note.hidden = false;
  }
  document.body.dataset.ready = "failed";
  console.error(error);
});
