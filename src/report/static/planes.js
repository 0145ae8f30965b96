// Geometry and drawing of one plane. Index coordinates put the centre of a pixel on the integer.

// Image axes nearest to left, posterior, superior, best fit first; sign +1 when they point that way.
const patientAxes = (f) => {
  const d = f.step.map((s, a) => s.map((c) => c / f.spacing[a]));
  const axes = [], taken = new Set();
  for (let n = 0; n < 3; n++) {
    let best = [-1, 0, 0];
    for (let a = 0; a < 3; a++)
      for (let p = 0; p < 3; p++)
        if (!taken.has(a) && !axes[p] && Math.abs(d[a][p]) > best[0]) best = [Math.abs(d[a][p]), a, p];
    const [, a, p] = best;
    taken.add(a);
    axes[p] = { a, s: d[a][p] < 0 ? -1 : 1 };
  }
  return axes;
};
// The three views; the one that shows whole slices comes first.
const makeViews = (f) => {
  const [lr, ap, si] = patientAxes(f);
  const view = (name, letter, patient, x, y, flip, n) => ({
    name, letter, patient, x: x.a, sx: x.s, y: y.a, sy: flip ? -y.s : y.s, n: n.a, sn: n.s, zoom: 1, cx: 0, cy: 0,
  });
  const views = [
    view("axial", "z", 2, lr, ap, false, si),
    view("coronal", "y", 1, lr, si, true, ap),
    view("sagittal", "x", 0, ap, si, true, lr),
  ];
  return views.sort((a, b) => (b.n === 2) - (a.n === 2));
};
// Letters of a direction: the main one, and a second when the plane is oblique.
const letters = (v) => {
  const names = [["R", "L"], ["A", "P"], ["I", "S"]];
  return [0, 1, 2]
    .filter((c) => Math.abs(v[c]) > 0.2 * Math.hypot(...v))
    .sort((a, b) => Math.abs(v[b]) - Math.abs(v[a]))
    .map((c) => names[c][v[c] > 0 ? 1 : 0])
    .join("");
};
// Device coordinates of a view on a canvas of w × h pixels.
const placement = (view, f, w, h) => {
  const mmx = f.dims[view.x] * f.spacing[view.x], mmy = f.dims[view.y] * f.spacing[view.y];
  const scale = Math.min(w / mmx, h / mmy) * view.zoom;
  const kx = view.sx * f.spacing[view.x] * scale, ky = view.sy * f.spacing[view.y] * scale;
  const ox = w / 2 - kx * view.cx, oy = h / 2 - ky * view.cy;
  return {
    kx, ky, ox, oy,
    X: (u) => ox + kx * u,
    Y: (v) => oy + ky * v,
    of: (axis, value) => (axis === view.x ? ox + kx * value : oy + ky * value),
    u: (x) => (x - ox) / kx,
    v: (y) => (y - oy) / ky,
  };
};
// One plane of codes as a picture, windowed by a table of 256 pixels.
const planePicture = (codes, dims, view, at, table) => {
  const stride = [1, dims[0], dims[0] * dims[1]];
  const nu = dims[view.x], nv = dims[view.y], su = stride[view.x], sv = stride[view.y];
  const picture = new ImageData(nu, nv);
  const out = new Uint32Array(picture.data.buffer);
  const base = at * stride[view.n];
  for (let v = 0, o = 0; v < nv; v++) for (let u = 0, i = base + v * sv; u < nu; u++, i += su, o++) out[o] = table[codes[i]];
  return picture;
};
const surface = (w, h) => {
  if (typeof OffscreenCanvas === "function") return new OffscreenCanvas(w, h);
  return Object.assign(document.createElement("canvas"), { width: w, height: h });
};
// Dose of a plane on a lattice of about 2 mm, in the part of the plane that the dose grid can reach.
const doseLattice = (view, f, dose, at) => {
  const d = dose.frame, n = d.dims;
  let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let c = 0; c < 8; c++) {
    const p = f.index(d.world([0, 1, 2].map((a) => ((c >> a) & 1 ? n[a] - 0.5 : -0.5))));
    [view.x, view.y].forEach((a, m) => {
      low[m] = Math.min(low[m], p[a]);
      high[m] = Math.max(high[m], p[a]);
    });
  }
  const axes = [view.x, view.y];
  const gap = axes.map((a) => 2 / f.spacing[a]);
  low = low.map((v, m) => Math.max(v - gap[m], -0.5));
  high = high.map((v, m) => Math.min(v + gap[m], f.dims[axes[m]] - 0.5));
  const count = [0, 1].map((m) => Math.max(0, Math.ceil((high[m] - low[m]) / gap[m]) + 1));
  if (!(high[0] > low[0] && high[1] > low[1])) return null;
  const [nu, nv] = count;
  const values = new Float32Array(nu * nv);
  const start = [0, 0, 0];
  start[view.x] = low[0];
  start[view.y] = low[1];
  start[view.n] = at;
  const p0 = d.index(f.world(start));
  const du = d.turn(f.step[view.x].map((c) => c * gap[0])), dv = d.turn(f.step[view.y].map((c) => c * gap[1]));
  let max = 0;
  for (let v = 0, o = 0; v < nv; v++)
    for (let u = 0; u < nu; u++, o++) {
      const value = dose.at(p0[0] + u * du[0] + v * dv[0], p0[1] + u * du[1] + v * dv[1], p0[2] + u * du[2] + v * dv[2]);
      values[o] = value;
      if (value > max) max = value;
    }
  return { nu, nv, u0: low[0], v0: low[1], du: gap[0], dv: gap[1], values, max };
};
// Trilinear dose at an index of its grid; the outer half voxel repeats the border, beyond it there is none.
const doseSampler = (steps, [nx, ny, nz], unit) => (i, j, k) => {
  if (!(i >= -0.5 && j >= -0.5 && k >= -0.5 && i <= nx - 0.5 && j <= ny - 0.5 && k <= nz - 0.5)) return 0;
  i = clamp(i, 0, nx - 1);
  j = clamp(j, 0, ny - 1);
  k = clamp(k, 0, nz - 1);
  const a = i | 0, b = j | 0, c = k | 0, x = i - a, y = j - b, z = k - c;
  const o = (c * ny + b) * nx + a, r = a < nx - 1 ? 1 : 0, s = b < ny - 1 ? nx : 0, t = c < nz - 1 ? nx * ny : 0;
  const low = (steps[o] * (1 - x) + steps[o + r] * x) * (1 - y) + (steps[o + s] * (1 - x) + steps[o + s + r] * x) * y;
  const q = o + t;
  const high = (steps[q] * (1 - x) + steps[q + r] * x) * (1 - y) + (steps[q + s] * (1 - x) + steps[q + s + r] * x) * y;
  return (low * (1 - z) + high * z) * unit;
};
// Colour table of 256 packed pixels over 0…top Gy.
const doseTable = (ramp) => {
  const out = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    const x = (n / 255) * (ramp.length - 1), a = Math.min(x | 0, ramp.length - 2), t = x - a;
    const c = [0, 1, 2].map((m) => Math.round(ramp[a][m] * (1 - t) + ramp[a + 1][m] * t));
    out[n] = (255 << 24) | (c[2] << 16) | (c[1] << 8) | c[0];
  }
  return out;
};
// The wash: the lattice three times finer, coloured from `from` Gy upwards.
const washPicture = (l, from, top, table) => {
  const fine = 3, w = (l.nu - 1) * fine + 1, h = (l.nv - 1) * fine + 1;
  const picture = new ImageData(w, h);
  const out = new Uint32Array(picture.data.buffer);
  for (let y = 0; y < h; y++) {
    const b = Math.min((y / fine) | 0, l.nv - 2 < 0 ? 0 : l.nv - 2), t = l.nv > 1 ? y / fine - b : 0;
    for (let x = 0; x < w; x++) {
      const a = Math.min((x / fine) | 0, l.nu - 2 < 0 ? 0 : l.nu - 2), s = l.nu > 1 ? x / fine - a : 0;
      const o = b * l.nu + a, r = l.nu > 1 ? 1 : 0, d = l.nv > 1 ? l.nu : 0;
      const v = (l.values[o] * (1 - s) + l.values[o + r] * s) * (1 - t) + (l.values[o + d] * (1 - s) + l.values[o + d + r] * s) * t;
      if (v >= from) out[y * w + x] = table[Math.min(255, ((v / top) * 255) | 0)];
    }
  }
  return { picture, x: l.u0 - l.du / fine / 2, y: l.v0 - l.dv / fine / 2, w: (w * l.du) / fine, h: (h * l.dv) / fine };
};
// Marching squares: calls line(u1, v1, u2, v2) for each piece of the level.
const isolines = (l, level, line) => {
  const { nu, nv, values } = l;
  const cut = (p, q) => (level - p) / (q - p);
  for (let v = 0; v < nv - 1; v++)
    for (let u = 0; u < nu - 1; u++) {
      const o = v * nu + u;
      const a = values[o], b = values[o + 1], c = values[o + nu + 1], d = values[o + nu];
      const code = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
      if (code === 0 || code === 15) continue;
      const points = [];
      if ((a >= level) !== (b >= level)) points.push([u + cut(a, b), v]);
      if ((b >= level) !== (c >= level)) points.push([u + 1, v + cut(b, c)]);
      if ((c >= level) !== (d >= level)) points.push([u + 1 - cut(c, d), v + 1]);
      if ((d >= level) !== (a >= level)) points.push([u, v + 1 - cut(d, a)]);
      // At a saddle the mean decides which corners belong together.
      if (points.length === 4 && (a >= level) === ((a + b + c + d) / 4 >= level)) points.push(points.shift());
      for (let n = 0; n + 1 < points.length; n += 2)
        line(l.u0 + points[n][0] * l.du, l.v0 + points[n][1] * l.dv, l.u0 + points[n + 1][0] * l.du, l.v0 + points[n + 1][1] * l.dv);
    }
};
// Intervals in which polygons of one slice are cut by index `w` of axis `n` (0 or 1), even-odd.
const cutPolygons = (polygons, n, w) => {
  const cuts = [];
  for (const { xy, box } of polygons) {
    if (w < box[2 * n] || w > box[2 * n + 1]) continue;
    for (let i = 0, j = xy.length - 2; i < xy.length; j = i, i += 2) {
      const p = xy[j + n], q = xy[i + n];
      if (p > w !== q > w) cuts.push(xy[j + 1 - n] + ((w - p) / (q - p)) * (xy[i + 1 - n] - xy[j + 1 - n]));
    }
  }
  return cuts.sort((a, b) => a - b);
};
