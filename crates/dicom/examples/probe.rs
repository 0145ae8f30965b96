use rtpipeline_dicom::*;
fn main() {
    let root = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let t = std::time::Instant::now();
    let v = scan::scan_folder(&root, &scan::ScanOptions::default(), &|_, _| {}).unwrap();
    eprintln!("{} files {:?}", v.len(), t.elapsed());
    for f in &v {
        let s = match &f.sniff {
            Sniff::Dicom { header } => format!("OK {:?} {} {}", header.kind(), header.transfer_syntax, header.findings.iter().map(|f| format!("[{}: {}]", f.code, f.text)).collect::<String>()),
            Sniff::Unreadable { reason, header } => format!("UNREADABLE {reason} header={}", header.is_some()),
            Sniff::Unsupported { reason, .. } => format!("UNSUPPORTED {reason}"),
            Sniff::NotDicom { reason } => format!("NOT {reason}"),
            Sniff::Archive { kind } => format!("ARCHIVE {kind}"),
            Sniff::DicomDir => "DICOMDIR".into(),
        };
        println!("{}\t{s}", f.rel_path);
    }
}
