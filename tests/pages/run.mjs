// Looks at the pages of a folder in Chromium; prints one line per check and ends with 1 when one fails.
import { readdirSync, readFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";
import { probe } from "./probe.mjs";

const dir = resolve(process.argv[2]);
const shots = join(dir, "screenshots");
mkdirSync(shots, { recursive: true });
const url = (name) => pathToFileURL(join(dir, name)).href;
const failures = [];
const check = (page, what, ok, detail = "") => {
  if (!ok) failures.push(`${page}: ${what} ${detail}`);
  console.log(`${ok ? "ok  " : "FAIL"} ${page}: ${what} ${ok ? "" : detail}`);
};

const browser = await puppeteer.launch({
  executablePath: process.env.RTPIPELINE_BROWSER,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

const open = async (name, { script = true, dark = false, hash = "" } = {}) => {
  const page = await browser.newPage();
  const noise = [];
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && noise.push(m.text()));
  page.on("pageerror", (e) => noise.push(e.message));
  page.on("requestfailed", (r) => noise.push(`failed ${r.url().slice(0, 80)}`));
  page.on("request", (r) => /^(file|data|blob):/.test(r.url()) || noise.push(`request ${r.url().slice(0, 80)}`));
  await page.setViewport({ width: 1440, height: 1100 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  if (!script) await page.setJavaScriptEnabled(false);
  await page.goto(url(name) + hash);
  if (script) await page.waitForSelector("body[data-ready]", { timeout: 60000 });
  return { page, noise };
};

// What every page must have.
const structure = () => {
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  const levels = [...document.querySelectorAll("h1,h2,h3")].map((h) => +h.tagName[1]);
  return {
    twice: ids.filter((id, n) => ids.indexOf(id) !== n),
    h1: document.querySelectorAll("h1").length,
    jumps: levels.filter((l, n) => n && l > levels[n - 1] + 1).length,
    captions: [...document.querySelectorAll("table")].filter((t) => !t.caption).length,
    scopes: [...document.querySelectorAll("th")].filter((t) => !t.scope).length,
    labels: [...document.querySelectorAll("svg")].filter((s) => !s.closest("[aria-hidden]") && !s.getAttribute("aria-label")).length,
    hit: "hit" in window,
    foreign: document.querySelectorAll("[onerror],[onload],[onmouseover],iframe,object").length,
    nodes: document.querySelectorAll("*").length,
  };
};

for (const name of readdirSync(dir).filter((f) => f.endsWith(".html")).sort()) {
  const { page, noise } = await open(name);
  const state = await page.evaluate(() => ({ ...document.body.dataset }));
  check(name, "ready", state.ready === "1", JSON.stringify(state));
  const s = await page.evaluate(structure);
  check(name, "one h1, heads in order", s.h1 === 1 && s.jumps === 0, JSON.stringify(s));
  check(name, "captions, scopes, labels, unique ids", s.captions + s.scopes + s.labels + s.twice.length === 0, JSON.stringify(s));
  check(name, "nothing foreign runs or stands", !s.hit && s.foreign === 0, JSON.stringify(s));
  check(name, "few nodes", s.nodes < 3000, String(s.nodes));
  await page.screenshot({ path: join(shots, name.replace(".html", ".png")) });
  check(name, "no errors, no requests", noise.length === 0, noise.join(" | "));
  await page.close();
}

// Pixels: cube, dose box and contour where they are in the patient, in all planes and orientations.
for (const name of ["course_hfs", "course_hfp", "course_ffs", "course_oblique", "course_sagittal"]) {
  const truth = JSON.parse(readFileSync(join(dir, `${name}.json`), "utf8"));
  const { page, noise } = await open(`${name}.html`, { hash: `#at=${truth.centre.join(",")}` });
  const faces = await probe(page, truth);
  for (const f of faces) check(name, `${f.what} face in ${f.plane}`, Math.abs(f.off) <= f.limit, `off ${f.off} mm, limit ${f.limit}`);
  check(name, "all kinds seen", ["cube", "dose", "square"].every((w) => faces.filter((f) => f.what === w).length >= 8), String(faces.length));
  const letters = await page.evaluate(() => [...document.querySelectorAll(".pane canvas[data-plane]")].map((c) => c.dataset.plane));
  check(name, "three planes", new Set(letters).size === 3, letters.join());
  check(name, "no errors", noise.length === 0, noise.join(" | "));
  await page.close();
}

// Patient right at the left edge, feet below, whatever the position.
for (const name of ["course_hfs", "course_hfp", "course_ffs", "course_sagittal"]) {
  const { page } = await open(`${name}.html`);
  const maps = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".pane canvas[data-plane]")].map((c) => [c.dataset.plane, c.dataset.map.split(" ").map(Number)])));
  const right = (p, axis) => maps[p][axis] > 0, down = (p, axis) => maps[p][4 + axis] > 0;
  const good = right("axial", 0) && down("axial", 1) && right("coronal", 0) && !down("coronal", 2) && right("sagittal", 1) && !down("sagittal", 2);
  check(name, "radiological orientation", good, JSON.stringify(maps));
  await page.close();
}

// The histogram's cursor: keys move it, the table reads the curves, the planes show the dose.
{
  const name = "course_hfs.html";
  const { page } = await open(name);
  await page.evaluate(() => document.querySelector("svg.dvh").focus());
  for (let n = 0; n < 20; n++) await page.keyboard.down("Shift").then(() => page.keyboard.press("ArrowRight")).then(() => page.keyboard.up("Shift"));
  const text = await page.$eval("#atdose caption", (c) => c.textContent);
  check(name, "cursor at 20 Gy", text === "≥ 20.0 Gy", text);
  const first = await page.$$eval("#atdose tbody tr", (rows) => rows.map((r) => [...r.cells].map((c) => c.textContent)));
  // Structure s0 is a logistic curve with its middle at 40 Gy and width 1: all of it gets 20 Gy; s1 has 28.57 and 1.25.
  const share = (id) => parseFloat(first.find((r) => r[0] === id)?.[1]);
  const truth = 100 / (1 + Math.exp((20 - 40 / 1.4) / 1.25));
  check(name, "table at 20 Gy", share("PTV_20") === 100 && Math.abs(share("Heart") - truth) <= 0.15, JSON.stringify(first));
  await page.keyboard.press("Escape");
  check(name, "escape hides it", await page.$eval("#atdose", (e) => e.hidden));
  await page.close();
}

// Keyboard on the canvas; structure list; windows.
{
  const name = "course_hfs.html";
  const { page } = await open(name);
  const label = () => page.$eval(".p0 .lab", (e) => e.textContent);
  const before = await label();
  await page.focus(".p0 canvas[tabindex]");
  await page.keyboard.press("PageUp");
  await new Promise((r) => setTimeout(r, 200));
  const after = await label();
  const z = (t) => parseFloat(/z ([−\d.]+)/.exec(t)[1].replace("−", "-"));
  check(name, "PageUp moves ten slices", Math.abs(z(after) - z(before) - 30) < 0.2, `${before} → ${after}`);
  await page.keyboard.press("2");
  await new Promise((r) => setTimeout(r, 600));
  check(name, "key 2 is the lung window", (await page.$eval("#readout", (e) => e.textContent)).includes("W 1500 L −600"));
  await page.click("#list input[type=checkbox]");
  check(name, "list switches the curve", await page.$eval("svg.dvh g[data-s='0']", (g) => g.classList.contains("off")));
  await page.click("#structures thead th:nth-child(3) button");
  await page.click("#structures thead th:nth-child(3) button");
  const volumes = await page.$$eval("#structures tbody tr", (rows) => rows.map((r) => parseFloat(r.cells[2].textContent)));
  check(name, "table sorts by number", volumes.every((v, n) => !n || v <= volumes[n - 1]), volumes.join());
  await page.close();
}

// Series tabs.
{
  const name = "course_images.html";
  const { page, noise } = await open(name);
  await page.select("#tools select", "1");
  await new Promise((r) => setTimeout(r, 900));
  const text = await page.$eval("#readout", (e) => e.textContent);
  check(name, "PET opens with its unit and the dose", text.includes("SUV") && text.includes("Gy"), text);
  await page.select("#tools select", "2");
  await new Promise((r) => setTimeout(r, 900));
  check(name, "other frame of reference has no dose", !(await page.$eval("#readout", (e) => e.textContent)).includes("Gy"));
  await page.screenshot({ path: join(shots, "course_images_mr.png") });
  check(name, "no errors", noise.length === 0, noise.join(" | "));
  await page.close();
}

// Without script: text, tables, charts and key pictures stand.
for (const name of ["course_rich.html", "cohort_2000.html"]) {
  const { page, noise } = await open(name, { script: false });
  const seen = await page.evaluate(() => ({
    rows: document.querySelectorAll("tbody tr").length,
    charts: document.querySelectorAll("svg[role=img]").length,
    pictures: [...document.images].filter((i) => i.naturalWidth > 50 && i.getBoundingClientRect().height > 50).length,
    empty: [...document.querySelectorAll(".viewer")].filter((v) => v.getBoundingClientRect().height > 0).length,
  }));
  const ok = name.startsWith("course") ? seen.pictures === 3 && seen.charts >= 1 && seen.rows > 20 : seen.rows >= 60 && seen.charts > 6;
  check(name, "stands without script", ok && seen.empty === 0, JSON.stringify(seen));
  check(name, "no errors without script", noise.length === 0, noise.join(" | "));
  await page.screenshot({ path: join(shots, name.replace(".html", "_noscript.png")) });
  await page.close();
}

// Hostile texts leave the same elements as harmless ones, and are seen.
{
  const count = async (name) => {
    const { page } = await open(name, { script: false });
    const tags = await page.evaluate(() => ({
      n: [...document.querySelectorAll("body *")].filter((e) => e.tagName !== "SPAN").map((e) => e.tagName).sort().join(),
      seen: document.body.textContent.includes("<script>window.hit=1</script>"),
    }));
    await page.close();
    return tags;
  };
  const [bad, good] = [await count("course_hostile.html"), await count("course_hfs.html")];
  check("course_hostile.html", "same elements as the harmless twin", bad.n === good.n);
  check("course_hostile.html", "text is shown as text", bad.seen);
}

// A viewer that cannot start leaves pictures and a sentence, not a black box.
{
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(() => {
    delete window.createImageBitmap;
    window.createImageBitmap = () => Promise.reject(new Error("no bitmaps here"));
  });
  await page.setViewport({ width: 1440, height: 1100 });
  await page.goto(url("course_hfs.html"));
  await page.waitForSelector("body[data-ready]");
  const s = await page.evaluate(() => ({
    ready: document.body.dataset.ready,
    text: document.getElementById("failed").textContent,
    viewer: document.getElementById("viewer").getBoundingClientRect().height,
    keys: document.getElementById("keys").getBoundingClientRect().height,
  }));
  check("course_hfs.html", "failure is said", s.ready === "failed" && s.text.includes("no bitmaps here") && s.viewer === 0 && s.keys > 50, JSON.stringify(s));
  await page.close();
}

// Pixels that cannot be read back (random values): pictures still stand, values are off with a reason.
{
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(() => {
    const real = OffscreenCanvasRenderingContext2D.prototype.getImageData;
    OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...a) {
      const d = real.apply(this, a);
      for (let i = 0; i < d.data.length; i++) d.data[i] = (i * 7919) & 255;
      return d;
    };
  });
  await page.setViewport({ width: 1440, height: 1100 });
  await page.goto(url("course_hfs.html"));
  await page.waitForSelector("body[data-ready]");
  await new Promise((r) => setTimeout(r, 500));
  const s = await page.evaluate(() => ({
    text: document.getElementById("readout").textContent,
    filter: document.querySelector(".p0 canvas").style.filter,
  }));
  check("course_hfs.html", "works without read-back", s.text.includes("hides pixels") && s.filter.includes("window-filter"), JSON.stringify(s));
  await page.screenshot({ path: join(shots, "course_no_readback.png") });
  await page.close();
}

// The cohort's table.
{
  const name = "cohort_2000.html";
  const { page } = await open(name);
  const sorted = await page.evaluate(() => {
    const head = [...document.querySelectorAll("#coursetable thead th button")].find((b) => b.textContent.startsWith("Dmean"));
    const t = performance.now();
    head.click();
    const took = performance.now() - t;
    const column = [...document.querySelector("#coursetable thead").rows[0].cells].findIndex((c) => c.textContent.startsWith("Dmean"));
    return { took, values: [...document.querySelectorAll("#coursetable tbody tr:not([aria-hidden])")].map((r) => parseFloat(r.cells[column].textContent)) };
  });
  check(name, "sorts", sorted.values.length > 10 && sorted.values.every((v, n) => !n || v >= sorted.values[n - 1]), sorted.values.join());
  await page.type("#coursebar input", "P-00123");
  const found = await page.$eval("#tablenote", (e) => e.textContent);
  check(name, "search", found.startsWith("1 of 2000"), found);
  await page.evaluate(() => {
    const i = document.querySelector("#coursebar input");
    i.value = "";
    i.dispatchEvent(new Event("input"));
    document.getElementById("window").scrollTop = 1e6;
  });
  await new Promise((r) => setTimeout(r, 300));
  const last = await page.$$eval("#coursetable tbody tr:not([aria-hidden])", (rows) => [rows.length, rows[rows.length - 1].getAttribute("aria-rowindex")]);
  check(name, "scrolls to the last row", last[1] === "2001" && last[0] < 60, last.join());
  await page.evaluate(() => (document.getElementById("window").scrollTop = 0));
  await page.close();
  const again = await open(name);
  await Promise.all([again.page.waitForNavigation(), again.page.click("#coursetable tbody a")]);
  check(name, "link to a folder with # and %", (await again.page.title()) === "found", again.page.url());
  await again.page.close();
}

// Dark and print, for people to look at.
for (const name of ["course_rich.html", "cohort_2000.html"]) {
  const { page, noise } = await open(name, { dark: true });
  await page.setViewport({ width: 1440, height: 2400 });
  if (name.startsWith("course")) {
    const box = await (await page.$("svg.dvh")).boundingBox();
    await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.5);
    await new Promise((r) => setTimeout(r, 400));
  }
  await page.screenshot({ path: join(shots, name.replace(".html", "_dark.png")), fullPage: true });
  check(name, "no errors in dark mode", noise.length === 0, noise.join(" | "));
  await page.close();
}

await browser.close();
if (failures.length) {
  console.error(`${failures.length} failed:\n${failures.join("\n")}`);
  process.exit(1);
}
