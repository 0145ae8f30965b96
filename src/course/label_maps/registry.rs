//! The classes of TotalSegmentator's tasks.
//!
//! `totalseg_classes.csv` holds index and name of every class (TotalSegmentator 2.18.0, Apache-2.0) with our TG-263
//! suggestion and a colour. Indices change between versions: names that a label map brings with it win.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One class of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalSegClass {
    /// Label value.
    pub index: u32,
    /// Name of the class, e.g. `kidney_left`.
    pub name: &'static str,
    /// Suggested TG-263 name, may be empty.
    pub tg263: &'static str,
    /// Display colour, if the tool has one.
    pub color: Option<[u8; 3]>,
}

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalSegTask {
    /// Its classes by index.
    pub classes: Vec<TotalSegClass>,
    /// `CT` or `MR`, as the table says.
    pub modality: &'static str,
    /// The weights need a licence number.
    pub licensed: bool,
}

/// All tasks by name.
pub fn tasks() -> &'static BTreeMap<&'static str, TotalSegTask> {
    static TASKS: OnceLock<BTreeMap<&'static str, TotalSegTask>> = OnceLock::new();
    TASKS.get_or_init(|| parse(include_str!("totalseg_classes.csv")))
}

fn parse(text: &'static str) -> BTreeMap<&'static str, TotalSegTask> {
    let mut out: BTreeMap<&'static str, TotalSegTask> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let mut cell = || cells.next().unwrap_or_default();
        let (task, index, name, tg263, rgb, modality, licence) =
            (cell(), cell(), cell(), cell(), cell(), cell(), cell());
        let Ok(index) = index.parse() else { continue };
        let mut parts = rgb.split(' ').map(|v| v.parse::<u8>().ok());
        let color = match [parts.next(), parts.next(), parts.next()] {
            [Some(Some(r)), Some(Some(g)), Some(Some(b))] => Some([r, g, b]),
            _ => None,
        };
        let entry = out.entry(task).or_default();
        entry.modality = modality;
        entry.licensed |= licence == "yes";
        entry.classes.push(TotalSegClass { index, name, tg263, color });
    }
    out
}

/// The standard name (TG-263 or built by its rules) for a class or a standard name, whatever its case and punctuation.
pub fn tg263_of(name: &str) -> Option<&'static str> {
    static NAMES: OnceLock<BTreeMap<String, &'static str>> = OnceLock::new();
    let plain = |n: &str| n.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let names = NAMES.get_or_init(|| {
        let mut out = BTreeMap::new();
        for class in tasks().values().flat_map(|t| &t.classes).filter(|c| !c.tg263.is_empty()) {
            out.entry(plain(class.name)).or_insert(class.tg263);
            out.entry(plain(class.tg263)).or_insert(class.tg263);
        }
        out
    });
    names.get(&plain(name)).copied()
}

/// True when the task is for MR images.
pub fn is_mr_task(task: &str) -> bool {
    task.ends_with("_mr")
}

/// Tasks whose models exist in a fast form.
pub fn has_fast(task: &str) -> bool {
    matches!(task, "total" | "total_v3" | "total_mr" | "body" | "body_mr")
}

/// Names of the classes from the XML text that TotalSegmentator keeps in a NIfTI header extension
/// (`<Label Key="1" …>name</Label>` or CDATA); empty when there is none.
pub fn names_in_extension(data: &[u8]) -> BTreeMap<u32, String> {
    let text = String::from_utf8_lossy(data);
    let mut out = BTreeMap::new();
    let mut rest: &str = &text;
    while let Some(at) = rest.find("<Label ") {
        rest = &rest[at + 7..];
        let Some(close) = rest.find('>') else { break };
        let (attributes, body) = rest.split_at(close);
        let body = &body[1..];
        let key = attributes.split("Key=\"").nth(1).and_then(|v| v.split('"').next()).and_then(|v| v.parse().ok());
        let Some(end) = body.find("</Label>") else { break };
        let name = body[..end].trim();
        let name = name.strip_prefix("<![CDATA[").and_then(|n| n.strip_suffix("]]>")).unwrap_or(name).trim();
        if let Some(key) = key
            && key != 0
            && !name.is_empty()
        {
            out.insert(key, name.to_owned());
        }
        rest = &body[end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_tasks_of_the_tool() {
        let all = tasks();
        assert_eq!(all["total"].classes.len(), 117);
        assert_eq!(all["total_mr"].classes.len(), 50);
        let total: BTreeMap<u32, &str> = all["total"].classes.iter().map(|c| (c.index, c.name)).collect();
        assert_eq!((total[&5], total[&10], total[&52]), ("liver", "lung_upper_lobe_left", "aorta"));
        assert!(all["heartchambers_highres"].licensed && !all["total"].licensed);
        for (task, t) in all {
            let mut seen = std::collections::BTreeSet::new();
            assert!(t.classes.iter().all(|c| c.index > 0 && seen.insert(c.index)), "{task}: indices not unique");
        }
    }

    #[test]
    fn standard_names() {
        assert_eq!(
            (tg263_of("kidney_left"), tg263_of("KIDNEY L"), tg263_of("Spleen")),
            (Some("Kidney_L"), Some("Kidney_L"), Some("Spleen"))
        );
        assert_eq!(tg263_of("PTV_5mm"), None);
    }

    #[test]
    fn names_come_out_of_the_header_extension() {
        let xml =
            br#"<CaretExtension><VolumeInformation Index="0"><LabelTable><Label Key="0"><![CDATA[background]]></Label>
            <Label Key="5" Red="1"><![CDATA[liver]]></Label><Label Key="7">pancreas</Label></LabelTable>"#;
        let names = names_in_extension(xml);
        assert_eq!(names, BTreeMap::from([(5, "liver".to_owned()), (7, "pancreas".to_owned())]));
        assert!(names_in_extension(b"\0\xff<Label Key=").is_empty());
    }
}
