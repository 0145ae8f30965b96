//! Templates, content security policy and assembly of a page.

use super::sha256::sha256;
use super::{ReportError, text};
use base64::Engine as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) const STYLE: &str = include_str!("static/page.css");
const COMMON_JS: &str = include_str!("static/common.js");
const DECODE_JS: &str = include_str!("static/decode.js");
const VIEWER_JS: &str = include_str!("static/viewer.js");
const PLANES_JS: &str = include_str!("static/planes.js");
const DVH_JS: &str = include_str!("static/dvh.js");
const COURSE_JS: &str = include_str!("static/course.js");
const COHORT_JS: &str = include_str!("static/cohort.js");

const LAYOUT: &str = include_str!("templates/layout.html");
const COURSE: &str = include_str!("templates/course.html");
const COHORT: &str = include_str!("templates/cohort.html");
const FOOTER: &str = include_str!("templates/footer.html");

/// An inert data block of the page.
pub(crate) struct Block {
    pub(crate) id: String,
    /// `application/json` or `text/plain`.
    pub(crate) mime: &'static str,
    /// Base64, or JSON from [`text::json_block`].
    pub(crate) body: String,
}

/// Which template and script a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Course,
    Cohort,
}

impl Page {
    fn template(self) -> &'static str {
        match self {
            Self::Course => "course.html",
            Self::Cohort => "cohort.html",
        }
    }

    /// The page's one script: the parts in one scope, so that nothing becomes global.
    pub(crate) fn script(self) -> String {
        let parts: &[&str] = match self {
            Self::Course => &[COMMON_JS, DECODE_JS, PLANES_JS, VIEWER_JS, DVH_JS, COURSE_JS],
            Self::Cohort => &[COMMON_JS, DECODE_JS, COHORT_JS],
        };
        format!("\"use strict\";(()=>{{\n{}\n}})();", parts.iter().map(|p| slim(p)).collect::<String>())
    }
}

/// Drops comment lines and indentation; what is shipped is still readable.
fn slim(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for line in source.lines() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with("//") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Renders a page from a view (plain serde data; strings are escaped), ready-made SVG, colours and data blocks.
pub(crate) fn render(
    page: Page,
    view: &impl Serialize,
    html: Vec<(&'static str, String)>,
    colours: &str,
    blocks: Vec<Block>,
) -> Result<String, ReportError> {
    let script = page.script();
    let style = slim(STYLE);
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {} {}; img-src data: blob:; base-uri 'none'; form-action 'none'",
        hash_source(&script),
        hash_source(&style),
        hash_source(colours)
    );
    let safe = |s: String| Value::from_safe_string(s);
    let mut context: Vec<(String, Value)> = vec![
        // Hash sources hold nothing but base64 and quotes that the attribute is made for.
        ("policy".to_owned(), safe(policy)),
        ("style".to_owned(), safe(style)),
        ("colours".to_owned(), safe(colours.to_owned())),
        ("script".to_owned(), safe(script)),
    ];
    context.extend(html.into_iter().map(|(k, v)| (k.to_owned(), safe(v))));
    let mut data = String::new();
    for b in &blocks {
        data.push_str(&format!("<script type=\"{}\" id=\"{}\">", b.mime, text::escape(&b.id)));
        data.push_str(&b.body);
        data.push_str("</script>\n");
    }
    context.push(("blocks".to_owned(), safe(data)));
    context.push(("v".to_owned(), to_value(serde_json::to_value(view)?)));
    let env = environment()?;
    let context = Value::from(context.into_iter().collect::<BTreeMap<String, Value>>());
    Ok(env.get_template(page.template())?.render(context)?)
}

/// `'sha256-…'` of an inline script or style.
pub(crate) fn hash_source(inline: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha256(inline.as_bytes())))
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(write_value);
    for (name, decimals) in [("f0", 0), ("f1", 1), ("f2", 2), ("f3", 3)] {
        env.add_filter(name, move |v: Value| number(&v, |x| text::fixed(x, decimals)));
    }
    env.add_filter("cc", |v: Value| number(&v, text::cc));
    env.add_filter("count", |v: Value| number(&v, |x| text::count(x.max(0.0) as u64)));
    env.add_filter("seconds", |v: Value| number(&v, text::duration));
    env.add_filter("name", |v: Value| Value::from_safe_string(text::name_html(v.as_str().unwrap_or_default())));
    env.add_filter("remark", |v: Value| Value::from_safe_string(text::remark_html(v.as_str().unwrap_or_default())));
    env.add_template("layout.html", LAYOUT)?;
    env.add_template("footer.html", FOOTER)?;
    env.add_template("course.html", COURSE)?;
    env.add_template("cohort.html", COHORT)?;
    Ok(env)
}

/// A number in the page's format; nothing is `—`.
fn number(v: &Value, format: impl Fn(f64) -> String) -> Result<String, Error> {
    if v.is_none() || v.is_undefined() {
        return Ok("—".to_owned());
    }
    f64::try_from(v.clone())
        .map(format)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("a number was expected, not {v:?}")))
}

/// The only way of a value into the page: safe markup as it is, all other text escaped, `null` as `—`.
fn write_value(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let write = |out: &mut Output, s: &str| {
        std::fmt::Write::write_str(out, s).map_err(|_| Error::new(ErrorKind::WriteFailure, "page buffer"))
    };
    if value.is_none() {
        return write(out, "—");
    }
    match value.as_str() {
        Some(s) if value.is_safe() => write(out, s),
        Some(s) => write(out, &text::escape(s)),
        None => write(out, &text::escape(&value.to_string())),
    }
}

fn to_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(i) => Value::from(i),
            None => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::from(s),
        serde_json::Value::Array(a) => a.into_iter().map(to_value).collect::<Vec<_>>().into(),
        serde_json::Value::Object(o) => {
            Value::from(o.into_iter().map(|(k, v)| (k, to_value(v))).collect::<BTreeMap<String, Value>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §4.5 of the page rules: text reaches the document only as text.
    #[test]
    fn scripts_never_parse_markup_or_text_as_code() {
        for page in [Page::Course, Page::Cohort] {
            let script = page.script();
            for banned in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "http:",
                "https:",
            ] {
                // The SVG name space is a name, not an address that is fetched.
                let text = script.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(banned), "{page:?} uses {banned}");
            }
            assert!(!script.contains("</script"));
        }
    }

    #[test]
    fn templates_have_no_inline_handlers_or_styles() {
        for source in [LAYOUT, COURSE, COHORT, FOOTER] {
            assert!(!source.contains("style="));
            assert!(!source.contains("|safe") && !source.contains("| safe"));
            for part in source.split('<').skip(1) {
                let tag = part.split('>').next().unwrap_or_default();
                assert!(!tag.split_whitespace().skip(1).any(|a| a.starts_with("on")), "{tag}");
            }
        }
    }

    #[test]
    fn page_colours_have_enough_contrast() {
        use super::super::colour::contrast;
        let hex =
            |s: &str| -> [u8; 3] { std::array::from_fn(|n| u8::from_str_radix(&s[1 + 2 * n..3 + 2 * n], 16).unwrap()) };
        let (light, dark) = STYLE.split_once("prefers-color-scheme:dark").expect("a dark part");
        for part in [light, dark] {
            let get = |name: &str| {
                let at = part.find(&format!("{name}:#")).unwrap_or_else(|| panic!("{name}")) + name.len() + 1;
                hex(&part[at..at + 7])
            };
            for ground in ["--bg", "--card"] {
                for ink in ["--ink", "--dim", "--link", "--good", "--bad", "--warn"] {
                    let c = contrast(get(ink), get(ground));
                    assert!(c >= 4.5, "{ink} on {ground}: {c:.2}");
                }
            }
        }
    }
}
