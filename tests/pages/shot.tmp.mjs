import puppeteer from "puppeteer-core";
const [, , file, out, dark, full] = process.argv;
const b = await puppeteer.launch({ executablePath: "/usr/bin/chromium", headless: true, args: ["--no-sandbox","--disable-gpu","--disable-quic","--no-first-run","--disable-background-networking"] });
const p = await b.newPage();
p.on("console", m => console.log("console:", m.text()));
p.on("pageerror", e => console.log("pageerror:", e.message, e.stack));
await p.setViewport({ width: 1440, height: 1300 });
await p.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark === "dark" ? "dark" : "light" }]);
const t = Date.now();
await p.goto("file://" + file);
try { await p.waitForSelector("body[data-ready]", { timeout: 20000 }); } catch (e) { console.log("no ready"); }
console.log("ready", await p.evaluate(() => [document.body.dataset.ready, document.body.dataset.first, performance.now()]), Date.now() - t);
await new Promise(r => setTimeout(r, 300));
await p.screenshot({ path: out, fullPage: full === "full" });
await b.close();
