//! A patient made of formulas: implicit shapes in patient coordinates (LPS, mm) with HU, their contours in any image
//! plane, and a radial dose.

use rtpipeline_geometry::Vec3;

/// A convex solid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solid {
    /// Centre, mm LPS.
    pub(super) centre: Vec3,
    /// Semi-axes along x, y, z, mm; an infinite third one makes a tube along z.
    pub(super) radii: Vec3,
    /// Exponent of the in-plane outline: 2 an ellipse, more is boxier.
    pub(super) power: f64,
}

impl Solid {
    pub(super) fn ellipsoid(centre: Vec3, radii: Vec3) -> Self {
        Self { centre, radii, power: 2.0 }
    }

    pub(super) fn tube(x: f64, y: f64, rx: f64, ry: f64) -> Self {
        Self { centre: [x, y, 0.0], radii: [rx, ry, f64::INFINITY], power: 2.0 }
    }

    pub(super) fn grown(self, mm: f64) -> Self {
        Self { radii: self.radii.map(|r| r + mm), ..self }
    }

    /// Below 1 inside, 1 on the surface.
    pub(super) fn level(&self, p: Vec3) -> f64 {
        let t = [0, 1, 2].map(|a| (p[a] - self.centre[a]).abs() / self.radii[a]);
        // Most solids are ellipsoids, for which no power function is needed.
        if self.power == 2.0 { t.iter().map(|v| v * v).sum() } else { t.iter().map(|v| v.powf(self.power)).sum() }
    }

    pub(super) fn holds(&self, p: Vec3) -> bool {
        self.level(p) < 1.0
    }
}

/// An image plane: a point of it and its row and column directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaneOf {
    pub(super) origin: Vec3,
    pub(super) row: Vec3,
    pub(super) column: Vec3,
}

impl PlaneOf {
    fn at(&self, u: f64, v: f64) -> Vec3 {
        [0, 1, 2].map(|a| self.origin[a] + u * self.row[a] + v * self.column[a])
    }

    /// Where the solid is deepest in this plane, found by descent on the convex level.
    fn deepest(&self, s: &Solid) -> (f64, f64) {
        let d = [0, 1, 2].map(|a| s.centre[a] - self.origin[a]);
        let dot = |x: Vec3| (0..3).map(|a| x[a] * d[a]).sum::<f64>();
        let (mut u, mut v) = (dot(self.row), dot(self.column));
        let mut step = 40.0;
        while step > 0.005 {
            let here = s.level(self.at(u, v));
            let around = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)];
            let best =
                around.iter().map(|(a, b)| (s.level(self.at(u + a, v + b)), a, b)).min_by(|x, y| x.0.total_cmp(&y.0));
            match best {
                Some((l, a, b)) if l < here => {
                    u += a;
                    v += b;
                }
                _ => step /= 2.0,
            }
        }
        (u, v)
    }

    /// Outline of the solid in this plane, `n` points, `None` where they do not meet.
    pub(super) fn outline(&self, s: &Solid, n: usize) -> Option<Vec<Vec3>> {
        let (u, v) = self.deepest(s);
        if s.level(self.at(u, v)) > 0.985 {
            return None;
        }
        let points = (0..n).map(|k| {
            let (sin, cos) = (std::f64::consts::TAU * k as f64 / n as f64).sin_cos();
            let (mut near, mut far) = (0.0, 2000.0);
            for _ in 0..60 {
                let r = f64::midpoint(near, far);
                if s.holds(self.at(u + r * cos, v + r * sin)) { near = r } else { far = r }
            }
            self.at(u + near * cos, v + near * sin)
        });
        Some(points.collect())
    }
}

/// One patient.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    pub(super) body: Solid,
    pub(super) lung_l: Solid,
    pub(super) lung_r: Solid,
    pub(super) heart: Solid,
    pub(super) liver: Solid,
    pub(super) vertebra: Solid,
    pub(super) canal: Solid,
    pub(super) cord: Solid,
    pub(super) aorta: Solid,
    pub(super) esophagus: Solid,
    pub(super) trachea: Solid,
    pub(super) gtv: Solid,
}

impl Patient {
    /// The `n`-th patient: sizes and target position vary by its number alone.
    pub(super) fn new(n: u32) -> Self {
        let v = |salt: u64, spread: f64| spread * (2.0 * unit(hash(u64::from(n) << 8 | salt)) - 1.0);
        let k = 1.0 + v(1, 0.06);
        let e = |x: f64, y: f64, z: f64, a: f64, b: f64, c: f64| Solid::ellipsoid([x * k, y * k, z], [a * k, b * k, c]);
        let t = |x: f64, y: f64, a: f64, b: f64| Solid::tube(x * k, y * k, a * k, b * k);
        Self {
            body: Solid { power: 2.5, ..t(0.0, 0.0, 172.0 + v(2, 8.0), 110.0 + v(3, 6.0)) },
            lung_l: e(76.0, -4.0, 8.0, 52.0, 78.0, 86.0),
            lung_r: e(-76.0, -4.0, 8.0, 56.0, 80.0, 90.0),
            heart: e(24.0, -38.0, -22.0, 40.0, 34.0, 42.0),
            liver: e(-58.0, -12.0, -98.0, 84.0, 74.0, 33.0),
            vertebra: t(0.0, 64.0, 19.0, 17.0),
            canal: t(0.0, 88.0, 10.0, 9.0),
            cord: t(0.0, 88.0, 6.0, 5.0),
            aorta: t(20.0, 46.0, 11.0, 11.0),
            esophagus: t(2.0, 36.0, 8.0, 6.0),
            trachea: Solid::ellipsoid([0.0, 18.0 * k, 98.0], [9.0, 8.0, 60.0]),
            gtv: Solid::ellipsoid([-70.0 * k + v(5, 8.0), 6.0 + v(6, 10.0), 14.0 + v(7, 12.0)], [13.0 + v(8, 2.0); 3]),
        }
    }

    /// In a lung: the heart and the target are cut out of it, the rest of the chest wall lies around it.
    pub(super) fn in_lung(&self, p: Vec3) -> bool {
        (self.lung_l.holds(p) || self.lung_r.holds(p)) && !self.heart.holds(p)
    }

    /// HU at a point, without noise.
    pub(super) fn hu(&self, p: Vec3) -> f64 {
        // The couch: a plate 12 mm below the back.
        let back = self.body.radii[1];
        let couch = p[0].abs() < 230.0 && p[1] > back + 12.0 && p[1] < back + 26.0;
        if !self.body.holds(p) {
            return if couch { -120.0 } else { -1000.0 };
        }
        let inner = Solid { radii: [self.body.radii[0] - 14.0, self.body.radii[1] - 11.0, f64::INFINITY], ..self.body };
        match () {
            () if self.gtv.holds(p) => 38.0,
            () if self.trachea.holds(p) => -990.0,
            () if self.cord.holds(p) => 36.0,
            () if self.canal.holds(p) => 10.0,
            () if self.vertebra.holds(p) => 320.0,
            () if self.aorta.holds(p) => 46.0,
            () if self.esophagus.holds(p) => 22.0,
            () if self.in_lung(p) => -790.0,
            () if self.heart.holds(p) => 42.0,
            () if self.liver.holds(p) => 62.0,
            () if inner.holds(p) => 25.0,
            () => -95.0,
        }
    }
}

/// A radial dose about a point: plateau, sigmoid fall-off, Gaussian bath.
#[derive(Clone, Copy, Debug)]
pub(super) struct RadialDose {
    pub(super) centre: Vec3,
    /// Dose in the middle, Gy.
    pub(super) top: f64,
    /// Radius of half the dose, mm.
    pub(super) half: f64,
}

impl RadialDose {
    /// Dose at a point, Gy.
    pub(super) fn at(&self, p: Vec3) -> f64 {
        let r2: f64 = (0..3).map(|a| (p[a] - self.centre[a]).powi(2)).sum();
        let r = r2.sqrt();
        self.top * (0.9 / (1.0 + ((r - self.half) / 4.0).exp()) + 0.1 * (-r2 / (2.0 * 70.0_f64.powi(2))).exp())
    }
}

/// A well-mixed 64-bit value of a number (splitmix64), so that noise depends on the place alone.
pub(super) fn hash(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In [0, 1).
pub(super) fn unit(h: u64) -> f64 {
    (h >> 11) as f64 / (1_u64 << 53) as f64
}

/// Roughly normal noise (sum of four uniform values), unit variance.
pub(super) fn noise(seed: u64) -> f64 {
    let sum: f64 = (0..4).map(|k| unit(hash(seed.wrapping_mul(4).wrapping_add(k)))).sum();
    (sum - 2.0) * 3.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_lie_on_the_surface_in_oblique_planes() {
        let p = Patient::new(1);
        let (s, c) = 0.2_f64.sin_cos();
        let plane = PlaneOf { origin: [-200.0, -150.0, -18.0], row: [1.0, 0.0, 0.0], column: [0.0, c, s] };
        for solid in [p.body, p.lung_r, p.cord, p.gtv] {
            let line = plane.outline(&solid, 36).expect("the plane meets it");
            assert!(line.iter().all(|q| (solid.level(*q) - 1.0).abs() < 1e-6));
        }
    }
}
