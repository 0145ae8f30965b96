// The slice viewer: three planes of one image with contours and dose.
const DASH = [[], [6, 3], [1.5, 3]];
const makeViewer = (meta, changed) => {
  const box = $("viewer");
  const panes = [0, 1, 2].map((n) => {
    const root = box.querySelector(`.p${n}`);
    const [image, over] = root.querySelectorAll("canvas");
    return { root, image, over, label: root.querySelector(".lab"), cache: null, wash: null };
  });
  const structures = meta.structures;
  const shown = structures.map((s) => s.on);
  const s = { contours: true, manual: false, iso: true, wash: 0.45, cut: null, dose: 0, ramp: 0, level: 40, width: 400 };
  const images = meta.images.map((m) => ({ ...m, frame: frame(m), views: null, codes: null, bitmaps: [], have: [], done: false }));
  let current = images[0], contours = null, doses = [], at = [0, 0, 0], pending = false, table = null, readable = true;

  const dose = () => (current.same && doses[s.dose]) || null;
  const levelTop = (d) => (d.rx ? d.rx * 1.1 : d.max);
  const setTable = () => {
    // Values of codes through the companding table, then the window.
    const lut = current.lut;
    table = new Uint32Array(256);
    const shares = [];
    for (let c = 0; c < 256; c++) {
      const g = Math.round(clamp((valueOf(lut, c) - s.level) / s.width + 0.5, 0, 1) * 255);
      table[c] = (255 << 24) | (g << 16) | (g << 8) | g;
      shares.push(g / 255);
    }
    if (!readable) setFilter(shares);
    panes.forEach((p) => (p.cache = null));
  };
  const redraw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      panes.forEach(drawPane);
      readout();
    });
  };

  const drawPane = (pane, n) => {
    const view = current.views[n], f = current.frame, ratio = window.devicePixelRatio || 1;
    const w = Math.max(1, Math.round(pane.root.clientWidth * ratio)), h = Math.max(1, Math.round(pane.root.clientHeight * ratio));
    for (const c of [pane.image, pane.over]) if (c.width !== w || c.height !== h) Object.assign(c, { width: w, height: h });
    const p = placement(view, f, w, h);
    drawImage(pane, view, p, w, h);
    const g = pane.over.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, w, h);
    hatch(g, view, p);
    drawDose(g, pane, view, p, ratio);
    if (s.contours && contours && current === images[0]) drawContours(g, view, p, ratio);
    g.setLineDash([]);
    g.strokeStyle = "rgba(255,255,255,.4)";
    g.lineWidth = 1;
    g.beginPath();
    const x = Math.round(p.X(at[view.x])) + 0.5, y = Math.round(p.Y(at[view.y])) + 0.5, gap = 9 * ratio;
    for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, w, y], [x, 0, x, y - gap], [x, y + gap, x, h]]) {
      g.moveTo(a, b);
      g.lineTo(c, d);
    }
    g.stroke();
    drawLetters(g, view, f, w, h, ratio);
    const position = f.world(at)[view.patient];
    pane.label.textContent = `${view.name}  ${view.letter} ${fixed(position, 1)} mm  (${at[view.n] + 1}/${f.dims[view.n]})`;
    // Patient mm → device pixel, for tools that look at the canvas.
    const row = (axis, k, o) => [...f.inverse[axis].map((c) => c * k), o - k * f.inverse[axis].reduce((t, c, m) => t + c * f.world([0, 0, 0])[m], 0)];
    pane.over.dataset.map = [...row(view.x, p.kx, p.ox), ...row(view.y, p.ky, p.oy)].join(" ");
    pane.over.dataset.plane = view.name;
  };

  const drawImage = (pane, view, p, w, h) => {
    const g = pane.image.getContext("2d", { willReadFrequently: false });
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, w, h);
    g.imageSmoothingEnabled = true;
    const dims = current.frame.dims;
    if (readable && current.codes) {
      const key = `${at[view.n]} ${current.version}`;
      if (!pane.cache || pane.cache.key !== key) {
        const picture = planePicture(current.codes, dims, view, at[view.n], table);
        const canvas = surface(picture.width, picture.height);
        canvas.getContext("2d").putImageData(picture, 0, 0);
        pane.cache = { key, canvas };
      }
      g.setTransform(p.kx, 0, 0, p.ky, p.ox, p.oy);
      g.drawImage(pane.cache.canvas, -0.5, -0.5, dims[view.x], dims[view.y]);
      return;
    }
    // Pixels cannot be read back: bitmaps are drawn directly, a strip per slice where the plane cuts them.
    const vector = (axis) => (axis === view.x ? [p.kx, 0] : [0, p.ky]);
    const k = vector(2);
    if (view.n === 2) {
      const bitmap = current.bitmaps[at[2]];
      g.setTransform(...vector(0), ...vector(1), p.ox, p.oy);
      if (bitmap) g.drawImage(bitmap, -0.5, -0.5);
    } else if (view.n === 1) {
      g.setTransform(...vector(0), ...k, p.ox, p.oy);
      current.bitmaps.forEach((b, z) => b && g.drawImage(b, 0, at[1], dims[0], 1, -0.5, z - 0.5, dims[0], 1));
    } else {
      g.setTransform(...k, ...vector(1), p.ox, p.oy);
      current.bitmaps.forEach((b, z) => b && g.drawImage(b, at[0], 0, 1, dims[1], z - 0.5, -0.5, 1, dims[1]));
    }
  };
  // Slices that the series does not have.
  const hatch = (g, view, p) => {
    const gaps = current.gaps;
    if (!gaps.length) return;
    g.save();
    g.beginPath();
    const [nx, ny] = [current.frame.dims[view.x], current.frame.dims[view.y]];
    if (view.n === 2) {
      if (!gaps.includes(at[2])) return g.restore();
      g.rect(p.X(-0.5), p.Y(-0.5), p.kx * nx, p.ky * ny);
    } else {
      for (const z of gaps)
        if (view.y === 2) g.rect(p.X(-0.5), p.Y(z - 0.5), p.kx * nx, p.ky);
        else g.rect(p.X(z - 0.5), p.Y(-0.5), p.kx, p.ky * ny);
    }
    g.clip();
    g.strokeStyle = "rgba(160,170,185,.5)";
    g.beginPath();
    for (let x = -g.canvas.height; x < g.canvas.width; x += 8) {
      g.moveTo(x, 0);
      g.lineTo(x + g.canvas.height, g.canvas.height);
    }
    g.stroke();
    g.restore();
  };
  const drawDose = (g, pane, view, p, ratio) => {
    const d = dose();
    if (!d || (!s.iso && s.wash === 0 && s.cut === null)) return;
    const key = `${current.prefix} ${s.dose} ${at[view.n]}`;
    if (!pane.wash || pane.wash.key !== key) pane.wash = { key, lattice: doseLattice(view, current.frame, d, at[view.n]), canvas: null };
    const l = pane.wash.lattice;
    if (!l) return;
    const from = s.cut !== null ? Math.max(s.cut, 1e-6) : d.levels.length ? d.levels[0].gy : 0.1 * d.max;
    if (s.wash > 0 && l.max >= from) {
      const tag = `${from} ${s.ramp}`;
      if (pane.wash.tag !== tag) {
        const wash = washPicture(l, from, levelTop(d), doseTable(meta.ramps[s.ramp]));
        const canvas = surface(wash.picture.width, wash.picture.height);
        canvas.getContext("2d").putImageData(wash.picture, 0, 0);
        Object.assign(pane.wash, { tag, canvas, place: wash });
      }
      const { canvas, place } = pane.wash;
      g.globalAlpha = s.wash;
      g.setTransform(p.kx, 0, 0, p.ky, p.ox, p.oy);
      g.drawImage(canvas, place.x, place.y, place.w, place.h);
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.globalAlpha = 1;
    }
    const colours = doseTable(meta.ramps[s.ramp]);
    const taken = [];
    const stroke = (gy, colour, width, label) => {
      g.beginPath();
      let top = null;
      isolines(l, gy, (a, b, c, e) => {
        const y = p.Y(b);
        g.moveTo(p.X(a), y);
        g.lineTo(p.X(c), p.Y(e));
        if (!top || y < top[1]) top = [p.X(a), y];
      });
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.stroke();
      // Numbers that would cover each other are left out from outside to inside.
      if (top && label && taken.every((t) => Math.hypot(t[0] - top[0], t[1] - top[1]) > 13 * ratio)) {
        taken.push(top);
        g.font = `${11 * ratio}px system-ui, sans-serif`;
        g.textAlign = "center";
        g.lineWidth = 3 * ratio;
        g.strokeStyle = "rgba(0,0,0,.7)";
        g.strokeText(label, top[0], top[1] - 3 * ratio);
        g.fillStyle = colour;
        g.fillText(label, top[0], top[1] - 3 * ratio);
      }
    };
    g.setLineDash([]);
    if (s.iso && s.cut === null)
      for (const level of d.levels) {
        if (level.gy > l.max) continue;
        const c = colours[Math.min(255, ((level.gy / levelTop(d)) * 255) | 0)];
        stroke(level.gy, `rgb(${c & 255},${(c >> 8) & 255},${(c >> 16) & 255})`, 1 * ratio, view.n === 2 ? level.label : "");
      }
    if (s.cut !== null) stroke(Math.max(s.cut, 1e-6), "#fff", 2 * ratio, "");
  };
  const drawContours = (g, view, p, ratio) => {
    g.lineJoin = "round";
    for (const { structure, planes } of contours) {
      const info = structures[structure];
      if (!shown[structure] || (s.manual && info.style !== 0)) continue;
      g.strokeStyle = info.color;
      g.lineWidth = 1.5 * ratio;
      if (view.n === 2) {
        const polygons = planes.get(at[2]);
        if (!polygons) continue;
        g.setLineDash(DASH[info.style].map((v) => v * ratio));
        // The image axis 0 may lie up and down on the screen.
        const [a, b] = view.x === 0 ? [0, 1] : [1, 0];
        g.beginPath();
        for (const { xy } of polygons) {
          g.moveTo(p.X(xy[a]), p.Y(xy[b]));
          for (let i = 2; i < xy.length; i += 2) g.lineTo(p.X(xy[i + a]), p.Y(xy[i + b]));
          g.closePath();
        }
        g.stroke();
        continue;
      }
      // Each polygon is a slab as thick as its slice.
      g.setLineDash([]);
      g.fillStyle = info.color;
      const edges = new Path2D(), areas = new Path2D(), along = 1 - view.n;
      for (const [slice, polygons] of planes) {
        const cuts = cutPolygons(polygons, view.n, at[view.n]);
        const z0 = p.of(2, slice - 0.5), z1 = p.of(2, slice + 0.5);
        for (let i = 0; i + 1 < cuts.length; i += 2) {
          const c0 = p.of(along, cuts[i]), c1 = p.of(along, cuts[i + 1]);
          const upright = view.y === 2;
          if (upright) areas.rect(c0, z0, c1 - c0, z1 - z0);
          else areas.rect(z0, c0, z1 - z0, c1 - c0);
          for (const c of [c0, c1]) {
            edges.moveTo(upright ? c : z0, upright ? z0 : c);
            edges.lineTo(upright ? c : z1, upright ? z1 : c);
          }
        }
      }
      g.globalAlpha = 0.22;
      g.fill(areas);
      g.globalAlpha = 1;
      g.stroke(edges);
    }
  };
  const drawLetters = (g, view, f, w, h, ratio) => {
    const right = letters(f.step[view.x].map((c) => c * view.sx)), left = letters(f.step[view.x].map((c) => -c * view.sx));
    const down = letters(f.step[view.y].map((c) => c * view.sy)), up = letters(f.step[view.y].map((c) => -c * view.sy));
    g.font = `${11 * ratio}px system-ui, sans-serif`;
    g.fillStyle = "#dfe5ec";
    g.textAlign = "center";
    const m = 10 * ratio;
    g.fillText(left, m, h / 2 - 4 * ratio);
    g.fillText(right, w - m, h / 2 - 4 * ratio);
    g.fillText(up, w / 2 + m, m + 2 * ratio);
    g.fillText(down, w / 2 + m, h - m + 4 * ratio);
  };

  // Read-out in words, not more often than a screen reader can follow.
  let spoken = 0, later = 0;
  const readout = () => {
    const parts = [];
    const f = current.frame;
    if (readable && current.codes && current.have[at[2]]) {
      const value = valueOf(current.lut, current.codes[(at[2] * f.dims[1] + at[1]) * f.dims[0] + at[0]]);
      parts.push(current.kind === "ct" ? `≈ ${fixed(Math.round(value / 5) * 5, 0)} HU` : `≈ ${fixed(value, 1)} ${current.unit}`);
    } else if (!readable) parts.push("no values: this browser hides pixels from scripts");
    const d = dose();
    let gy = null;
    if (d) {
      gy = d.at(...d.frame.index(f.world(at)));
      parts.push(d.rx ? `${fixed(gy, 2)} Gy (${fixed((100 * gy) / d.rx, 0)} %)` : `${fixed(gy, 2)} Gy`);
    }
    parts.push(`W ${fixed(s.width, 0)} L ${fixed(s.level, 0)}`);
    const text = parts.join(" · ");
    clearTimeout(later);
    const wait = spoken + 250 - performance.now();
    const say = () => {
      spoken = performance.now();
      $("readout").textContent = text;
    };
    if (wait <= 0) say();
    else later = setTimeout(say, wait);
    changed({ gy });
  };

  const setFilter = (shares) => {
    let filter = $("window-filter");
    if (!filter) {
      const ns = "http://www.w3.org/2000/svg";
      const make = (tag, attributes) => {
        const e = document.createElementNS(ns, tag);
        for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
        return e;
      };
      const svg = make("svg", { width: 0, height: 0, "aria-hidden": "true", class: "away" });
      filter = make("filter", { id: "window-filter", "color-interpolation-filters": "sRGB" });
      const transfer = make("feComponentTransfer", {});
      for (const c of ["R", "G", "B"]) transfer.append(make(`feFunc${c}`, { type: "table" }));
      filter.append(transfer);
      svg.append(filter);
      document.body.append(svg);
      panes.forEach((p) => (p.image.style.filter = "url(#window-filter)"));
    }
    const values = shares.map((v) => v.toFixed(3)).join(" ");
    for (const e of filter.firstChild.children) e.setAttribute("tableValues", values);
  };

  // Slices: the start slice first, then outwards, a rest every 120 ms.
  const load = async (image) => {
    const [nx, ny, nz] = image.frame.dims;
    image.bitmaps = new Array(nz).fill(null);
    image.have = new Array(nz).fill(false);
    image.version = 0;
    const canvas = surface(nx, ny);
    const g = canvas.getContext("2d", { willReadFrequently: true });
    const sequence = [at[2]];
    for (let d = 1; d < nz; d++) for (const k of [at[2] + d, at[2] - d]) if (k >= 0 && k < nz) sequence.push(k);
    let rest = performance.now(), first = true;
    for (const k of sequence) {
      const bytes = blockBytes(image.prefix + k);
      if (!bytes) continue;
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }), { colorSpaceConversion: "none" });
      if (readable) {
        g.drawImage(bitmap, 0, 0);
        const pixels = g.getImageData(0, 0, nx, ny).data;
        if (first && noisy(pixels)) {
          readable = false;
          setTable();
        } else {
          image.codes ||= new Uint8Array(nx * ny * nz);
          const o = k * nx * ny;
          for (let i = 0; i < nx * ny; i++) image.codes[o + i] = pixels[4 * i];
          bitmap.close();
        }
      }
      if (!readable) image.bitmaps[k] = bitmap;
      image.have[k] = true;
      image.version++;
      if (first) {
        first = false;
        box.hidden = false;
        $("bar").hidden = false;
        document.body.classList.add("live");
        panes.forEach(drawPane);
        readout();
        document.body.dataset.first ||= Math.round(performance.now());
        await new Promise((r) => setTimeout(r));
      }
      if (performance.now() - rest > 120) {
        if (image === current) redraw();
        await new Promise((r) => setTimeout(r));
        rest = performance.now();
      }
    }
    image.done = true;
    if (image === current) panes.forEach(drawPane);
  };
  // A browser that protects against fingerprinting gives random pixels: grey is then not grey.
  const noisy = (pixels) => {
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] !== pixels[i + 1]) return true;
    return false;
  };
  const show = (n) => {
    const from = current, place = from.frame.world(at);
    current = images[n];
    const f = current.frame;
    if (!current.views) {
      current.views = makeViews(f);
      for (const v of current.views) Object.assign(v, { cx: (f.dims[v.x] - 1) / 2, cy: (f.dims[v.y] - 1) / 2 });
      current.gaps = [];
      for (let k = 0; k < f.dims[2]; k++) if (!$(current.prefix + k)) current.gaps.push(k);
    }
    const index = current.same && from.same ? f.index(place) : f.dims.map((d) => (d - 1) / 2);
    at = index.map((v, a) => clamp(Math.round(v), 0, f.dims[a] - 1));
    [s.level, s.width] = [current.windows[0].level, current.windows[0].width];
    setTable();
    panes.forEach((p) => (p.wash = null));
  };
  const viewer = {
    state: s,
    shown,
    images,
    panes,
    redraw,
    current: () => current,
    doses: () => doses,
    at: () => at,
    setDoses: (d) => (doses = d),
    setContours: (c) => (contours = c),
    window: (level, width) => {
      [s.level, s.width] = [level, Math.max(1, width)];
      setTable();
      redraw();
    },
    move: (index) => {
      at = index.map((v, a) => clamp(Math.round(v), 0, current.frame.dims[a] - 1));
      redraw();
    },
    goTo: (mm) => viewer.move(current.frame.index(mm)),
    open: async (n) => {
      show(n);
      redraw();
      if (!current.started) {
        current.started = true;
        await load(current);
      }
      redraw();
    },
    start: (mm) => {
      show(0);
      at = (mm ? current.frame.index(mm) : current.frame.dims.map((d) => (d - 1) / 2)).map((v, a) => clamp(Math.round(v), 0, current.frame.dims[a] - 1));
      current.started = true;
      return load(current);
    },
    drawNow: () => {
      panes.forEach(drawPane);
      readout();
    },
  };
  return viewer;
};
// Value in the middle of a code.
const valueOf = (lut, code) => {
  let n = 1;
  while (n < lut.length - 1 && code > lut[n][1]) n++;
  const [v0, c0] = lut[n - 1], [v1, c1] = lut[n];
  return v0 + ((code - c0) / (c1 - c0)) * (v1 - v0);
};
