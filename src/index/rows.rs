//! Rows of the tables `files` and `orphans`.

use super::{FileRow, Inventory};
use crate::records::{self, Row};

impl Inventory {
    /// Rows of `files`: every file that was found.
    pub fn file_rows(&self) -> Vec<Row> {
        self.files.iter().map(|f| file_row(f).to_map()).collect()
    }

    /// Rows of `orphans`: every file that is not used, with the reason. Copies of a used file are not among them.
    pub fn orphan_rows(&self) -> Vec<Row> {
        self.files
            .iter()
            .filter(|f| f.account != "used" && f.account != "duplicate")
            .map(|f| orphan_row(f).to_map())
            .collect()
    }
}

fn text(t: &str) -> Option<String> {
    (!t.is_empty()).then(|| t.to_owned())
}

fn file_row(f: &FileRow) -> records::FileRow {
    records::FileRow {
        path: f.path.clone(),
        member: None,
        account: text(&f.account),
        reason: text(&f.reason).filter(|_| f.account != "used"),
        patient_id: text(&f.patient_id),
        course_id: text(&f.course_ids.join("; ")),
        modality: text(&f.modality),
        sop_class_uid: text(&f.sop_class_uid),
        sop_instance_uid: text(&f.sop_instance_uid),
        series_uid: text(&f.series_uid),
        study_uid: text(&f.study_uid),
        transfer_syntax_uid: text(&f.transfer_syntax),
        size: i64::try_from(f.size).ok(),
        same_as: f.same_as.clone(),
        course_path: f.course_ids.iter().map(|c| format!("{}/{c}", f.patient_dir)).reduce(|a, b| format!("{a}; {b}")),
    }
}

fn orphan_row(f: &FileRow) -> records::OrphanRow {
    records::OrphanRow {
        path: f.path.clone(),
        member: None,
        account: text(&f.account),
        reason: text(&f.reason),
        hint: hint(&f.account),
        patient_id: text(&f.patient_id),
        modality: text(&f.modality),
        sop_class_uid: text(&f.sop_class_uid),
        sop_instance_uid: text(&f.sop_instance_uid),
        missing_uid: f.missing_uid.clone(),
    }
}

fn hint(account: &str) -> Option<String> {
    let t = match account {
        "orphan" => "export the objects that it refers to into the same folder",
        "conflict" => "keep one of the versions, or put each beside the objects that refer to it",
        "unreadable" => "export the file again",
        "archive" => "unpack it into the input folder",
        _ => return None,
    };
    Some(t.to_owned())
}
