//! Chart 7: map of missing values.

use super::super::cohort::MissingRow;
use super::super::text;
use super::num;
use std::fmt::Write as _;

const COLUMNS: usize = 120;
const WIDTH: f64 = 640.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 48.0;
const ROW: f64 = 16.0;

/// Rows = structures and tables; columns = courses from the most complete to the least, in at most 120 bins; the
/// opacity of a cell is the share of its courses without the value.
pub(crate) fn figure(rows: &[MissingRow]) -> String {
    let courses = rows.iter().map(|r| r.missing.len()).max().unwrap_or(0);
    if courses == 0 {
        return String::new();
    }
    let lacks = |c: usize| rows.iter().filter(|r| r.missing.get(c).copied().unwrap_or(true)).count();
    let mut order: Vec<usize> = (0..courses).collect();
    order.sort_by_key(|&c| lacks(c));
    let columns = courses.min(COLUMNS);
    let w = (WIDTH - LEFT - RIGHT) / columns as f64;
    let height = ROW * rows.len() as f64 + 4.0;
    let whole = order.iter().filter(|&&c| lacks(c) == 0).count();
    let mut out = format!(
        "<figure class=\"card\"><svg class=\"missing\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Missing values of {courses} courses in {} rows; {whole} courses lack nothing.\">",
        rows.len()
    );
    for (n, row) in rows.iter().enumerate() {
        let y = n as f64 * ROW + 2.0;
        let (short, full) = text::short(&row.label);
        let tight: String =
            if short.chars().count() > 20 { short.chars().take(19).chain(['…']).collect() } else { short.clone() };
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}<title>{}</title></text><rect class=\"base\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            num(LEFT - 8.0),
            num(y + 11.0),
            text::escape(&tight),
            text::escape(&full.unwrap_or(short)),
            num(y),
            num(WIDTH - LEFT - RIGHT),
            num(ROW - 3.0)
        );
        let mut total = 0;
        let mut start = 0;
        let share = |b: usize| {
            let part = &order[b * courses / columns..(b + 1) * courses / columns];
            let n = part.iter().filter(|&&c| row.missing.get(c).copied().unwrap_or(true)).count();
            (n, (20.0 * n as f64 / part.len().max(1) as f64).round())
        };
        // Neighbouring cells of one opacity are one rectangle.
        let cells: Vec<(usize, f64)> = (0..columns).map(share).collect();
        for b in 0..columns {
            total += cells[b].0;
            if b + 1 == columns || cells[b + 1].1 != cells[start].1 {
                if cells[start].1 > 0.0 {
                    let _ = write!(
                        out,
                        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{}\"/>",
                        num(LEFT + start as f64 * w),
                        num(y),
                        num((b + 1 - start) as f64 * w),
                        num(ROW - 3.0),
                        cells[start].1 / 20.0
                    );
                }
                start = b + 1;
            }
        }
        let _ = write!(
            out,
            "<text class=\"val\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>",
            num(WIDTH - 4.0),
            num(y + 11.0),
            text::fixed(100.0 * total as f64 / courses as f64, 0)
        );
    }
    out.push_str("</svg></figure>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_right_and_nodes_few() {
        let rows = [
            MissingRow { label: "Bowel".into(), missing: (0..2000).map(|n| n % 4 == 0).collect() },
            MissingRow { label: "Heart".into(), missing: vec![false; 2000] },
        ];
        let s = figure(&rows);
        assert!(s.contains(">25 %<") && s.contains(">0 %<"));
        assert!(s.matches("<rect").count() < 130);
        assert!(s.contains("1500 courses lack nothing"));
        assert!(figure(&[]).is_empty());
    }
}
