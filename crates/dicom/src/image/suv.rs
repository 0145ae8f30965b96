//! Standardized uptake values by body weight (SUVbw) of PET series.
//!
//! Rules of the QIBA profile for FDG-PET and its vendor-neutral pseudo-code: the injected activity is decayed to the start
//! of the scan, `SUV = activity · weight[g] / decayed dose`.

use crate::Finding;
use crate::finding::note;
use crate::guard::DataSet;
use crate::text::trim;
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;

/// Attributes that decide the SUV of one PET slice. Times are seconds since 1970-01-01 of the local clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PetFacts {
    /// Units (0054,1001).
    pub units: Option<String>,
    /// SUV Type (0054,1006).
    pub suv_type: Option<String>,
    /// Decay Correction (0054,1102).
    pub decay_correction: Option<String>,
    /// Corrected Image (0028,0051).
    pub corrected_image: Vec<String>,
    /// Patient's weight, kg.
    pub weight_kg: Option<f64>,
    /// Radionuclide total dose, Bq.
    pub dose_bq: Option<f64>,
    /// Radionuclide half life, s.
    pub half_life_s: Option<f64>,
    /// Radiopharmaceutical start, with its date.
    pub injection: Option<f64>,
    /// Radiopharmaceutical start time of day, where no date is stated, s.
    pub injection_time: Option<f64>,
    /// Series date and time.
    pub series: Option<f64>,
    /// Acquisition date and time of this slice.
    pub acquisition: Option<f64>,
    /// Frame Reference Time, ms.
    pub frame_reference_ms: Option<f64>,
    /// Actual Frame Duration, ms.
    pub frame_duration_ms: Option<f64>,
    /// GE's private start of the scan (0009,100D).
    pub ge_scan_start: Option<f64>,
    /// Philips' SUV scale factor (7053,1000).
    pub philips_suv: Option<f64>,
    /// Philips' activity concentration scale factor (7053,1009).
    pub philips_activity: Option<f64>,
}

/// Factor from rescaled values to SUVbw.
#[derive(Clone, Debug, PartialEq)]
pub struct SuvFactor {
    /// SUVbw per rescaled value.
    pub factor: f64,
    /// Remarks, such as which clock was used.
    pub findings: Vec<Finding>,
}

/// Why SUV cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SuvError {
    /// The units do not lead to SUVbw.
    #[error("Units is {0}")]
    Units(String),
    /// The SUV type is another one.
    #[error("SUVType is {0}, not BW")]
    SuvType(String),
    /// The image is not corrected for attenuation and decay.
    #[error("CorrectedImage lacks {0}")]
    Uncorrected(&'static str),
    /// Decay correction is NONE, missing or unknown.
    #[error("DecayCorrection is {0}")]
    Decay(String),
    /// An attribute is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An attribute is outside of what is possible.
    #[error("{name} is {value} {unit}, which is not plausible")]
    Implausible {
        /// Attribute.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Its unit.
        unit: &'static str,
    },
}

const DAY: f64 = 86_400.0;

impl PetFacts {
    /// From the data set of a PET image.
    pub fn of(d: &DataSet) -> Self {
        let isotope = d.item(t::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        let ge = |tag| d.code(tag).and_then(|v| date_time(&v));
        let private = |tag: Tag| {
            d.number(tag)
                .or_else(|| crate::text::parse_ds(&String::from_utf8_lossy(d.bytes(tag)?)).ok())
                .filter(|v| *v > 0.0)
        };
        let day_time = |date, time| Some(day(&d.code(date)?)? * DAY + time_of_day(&d.code(time)?)?);
        Self {
            units: d.code(t::UNITS),
            suv_type: d.code(t::SUV_TYPE),
            decay_correction: d.code(t::DECAY_CORRECTION),
            corrected_image: d.texts(t::CORRECTED_IMAGE),
            weight_kg: d.number(t::PATIENT_WEIGHT),
            dose_bq: isotope.and_then(|i| i.number(t::RADIONUCLIDE_TOTAL_DOSE)),
            half_life_s: isotope.and_then(|i| i.number(t::RADIONUCLIDE_HALF_LIFE)),
            injection: isotope.and_then(|i| i.code(t::RADIOPHARMACEUTICAL_START_DATE_TIME)).and_then(|v| date_time(&v)),
            injection_time: isotope
                .and_then(|i| i.code(t::RADIOPHARMACEUTICAL_START_TIME))
                .and_then(|v| time_of_day(&v)),
            series: day_time(t::SERIES_DATE, t::SERIES_TIME),
            acquisition: day_time(t::ACQUISITION_DATE, t::ACQUISITION_TIME),
            frame_reference_ms: d.number(t::FRAME_REFERENCE_TIME),
            frame_duration_ms: d.number(t::ACTUAL_FRAME_DURATION),
            ge_scan_start: ge(Tag(0x0009, 0x100D)),
            philips_suv: private(Tag(0x7053, 0x1000)),
            philips_activity: private(Tag(0x7053, 0x1009)),
        }
    }
}

/// Days since 1970-01-01 of a DICOM date (YYYYMMDD, or YYYY.MM.DD of old files); proleptic Gregorian calendar.
pub fn day(date: &str) -> Option<f64> {
    let digits: String = trim(date).chars().filter(|c| *c != '.' && *c != '-').collect();
    if digits.len() < 8 || !digits.is_char_boundary(8) {
        return None;
    }
    let (y, m, d): (i64, i64, i64) =
        (digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?, digits.get(6..8)?.parse().ok()?);
    if !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    // Days from civil: years begin in March, so that the leap day is the last.
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some((era * 146_097 + doe - 719_468) as f64)
}

/// Seconds since midnight of a DICOM time (HH, HHMM, HHMMSS.FFFFFF; colons of old files are tolerated).
pub fn time_of_day(time: &str) -> Option<f64> {
    let s: String = trim(time).chars().filter(|c| *c != ':').collect();
    let (whole, fraction) = s.split_once('.').unwrap_or((&s, ""));
    if !whole.bytes().all(|b| b.is_ascii_digit()) || whole.len() < 2 {
        return None;
    }
    let part = |a: usize| -> Option<f64> {
        match whole.get(a..a + 2) {
            Some(v) => v.parse().ok(),
            None => Some(0.0),
        }
    };
    let (h, m, sec) = (part(0)?, part(2)?, part(4)?);
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    (h < 24.0 && m < 60.0 && sec <= 60.0).then_some(h * 3600.0 + m * 60.0 + sec + fraction)
}

/// Seconds since 1970-01-01 of a DICOM date-time; an offset from UTC is not applied (clocks of one device agree).
pub fn date_time(value: &str) -> Option<f64> {
    let v = trim(value);
    let v = v.split(['+', '-']).next()?;
    if v.len() < 10 || !v.is_ascii() {
        return None;
    }
    Some(day(&v[..8])? * DAY + time_of_day(&v[8..])?)
}

/// The factor by which rescaled values of this slice become SUVbw. `earliest_acquisition` is the earliest acquisition
/// date-time of the series, seconds since 1970-01-01.
pub fn suv_factor(p: &PetFacts, earliest_acquisition: Option<f64>) -> Result<SuvFactor, SuvError> {
    let mut findings = Vec::new();
    let units = p.units.as_deref().unwrap_or("missing");
    let factor = match units {
        "GML" => match p.suv_type.as_deref() {
            None | Some("BW") => 1.0,
            Some(other) => return Err(SuvError::SuvType(other.to_owned())),
        },
        "BQML" => per_activity(p, earliest_acquisition, &mut findings)?,
        "CNTS" => match (p.philips_suv, p.philips_activity) {
            (Some(f), _) => {
                note(&mut findings, "philips_suv_factor", "SUV by the private Philips factor (7053,1000)");
                f
            }
            (None, Some(a)) => {
                note(&mut findings, "philips_activity_factor", "activity by the private Philips factor (7053,1009)");
                a * per_activity(p, earliest_acquisition, &mut findings)?
            }
            (None, None) => return Err(SuvError::Units("CNTS (counts) without the private Philips factors".into())),
        },
        other => return Err(SuvError::Units(other.to_owned())),
    };
    Ok(SuvFactor { factor, findings })
}

/// SUVbw per Bq/ml.
fn per_activity(p: &PetFacts, earliest: Option<f64>, findings: &mut Vec<Finding>) -> Result<f64, SuvError> {
    for need in ["ATTN", "DECY"] {
        if !p.corrected_image.iter().any(|c| c == need) {
            return Err(SuvError::Uncorrected(need));
        }
    }
    let positive = |v: Option<f64>, name| v.filter(|v| *v != 0.0).ok_or(SuvError::Missing(name));
    let weight = positive(p.weight_kg, "PatientWeight")?;
    if !(1.0..=400.0).contains(&weight) {
        return Err(SuvError::Implausible { name: "PatientWeight", value: weight, unit: "kg" });
    }
    let dose = positive(p.dose_bq, "RadionuclideTotalDose")?;
    if !(1e6..=1e10).contains(&dose) {
        return Err(SuvError::Implausible { name: "RadionuclideTotalDose", value: dose, unit: "Bq" });
    }
    let half_life = positive(p.half_life_s, "RadionuclideHalfLife")?;
    if !(10.0..=1e7).contains(&half_life) {
        return Err(SuvError::Implausible { name: "RadionuclideHalfLife", value: half_life, unit: "s" });
    }
    let decayed = match p.decay_correction.as_deref() {
        // The image is corrected to the time of injection already.
        Some("ADMIN") => dose,
        Some("START") => {
            let start = scan_start(p, earliest, half_life, findings)?;
            let injection = injection(p, start, findings)?;
            let elapsed = start - injection;
            if !(0.0..=30.0 * half_life).contains(&elapsed) {
                return Err(SuvError::Implausible { name: "time from injection to scan", value: elapsed, unit: "s" });
            }
            dose * (-elapsed / half_life).exp2()
        }
        other => return Err(SuvError::Decay(other.unwrap_or("missing").to_owned())),
    };
    Ok(weight * 1000.0 / decayed)
}

fn injection(p: &PetFacts, start: f64, findings: &mut Vec<Finding>) -> Result<f64, SuvError> {
    if let Some(i) = p.injection {
        return Ok(i);
    }
    let time = p.injection_time.ok_or(SuvError::Missing("RadiopharmaceuticalStartTime"))?;
    let midnight = (start / DAY).floor() * DAY;
    if midnight + time > start {
        note(
            findings,
            "injection_day_before",
            "the injection time of day is after the scan; it was taken as of the day before",
        );
        return Ok(midnight + time - DAY);
    }
    Ok(midnight + time)
}

/// The time to which the image is decay-corrected.
fn scan_start(
    p: &PetFacts,
    earliest: Option<f64>,
    half_life: f64,
    findings: &mut Vec<Finding>,
) -> Result<f64, SuvError> {
    let series = p.series.ok_or(SuvError::Missing("SeriesDate or SeriesTime"))?;
    let Some(earliest) = earliest.or(p.acquisition) else {
        note(
            findings,
            "no_acquisition_time",
            "AcquisitionTime is missing; the series time was taken as start of the scan",
        );
        return Ok(series);
    };
    if series <= earliest {
        return Ok(series);
    }
    // The series time was set by post-processing: it cannot be the start of the scan.
    if let Some(ge) = p.ge_scan_start {
        note(findings, "scan_start_ge", "the series time is after the acquisition; GE's private scan time was used");
        return Ok(ge);
    }
    if let (Some(reference), Some(duration), Some(acquisition)) =
        (p.frame_reference_ms.filter(|v| *v > 0.0), p.frame_duration_ms.filter(|v| *v > 0.0), p.acquisition)
    {
        // Time within the frame at which the mean count rate occurs.
        let lambda = std::f64::consts::LN_2 / half_life;
        let decay = lambda * duration / 1000.0;
        let mean = (decay / -(-decay).exp_m1()).ln() / lambda;
        note(
            findings,
            "scan_start_frame",
            "the series time is after the acquisition; the scan start was found from FrameReferenceTime",
        );
        return Ok(acquisition - reference / 1000.0 + mean);
    }
    note(
        findings,
        "scan_start_acquisition",
        "the series time is after the acquisition; the earliest acquisition time was used",
    );
    Ok(earliest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        assert_eq!(day("19700101"), Some(0.0));
        assert_eq!(day("20000301"), Some(11_017.0));
        assert_eq!(day("20241301"), None);
        assert_eq!(time_of_day("0102"), Some(3720.0));
        assert_eq!(time_of_day("235959.25 "), Some(86_399.25));
        assert_eq!(time_of_day("250000"), None);
        assert_eq!(date_time("20201217084500.00+0100"), Some(day("20201217").unwrap() * DAY + 31_500.0));
    }

    fn facts() -> PetFacts {
        PetFacts {
            units: Some("BQML".into()),
            decay_correction: Some("START".into()),
            corrected_image: vec!["ATTN".into(), "DECY".into()],
            weight_kg: Some(70.0),
            dose_bq: Some(3.5e8),
            half_life_s: Some(6588.0),
            injection_time: Some(23.5 * 3600.0),
            series: Some(DAY + 1800.0),
            acquisition: Some(DAY + 1800.0),
            ..PetFacts::default()
        }
    }

    #[test]
    fn injection_before_midnight() {
        let f = suv_factor(&facts(), None).unwrap();
        let expected = 70_000.0 / (3.5e8 * (-3600.0f64 / 6588.0).exp2());
        assert!((f.factor / expected - 1.0).abs() < 1e-12);
        assert!(f.findings.iter().any(|x| x.code == "injection_day_before"));
    }

    #[test]
    fn refusals() {
        let with = |change: fn(&mut PetFacts)| {
            let mut p = facts();
            change(&mut p);
            suv_factor(&p, None)
        };
        assert!(matches!(with(|p| p.weight_kg = Some(0.0)), Err(SuvError::Missing("PatientWeight"))));
        assert!(matches!(with(|p| p.dose_bq = Some(350.0)), Err(SuvError::Implausible { .. })));
        assert!(matches!(with(|p| p.decay_correction = Some("NONE".into())), Err(SuvError::Decay(_))));
        assert!(matches!(with(|p| p.units = Some("PROPCNTS".into())), Err(SuvError::Units(_))));
        assert!(matches!(with(|p| p.corrected_image = vec!["DECY".into()]), Err(SuvError::Uncorrected("ATTN"))));
        let admin = with(|p| p.decay_correction = Some("ADMIN".into())).unwrap();
        assert!((admin.factor - 70_000.0 / 3.5e8).abs() < 1e-18);
    }
}
