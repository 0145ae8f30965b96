//! Pages in a real browser: writes pages of phantoms with known truths and lets `run.mjs` look at them.
//!
//! Needs `node`, the packages of `package.json` (`npm ci` in this folder) and a Chromium. Without them the test prints
//! what is missing and passes, unless `RTPIPELINE_REQUIRE_BROWSER` is set.

mod phantom;

use std::path::{Path, PathBuf};
use std::process::Command;

fn browser() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("RTPIPELINE_BROWSER") {
        return Some(given.into());
    }
    let path = std::env::var_os("PATH")?;
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)))
        .find(|p| p.is_file())
}

fn missing(here: &Path) -> Option<&'static str> {
    if Command::new("node").arg("--version").output().is_err() {
        return Some("node is not installed");
    }
    if !here.join("node_modules/puppeteer-core").is_dir() {
        return Some("puppeteer-core is not installed (run `npm ci` in tests/pages)");
    }
    browser().is_none().then_some("no Chromium found (set RTPIPELINE_BROWSER)")
}

#[test]
fn pages_work_in_a_browser() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages");
    let here = std::env::var_os("RTPIPELINE_PAGE_TESTS").map_or(here, PathBuf::from);
    if let Some(reason) = missing(&here) {
        assert!(std::env::var_os("RTPIPELINE_REQUIRE_BROWSER").is_none(), "{reason}");
        println!("skipped: {reason}");
        return;
    }
    // RTPIPELINE_PAGES keeps the pages and pictures for people to look at.
    let kept = std::env::var_os("RTPIPELINE_PAGES").map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).expect("folder for pages");
    phantom::write_all(&dir);
    let output = Command::new("node")
        .arg(here.join("run.mjs"))
        .arg(&dir)
        .env("RTPIPELINE_BROWSER", browser().unwrap_or_default())
        .output()
        .expect("node starts");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
