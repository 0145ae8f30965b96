//! `_RUN/trace.json`: the last run as a Chrome trace, which Perfetto and `chrome://tracing` open.

use super::words::write_file;
use rtpipeline_engine::{Event, UnitId, read_events};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Writes the trace of the last run.
///
/// # Errors
/// When events cannot be read or the file cannot be written.
pub(super) fn write(run_dir: &Path) -> Result<(), String> {
    let events = read_events(run_dir).map_err(|e| e.to_string())?;
    let mut out: Vec<Value> = Vec::new();
    let mut lanes: Vec<Option<UnitId>> = Vec::new();
    let mut begun: BTreeMap<UnitId, (f64, usize)> = BTreeMap::new();
    let mut zero = None;
    for line in events {
        let at = (line.t - *zero.get_or_insert(line.t)) * 1e6;
        match line.event {
            Event::Started { unit, .. } => {
                let free = lanes.iter().position(Option::is_none).unwrap_or(lanes.len());
                if free == lanes.len() {
                    lanes.push(None);
                }
                lanes[free] = Some(unit.clone());
                begun.insert(unit, (at, free));
            }
            Event::Finished { unit, .. } => close(&mut out, &mut lanes, &mut begun, &unit, at, "done"),
            Event::Failed { unit, .. } => close(&mut out, &mut lanes, &mut begun, &unit, at, "failed"),
            Event::Retry { unit, .. } => close(&mut out, &mut lanes, &mut begun, &unit, at, "retried"),
            Event::Memory { resident, reserved } => out.push(json!({
                "name": "memory", "ph": "C", "pid": 1, "ts": at,
                "args": { "resident MiB": resident >> 20, "reserved MiB": reserved >> 20 },
            })),
            Event::Workers { stage, from, to, reason } => out.push(json!({
                "name": format!("{stage}: {from} → {to} workers"), "ph": "i", "s": "g", "pid": 1, "tid": 0, "ts": at,
                "args": { "reason": reason },
            })),
            _ => {}
        }
    }
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": out });
    let bytes = serde_json::to_vec(&trace).map_err(|e| e.to_string())?;
    write_file(&run_dir.join("trace.json"), &bytes)
}

fn close(
    out: &mut Vec<Value>,
    lanes: &mut [Option<UnitId>],
    begun: &mut BTreeMap<UnitId, (f64, usize)>,
    unit: &UnitId,
    at: f64,
    how: &str,
) {
    let Some((start, lane)) = begun.remove(unit) else { return };
    lanes[lane] = None;
    out.push(json!({
        "name": unit.to_string(), "cat": unit.stage, "ph": "X", "pid": 1, "tid": lane + 1,
        "ts": start, "dur": at - start, "args": { "outcome": how },
    }));
}
