// Data blocks: base64 in inert script elements, most of them raw deflate.
const fromBase64 = (text) =>
  Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const blockBytes = (id) => ($(id) ? fromBase64($(id).textContent) : null);
const inflate = async (bytes) => {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};
const words = (bytes) => {
  const n = bytes.length >> 1;
  const out = new Uint16Array(n);
  for (let i = 0; i < n; i++) out[i] = bytes[i] | (bytes[n + i] << 8);
  return out;
};
const unzigzag = (v) => (v >>> 1) ^ -(v & 1);
// Structures → Map of slice → polygons {xy, box}; unit: steps per pixel.
const decodeContours = (bytes, unit, count) => {
  let p = 0;
  const natural = () => {
    let v = 0, scale = 1, b;
    do {
      b = bytes[p++];
      v += (b & 127) * scale;
      scale *= 128;
    } while (b > 127);
    return v;
  };
  const signed = () => {
    const v = natural();
    return v % 2 ? -(v + 1) / 2 : v / 2;
  };
  return Array.from({ length: count }, () => {
    const planes = new Map();
    let slice = 0, x = 0, y = 0;
    for (let left = natural(); left > 0; left--) {
      slice += natural();
      const polygons = [];
      for (let loops = natural(); loops > 0; loops--) {
        const n = natural();
        const xy = new Float32Array(2 * n);
        const box = [Infinity, -Infinity, Infinity, -Infinity];
        for (let i = 0; i < n; i++) {
          x += signed();
          y += signed();
          const u = x / unit, v = y / unit;
          xy[2 * i] = u;
          xy[2 * i + 1] = v;
          box[0] = Math.min(box[0], u);
          box[1] = Math.max(box[1], u);
          box[2] = Math.min(box[2], v);
          box[3] = Math.max(box[3], v);
        }
        polygons.push({ xy, box });
      }
      planes.set(slice, polygons);
    }
    return planes;
  });
};
// Dose in steps: predicted as left + above − corner within a slice.
const decodeDose = (bytes, [nx, ny, nz]) => {
  const w = words(bytes);
  const out = new Uint16Array(nx * ny * nz);
  let at = 0;
  for (let k = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++, at++) {
        const left = i ? out[at - 1] : 0;
        const above = j ? out[at - nx] : 0;
        const corner = i && j ? out[at - nx - 1] : 0;
        out[at] = left + above - corner + unzigzag(w[at]);
      }
  return out;
};
const decodeCurves = (bytes, bins, rows) => {
  const w = words(bytes);
  return Array.from({ length: rows }, (_, r) => {
    const out = new Float32Array(bins);
    let v = 0;
    for (let n = 0; n < bins; n++) {
      v += unzigzag(w[r * bins + n]);
      out[n] = v / 10000;
    }
    return out;
  });
};
// A regular grid: index ↔ patient mm (LPS).
const frame = ({ dims, origin, step }) => {
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const det = dot(cross(step[0], step[1]), step[2]);
  const inverse = [cross(step[1], step[2]), cross(step[2], step[0]), cross(step[0], step[1])].map((r) => r.map((v) => v / det));
  return {
    dims,
    step,
    inverse,
    spacing: step.map((s) => Math.hypot(...s)),
    world: (i) => [0, 1, 2].map((c) => origin[c] + i[0] * step[0][c] + i[1] * step[1][c] + i[2] * step[2][c]),
    index: (p) => {
      const d = [p[0] - origin[0], p[1] - origin[1], p[2] - origin[2]];
      return inverse.map((r) => dot(r, d));
    },
    // Displacement in mm → displacement in index.
    turn: (v) => inverse.map((r) => dot(r, v)),
  };
};
