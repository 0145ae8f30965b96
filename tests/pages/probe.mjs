// Measures where faces of the phantom are drawn, through the map (patient mm → canvas pixel) of each plane.

const wait = (ms) => new Promise((r) => setTimeout(r, ms));

// Sees one kind of face in all planes: profile of a canvas along the outward normal through the face centre.
const profiles = (page, faces, dirs, canvas) =>
  page.evaluate(
    (faces, canvas) => {
      const out = [];
      for (const pane of document.querySelectorAll(".pane")) {
        const over = pane.querySelector("canvas[data-plane]");
        const source = canvas === "image" ? pane.querySelector("canvas") : over;
        const m = over.dataset.map.split(" ").map(Number);
        const place = (p) => [m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3], m[4] * p[0] + m[5] * p[1] + m[6] * p[2] + m[7]];
        const data = source.getContext("2d").getImageData(0, 0, source.width, source.height);
        faces.forEach((f, n) => {
          const a = place(f.at), b = place(f.at.map((v, c) => v + f.out[c]));
          // Pixels per mm along the normal; a face seen from the front has none.
          const perMm = Math.hypot(b[0] - a[0], b[1] - a[1]);
          if (perMm < 0.3) return;
          const profile = [], aside = Math.min(14, 7 * perMm);
          for (let t = -7; t <= 7; t += 0.1) {
            // Off the cross-hair, which runs through the centre, and within the smallest face.
            const side = [-(b[1] - a[1]) / perMm, (b[0] - a[0]) / perMm];
            const x = a[0] + (b[0] - a[0]) * t + side[0] * aside, y = a[1] + (b[1] - a[1]) * t + side[1] * aside;
            const i = (Math.floor(y) * data.width + Math.floor(x)) * 4;
            profile.push([t, data.data[i], data.data[i + 1], data.data[i + 2], data.data[i + 3]]);
          }
          out.push({ plane: over.dataset.plane, face: n, axis: f.axis, profile });
        });
      }
      return out;
    },
    faces,
    canvas,
  );

const setBox = (page, label, on) =>
  page.evaluate(
    (label, on) => {
      const box = [...document.querySelectorAll("#tools label")].find((l) => l.textContent.trim().startsWith(label)).querySelector("input");
      if (box.type === "checkbox" && box.checked !== on) box.click();
      if (box.type === "range") {
        box.value = on ? 45 : 0;
        box.dispatchEvent(new Event("input"));
      }
    },
    label,
    on,
  );

/// Signed distances (mm) of drawn faces from the true ones, with the limit of one image pixel.
export const probe = async (page, truth) => {
  const out = [];
  const add = (what, list, find) => {
    for (const p of list) {
      const limit = truth.spacing[p.axis];
      const at = find(p.profile);
      out.push({ what, plane: p.plane, off: at === null ? NaN : Math.round(at * 100) / 100, limit });
    }
  };
  await setBox(page, "dose wash", false);
  await setBox(page, "isodoses", false);
  await setBox(page, "contours", false);
  await wait(300);
  // Cube: grey falls from white to soft tissue; the middle between both is the face.
  add("cube", await profiles(page, truth.cube, truth.dirs, "image"), (p) => {
    const inside = p[5][1], outside = p[p.length - 6][1], middle = (inside + outside) / 2;
    if (inside < outside + 60) return null;
    return p.find((s) => s[1] < middle)?.[0] ?? null;
  });
  // Dose: the line at half of the box's dose, through the histogram's cursor.
  await page.evaluate(() => document.querySelector("svg.dvh").focus());
  for (let n = 0; n < 10; n++) {
    await page.keyboard.down("Shift");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.up("Shift");
  }
  await wait(300);
  add("dose", await profiles(page, truth.dose, truth.dirs, "over"), (p) => {
    const lit = p.filter((s) => s[4] > 150 && s[1] > 200 && s[2] > 200 && s[3] > 200);
    return lit.length ? lit.reduce((t, s) => t + s[0], 0) / lit.length : null;
  });
  await page.keyboard.press("Escape");
  // Contour of the square alone.
  await page.evaluate(() => {
    [...document.querySelectorAll("#list button")].find((b) => b.textContent === "none").click();
    document.querySelector("#list input[type=checkbox]").click();
  });
  await setBox(page, "contours", true);
  await wait(300);
  const square = (await profiles(page, truth.square, truth.dirs, "over")).filter((p) => p.axis !== 2);
  add("square", square, (p) => {
    const lit = p.filter((s) => s[4] > 120 && s[1] > 200 && s[2] < 120 && s[3] > 200);
    return lit.length ? lit.reduce((t, s) => t + s[0], 0) / lit.length : null;
  });
  return out;
};
