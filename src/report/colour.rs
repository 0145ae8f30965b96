//! Structure colours: kept where they can be seen, repaired where they cannot.
//!
//! A colour is moved in OKLCH (B. Ottosson, "A perceptual color space for image processing", 2020): hue stays,
//! lightness moves until the WCAG 2 contrast to the background is at least 3:1, chroma gives way where sRGB ends.

/// An sRGB colour.
pub(crate) type Rgb = [u8; 3];

/// The lightest surface that a chart lies on in light mode is white, the darkest the card.
const LIGHT_SURFACES: [Rgb; 2] = [[0xff, 0xff, 0xff], [0xf6, 0xf8, 0xfa]];
/// Image area, page and card in dark mode.
const DARK_SURFACES: [Rgb; 3] = [[0x0b, 0x0e, 0x12], [0x12, 0x16, 0x1c], [0x1a, 0x20, 0x28]];
/// Smallest contrast of a line to its surface (WCAG 2.2, 1.4.11).
pub(crate) const MIN_CONTRAST: f64 = 3.0;

/// A colour for light pages and one for dark pages and images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) light: Rgb,
    pub(crate) dark: Rgb,
}

/// The two variants of a structure's colour; without one, a stable colour from its name.
pub(crate) fn pair(colour: Option<Rgb>, name: &str) -> Pair {
    let c = colour.unwrap_or_else(|| from_name(name));
    Pair { light: repair(c, &LIGHT_SURFACES), dark: repair(c, &DARK_SURFACES) }
}

/// `#rrggbb`.
pub(crate) fn hex(c: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", c[0], c[1], c[2])
}

/// Golden-angle hue from a hash of the name, so that a structure has one colour in all courses.
pub(crate) fn from_name(name: &str) -> Rgb {
    let hash = name
        .to_lowercase()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ b as u64).wrapping_mul(0x0100_0000_01b3));
    // Similar names must not get similar hues: the bits are mixed before the angle is taken.
    let mixed = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let hue = (mixed % 1009) as f64 * 137.507_764;
    to_gamut(0.68, 0.15, hue.rem_euclid(360.0).to_radians())
}

/// WCAG 2 contrast ratio.
pub(crate) fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (x, y) = (luminance(a), luminance(b));
    (x.max(y) + 0.05) / (x.min(y) + 0.05)
}

/// The nearest lightness of the same hue that has at least [`MIN_CONTRAST`] to all surfaces.
pub(crate) fn repair(c: Rgb, surfaces: &[Rgb]) -> Rgb {
    let enough = |c: Rgb| surfaces.iter().all(|&s| contrast(c, s) >= MIN_CONTRAST);
    if enough(c) {
        return c;
    }
    let (lightness, chroma, hue) = oklch(c);
    let darker = surfaces.first().is_some_and(|&s| luminance(s) > 0.18);
    let step = if darker { -0.005 } else { 0.005 };
    (1..=200)
        .map(|n| to_gamut((lightness + step * n as f64).clamp(0.0, 1.0), chroma, hue))
        .find(|&c| enough(c))
        .unwrap_or(if darker { [0; 3] } else { [255; 3] })
}

fn to_linear(v: u8) -> f64 {
    let v = v as f64 / 255.0;
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(v: f64) -> f64 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

fn luminance(c: Rgb) -> f64 {
    0.2126 * to_linear(c[0]) + 0.7152 * to_linear(c[1]) + 0.0722 * to_linear(c[2])
}

fn oklch(c: Rgb) -> (f64, f64, f64) {
    let [r, g, b] = c.map(to_linear);
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    let lightness = 0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s;
    let a = 1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s;
    let b = 0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s;
    (lightness, a.hypot(b), b.atan2(a))
}

fn linear_of(lightness: f64, chroma: f64, hue: f64) -> [f64; 3] {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

/// The colour with that lightness and hue and the largest chroma, up to the given one, that sRGB has.
fn to_gamut(lightness: f64, chroma: f64, hue: f64) -> Rgb {
    let inside = |c: f64| linear_of(lightness, c, hue).iter().all(|v| (-1e-4..=1.0001).contains(v));
    let mut keep = chroma;
    if !inside(keep) {
        let (mut low, mut high) = (0.0, chroma);
        for _ in 0..20 {
            let mid = f64::midpoint(low, high);
            if inside(mid) { low = mid } else { high = mid }
        }
        keep = low;
    }
    linear_of(lightness, keep, hue).map(|v| (from_linear(v.clamp(0.0, 1.0)) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_has_the_values_of_wcag() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        assert!((contrast([0xe6, 0x9f, 0x00], [255; 3]) - 2.25).abs() < 0.01);
        assert!((contrast([0x0b, 0x62, 0xa4], [255; 3]) - 6.4).abs() < 0.05);
    }

    #[test]
    fn every_colour_can_be_seen_on_both_grounds_and_keeps_its_hue() {
        for r in (0..=255).step_by(51) {
            for g in (0..=255).step_by(51) {
                for b in (0..=255).step_by(51) {
                    let c = [r as u8, g as u8, b as u8];
                    let p = pair(Some(c), "x");
                    for s in LIGHT_SURFACES {
                        assert!(contrast(p.light, s) >= MIN_CONTRAST, "{c:?} light {:?}", p.light);
                    }
                    for s in DARK_SURFACES {
                        assert!(contrast(p.dark, s) >= MIN_CONTRAST, "{c:?} dark {:?}", p.dark);
                    }
                    let (_, chroma, hue) = oklch(c);
                    for v in [p.light, p.dark] {
                        let (_, cv, hv) = oklch(v);
                        // Rounding to 8 bits turns the hue of near-greys; where there is colour it must stay.
                        if chroma > 0.08 && cv > 0.08 {
                            let d = (hv - hue).rem_euclid(std::f64::consts::TAU);
                            assert!(d.min(std::f64::consts::TAU - d) < 0.06, "{c:?} -> {v:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn good_colours_stay_and_missing_ones_are_stable() {
        assert_eq!(pair(Some([0x00, 0x72, 0xb2]), "x").light, [0x00, 0x72, 0xb2]);
        assert_eq!(from_name("Heart"), from_name("heart"));
        assert_ne!(from_name("Heart"), from_name("Liver"));
    }
}
