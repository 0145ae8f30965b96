//! Filter taps of the wavelets that have names in PyWavelets.

mod biorthogonal;
mod coiflets;
mod daubechies;
mod meyer;
mod symlets;

/// Decomposition filters of a wavelet.
pub(super) struct Taps {
    /// Low-pass.
    pub(super) low: Vec<f64>,
    /// High-pass.
    pub(super) high: Vec<f64>,
    /// The same as PyWavelets uses them for single precision images.
    pub(super) low_single: Vec<f32>,
    /// The same as PyWavelets uses them for single precision images.
    pub(super) high_single: Vec<f32>,
}

/// The filters of a wavelet, or nothing when there is none of the name.
pub(super) fn of(name: &str) -> Option<Taps> {
    let split = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (family, order) = name.split_at(split);
    let nth = |table: &[&'static [f64]], first: usize| -> Option<&'static [f64]> {
        if order.starts_with('0') {
            return None;
        }
        table.get(order.parse::<usize>().ok()?.checked_sub(first)?).copied()
    };
    let orthogonal = |low: &[f64]| {
        let reversed: Vec<f64> = low.iter().rev().copied().collect();
        from(low, &reversed)
    };
    match (family, order) {
        ("haar", "") => Some(orthogonal(daubechies::DAUBECHIES[0])),
        ("dmey", "") => Some(orthogonal(meyer::MEYER[0])),
        ("db", _) => nth(&daubechies::DAUBECHIES, 1).map(orthogonal),
        ("sym", _) => nth(&symlets::SYMLETS, 2).map(orthogonal),
        ("coif", _) => {
            let mut taps = orthogonal(nth(&coiflets::COIFLETS, 1)?);
            let number: usize = order.parse().ok()?;
            for &(k, units) in coiflets::SINGLE_DIFFERENCES[number - 1] {
                let t = &mut taps.low_single[k];
                *t = f32::from_bits(t.to_bits().wrapping_add_signed(units));
            }
            let n = taps.low_single.len();
            for k in 0..n {
                let v = taps.low_single[n - 1 - k];
                taps.high_single[k] = if k % 2 == 0 { -v } else { v };
            }
            Some(taps)
        }
        ("bior" | "rbio", _) => {
            let n = biorthogonal::ORDERS.iter().position(|&o| o == order)?;
            let (d, r) = (biorthogonal::DECOMPOSITION[n], biorthogonal::RECONSTRUCTION[n]);
            if family == "bior" {
                return Some(from(d, r));
            }
            let mirrored = |v: &[f64]| v.iter().rev().copied().collect::<Vec<f64>>();
            Some(from(&mirrored(r), &mirrored(d)))
        }
        _ => None,
    }
}

/// High-pass from the reconstruction low-pass: alternating signs.
fn from(low: &[f64], reconstruction: &[f64]) -> Taps {
    let high: Vec<f64> = reconstruction.iter().enumerate().map(|(k, v)| if k % 2 == 0 { -v } else { *v }).collect();
    Taps {
        low_single: low.iter().map(|&v| v as f32).collect(),
        high_single: high.iter().map(|&v| v as f32).collect(),
        low: low.to_vec(),
        high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Defining properties: the low-pass of an orthogonal wavelet has unit length, sum √2 and is orthogonal to its even
    /// shifts; that of a biorthogonal one is so against the reconstruction filter.
    #[test]
    fn filters_are_orthogonal() {
        let names = (1..=38)
            .map(|n| format!("db{n}"))
            .chain((2..=20).map(|n| format!("sym{n}")))
            .chain((1..=17).map(|n| format!("coif{n}")))
            .chain(["haar".to_owned()]);
        for name in names {
            let t = of(&name).expect("a wavelet");
            // The published taps of the longest filters are good to about 1e-8.
            assert!((t.low.iter().sum::<f64>() - 2_f64.sqrt()).abs() < 1e-7, "{name}");
            for shift in (0..t.low.len()).step_by(2) {
                let s: f64 = t.low.iter().zip(&t.low[shift..]).map(|(a, b)| a * b).sum();
                let want = if shift == 0 { 1.0 } else { 0.0 };
                assert!((s - want).abs() < 1e-7, "{name} {shift} {s}");
            }
        }
        for family in ["bior", "rbio"] {
            for order in biorthogonal::ORDERS {
                let t = of(&format!("{family}{order}")).expect("a wavelet");
                assert!((t.low.iter().sum::<f64>() - 2_f64.sqrt()).abs() < 1e-9, "{family}{order}");
                assert!(t.high.iter().sum::<f64>().abs() < 1e-9, "{family}{order}");
            }
        }
        for bad in ["db0", "db39", "sym1", "coif18", "bior1.2", "haar2", "", "mexh", "db01"] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
