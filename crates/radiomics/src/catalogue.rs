//! All features: class, name, formula, IBSI code, remarks.

use crate::params::FeatureClass;

/// A feature as the output names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureInfo {
    /// The class.
    pub class: FeatureClass,
    /// The name after the class, as in PyRadiomics.
    pub name: &'static str,
    /// Definition. `p` is a probability, `eps` 2.2e-16; grey levels `g`, `i`, `j` are bin numbers from 1.
    pub formula: &'static str,
    /// IBSI-1 code of the same (or nearest) feature; empty if there is none.
    pub ibsi: &'static str,
    /// Where PyRadiomics departs from IBSI, and values of degenerate regions.
    pub note: &'static str,
    /// Only computed when it is named.
    pub deprecated: bool,
}

/// Every feature that has a value, by class in PyRadiomics' module order.
pub fn catalogue() -> impl Iterator<Item = &'static FeatureInfo> {
    FeatureClass::ALL.into_iter().flat_map(|c| of(c).iter())
}

/// The features of a class, in the order in which they are computed.
pub(crate) fn of(class: FeatureClass) -> &'static [FeatureInfo] {
    match class {
        FeatureClass::Firstorder => FIRSTORDER,
        FeatureClass::Glcm => GLCM,
        FeatureClass::Gldm => GLDM,
        FeatureClass::Glrlm => GLRLM,
        FeatureClass::Glszm => GLSZM,
        FeatureClass::Ngtdm => NGTDM,
        FeatureClass::Shape => SHAPE,
        FeatureClass::Shape2D => SHAPE2D,
    }
}

/// Names that PyRadiomics knows but no longer computes; they may be asked for and give nothing.
pub(crate) fn is_withdrawn(class: FeatureClass, name: &str) -> bool {
    let names: &[&str] = match class {
        FeatureClass::Glcm => &["Dissimilarity", "Homogeneity1", "Homogeneity2", "SumVariance"],
        FeatureClass::Gldm => &["GrayLevelNonUniformityNormalized", "DependencePercentage"],
        _ => &[],
    };
    names.contains(&name)
}

const fn feature(
    class: FeatureClass,
    name: &'static str,
    formula: &'static str,
    ibsi: &'static str,
    note: &'static str,
) -> FeatureInfo {
    FeatureInfo { class, name, formula, ibsi, note, deprecated: false }
}

const fn old(
    class: FeatureClass,
    name: &'static str,
    formula: &'static str,
    ibsi: &'static str,
    note: &'static str,
) -> FeatureInfo {
    FeatureInfo { class, name, formula, ibsi, note, deprecated: true }
}

#[rustfmt::skip]
const FIRSTORDER: &[FeatureInfo] = &[
    feature(FeatureClass::Firstorder, "10Percentile", "10th percentile, linear interpolation at rank 0.10·(N−1)", "QG58", ""),
    feature(FeatureClass::Firstorder, "90Percentile", "90th percentile", "8DWT", ""),
    feature(FeatureClass::Firstorder, "Energy", "Σ(x+c)²", "N8CA", "c = voxelArrayShift, 0 in IBSI"),
    feature(FeatureClass::Firstorder, "Entropy", "−Σ p log2(p+eps)", "TLU2", "of the grey levels"),
    feature(FeatureClass::Firstorder, "InterquartileRange", "P75 − P25", "SALO", ""),
    feature(FeatureClass::Firstorder, "Kurtosis", "m4/m2²", "IPH6", "not the excess: IBSI value + 3; 0 when all values are equal"),
    feature(FeatureClass::Firstorder, "Maximum", "max", "84IY", ""),
    feature(FeatureClass::Firstorder, "MeanAbsoluteDeviation", "mean abs(x − mean)", "4FUA", ""),
    feature(FeatureClass::Firstorder, "Mean", "mean", "Q4LE", ""),
    feature(FeatureClass::Firstorder, "Median", "median", "Y12H", ""),
    feature(FeatureClass::Firstorder, "Minimum", "min", "1GSF", ""),
    feature(FeatureClass::Firstorder, "Range", "max − min", "2OJQ", ""),
    feature(FeatureClass::Firstorder, "RobustMeanAbsoluteDeviation", "MAD of values with P10 ≤ x ≤ P90 about their mean", "1128", ""),
    feature(FeatureClass::Firstorder, "RootMeanSquared", "sqrt(Σ(x+c)²/N)", "5ZWQ", ""),
    feature(FeatureClass::Firstorder, "Skewness", "m3/m2^1.5", "KE2A", "0 when all values are equal"),
    feature(FeatureClass::Firstorder, "TotalEnergy", "Energy · (sx·sy·sz)", "", "voxel size of the resampled image"),
    feature(FeatureClass::Firstorder, "Uniformity", "Σ p²", "BJ5W", "of the grey levels"),
    feature(FeatureClass::Firstorder, "Variance", "(std, ddof 0)²", "ECT3", ""),
    old(FeatureClass::Firstorder, "StandardDeviation", "√m2", "", ""),
];

#[rustfmt::skip]
const GLCM: &[FeatureInfo] = &[
    feature(FeatureClass::Glcm, "Autocorrelation", "Σ p i j", "QWB0", ""),
    feature(FeatureClass::Glcm, "ClusterProminence", "Σ p (i+j−μx−μy)⁴", "AE86", ""),
    feature(FeatureClass::Glcm, "ClusterShade", "Σ p (i+j−μx−μy)³", "7NFM", ""),
    feature(FeatureClass::Glcm, "ClusterTendency", "Σ p (i+j−μx−μy)²", "DG8W", ""),
    feature(FeatureClass::Glcm, "Contrast", "Σ p (i−j)²", "ACUI", ""),
    feature(FeatureClass::Glcm, "Correlation", "Σ p (i−μx)(j−μy) / (σxσy + eps)", "NI2N", "1 when one grey level is present"),
    feature(FeatureClass::Glcm, "DifferenceAverage", "Σ k p_{x−y}(k)", "TF7R", ""),
    feature(FeatureClass::Glcm, "DifferenceEntropy", "−Σ p_{x−y} log2(p_{x−y}+eps)", "NTRS", ""),
    feature(FeatureClass::Glcm, "DifferenceVariance", "Σ p_{x−y} (k − DA)²", "D3YU", ""),
    feature(FeatureClass::Glcm, "Id", "Σ p_{x−y}/(1+k)", "IB1Z", ""),
    feature(FeatureClass::Glcm, "Idm", "Σ p_{x−y}/(1+k²)", "WF0Z", ""),
    feature(FeatureClass::Glcm, "Idmn", "Σ p_{x−y}/(1+k²/Ng²)", "1QCO", "Ng is the highest bin number"),
    feature(FeatureClass::Glcm, "Idn", "Σ p_{x−y}/(1+k/Ng)", "NDRX", ""),
    feature(FeatureClass::Glcm, "Imc1", "(HXY − HXY1)/max(HX,HY)", "R8DG", "0 when both entropies are 0"),
    feature(FeatureClass::Glcm, "Imc2", "sqrt(1 − e^(−2(HXY2−HXY)))", "JN9H", "0 when HXY2 = HXY"),
    feature(FeatureClass::Glcm, "InverseVariance", "Σ_{k≥1} p_{x−y}/k²", "E8JP", ""),
    feature(FeatureClass::Glcm, "JointAverage", "μx, mean over directions", "60VM", ""),
    feature(FeatureClass::Glcm, "JointEnergy", "Σ p²", "8ZQL", ""),
    feature(FeatureClass::Glcm, "JointEntropy", "HXY", "TU9B", ""),
    feature(FeatureClass::Glcm, "MCC", "sqrt(second largest eigenvalue of Q), Q(i,j)=Σ_k p(i,k)p(j,k)/(px(i)py(k)+eps)", "", ""),
    feature(FeatureClass::Glcm, "MaximumProbability", "max p", "GYBY", ""),
    feature(FeatureClass::Glcm, "SumAverage", "Σ k p_{x+y}", "ZGXS", ""),
    feature(FeatureClass::Glcm, "SumEntropy", "−Σ p_{x+y} log2(p_{x+y}+eps)", "P6QZ", ""),
    feature(FeatureClass::Glcm, "SumSquares", "Σ p (i−μx)²", "UR99", "joint variance of IBSI"),
];

#[rustfmt::skip]
const GLDM: &[FeatureInfo] = &[
    feature(FeatureClass::Gldm, "DependenceEntropy", "−Σ p log2(p+eps)", "FCBV", ""),
    feature(FeatureClass::Gldm, "DependenceNonUniformity", "Σ pd²/Nz", "Z87G", ""),
    feature(FeatureClass::Gldm, "DependenceNonUniformityNormalized", "Σ pd²/Nz²", "OKJI", ""),
    feature(FeatureClass::Gldm, "DependenceVariance", "Σ p(j)(j−μ)²", "DNX2", ""),
    feature(FeatureClass::Gldm, "GrayLevelNonUniformity", "Σ pg²/Nz", "FP8K", ""),
    feature(FeatureClass::Gldm, "GrayLevelVariance", "Σ p(g)(g−μ)²", "1PFV", ""),
    feature(FeatureClass::Gldm, "HighGrayLevelEmphasis", "Σ pg g²/Nz", "OAE7", ""),
    feature(FeatureClass::Gldm, "LargeDependenceEmphasis", "Σ pd j²/Nz", "IMOQ", ""),
    feature(FeatureClass::Gldm, "LargeDependenceHighGrayLevelEmphasis", "Σ D g² j²/Nz", "9QMG", ""),
    feature(FeatureClass::Gldm, "LargeDependenceLowGrayLevelEmphasis", "Σ D j²/g² /Nz", "NBZI", ""),
    feature(FeatureClass::Gldm, "LowGrayLevelEmphasis", "Σ pg/g² /Nz", "TL9H", ""),
    feature(FeatureClass::Gldm, "SmallDependenceEmphasis", "Σ pd/j² /Nz", "SODN", ""),
    feature(FeatureClass::Gldm, "SmallDependenceHighGrayLevelEmphasis", "Σ D g²/j² /Nz", "JA6D", ""),
    feature(FeatureClass::Gldm, "SmallDependenceLowGrayLevelEmphasis", "Σ D/(g² j²)/Nz", "EQ3F", ""),
];

#[rustfmt::skip]
const GLRLM: &[FeatureInfo] = &[
    feature(FeatureClass::Glrlm, "GrayLevelNonUniformity", "Σ pg²/Nr", "R5YN", ""),
    feature(FeatureClass::Glrlm, "GrayLevelNonUniformityNormalized", "Σ pg²/Nr²", "OVBL", ""),
    feature(FeatureClass::Glrlm, "GrayLevelVariance", "Σ p(g)(g−μ)²", "8CE5", ""),
    feature(FeatureClass::Glrlm, "HighGrayLevelRunEmphasis", "Σ pg g²/Nr", "G3QZ", ""),
    feature(FeatureClass::Glrlm, "LongRunEmphasis", "Σ pr r²/Nr", "W4KF", ""),
    feature(FeatureClass::Glrlm, "LongRunHighGrayLevelEmphasis", "Σ R r² g²/Nr", "3KUM", ""),
    feature(FeatureClass::Glrlm, "LongRunLowGrayLevelEmphasis", "Σ R r²/g² /Nr", "IVPO", ""),
    feature(FeatureClass::Glrlm, "LowGrayLevelRunEmphasis", "Σ pg/g² /Nr", "V3SW", ""),
    feature(FeatureClass::Glrlm, "RunEntropy", "−Σ p log2(p+eps)", "HJ9O", ""),
    feature(FeatureClass::Glrlm, "RunLengthNonUniformity", "Σ pr²/Nr", "W92Y", ""),
    feature(FeatureClass::Glrlm, "RunLengthNonUniformityNormalized", "Σ pr²/Nr²", "IC23", ""),
    feature(FeatureClass::Glrlm, "RunPercentage", "Nr/Np", "9ZK5", ""),
    feature(FeatureClass::Glrlm, "RunVariance", "Σ p(r)(r−μ)²", "SXLW", ""),
    feature(FeatureClass::Glrlm, "ShortRunEmphasis", "Σ pr/r² /Nr", "22OV", ""),
    feature(FeatureClass::Glrlm, "ShortRunHighGrayLevelEmphasis", "Σ R g²/r² /Nr", "GD3A", ""),
    feature(FeatureClass::Glrlm, "ShortRunLowGrayLevelEmphasis", "Σ R/(g² r²) /Nr", "HTZT", ""),
];

#[rustfmt::skip]
const GLSZM: &[FeatureInfo] = &[
    feature(FeatureClass::Glszm, "GrayLevelNonUniformity", "Σ pg²/Nz", "JNSA", ""),
    feature(FeatureClass::Glszm, "GrayLevelNonUniformityNormalized", "Σ pg²/Nz²", "Y1RO", ""),
    feature(FeatureClass::Glszm, "GrayLevelVariance", "Σ p(g)(g−μ)²", "BYLV", ""),
    feature(FeatureClass::Glszm, "HighGrayLevelZoneEmphasis", "Σ pg g²/Nz", "5GN9", ""),
    feature(FeatureClass::Glszm, "LargeAreaEmphasis", "Σ ps s²/Nz", "48P8", ""),
    feature(FeatureClass::Glszm, "LargeAreaHighGrayLevelEmphasis", "Σ Z g² s²/Nz", "J17V", ""),
    feature(FeatureClass::Glszm, "LargeAreaLowGrayLevelEmphasis", "Σ Z s²/g² /Nz", "YH51", ""),
    feature(FeatureClass::Glszm, "LowGrayLevelZoneEmphasis", "Σ pg/g² /Nz", "XMSY", ""),
    feature(FeatureClass::Glszm, "SizeZoneNonUniformity", "Σ ps²/Nz", "4JP3", ""),
    feature(FeatureClass::Glszm, "SizeZoneNonUniformityNormalized", "Σ ps²/Nz²", "VB3A", ""),
    feature(FeatureClass::Glszm, "SmallAreaEmphasis", "Σ ps/s² /Nz", "5QRC", ""),
    feature(FeatureClass::Glszm, "SmallAreaHighGrayLevelEmphasis", "Σ Z g²/s² /Nz", "HW1V", ""),
    feature(FeatureClass::Glszm, "SmallAreaLowGrayLevelEmphasis", "Σ Z/(g² s²)/Nz", "5RAI", ""),
    feature(FeatureClass::Glszm, "ZoneEntropy", "−Σ p log2(p+eps)", "GU8N", ""),
    feature(FeatureClass::Glszm, "ZonePercentage", "Nz/Np", "P30P", ""),
    feature(FeatureClass::Glszm, "ZoneVariance", "Σ p(s)(s−μ)²", "3NSA", ""),
];

#[rustfmt::skip]
const NGTDM: &[FeatureInfo] = &[
    feature(FeatureClass::Ngtdm, "Busyness", "Σ p s / Σ_{i,j} abs(i p_i − j p_j)", "NQ30", "0 when the denominator is 0; voxels without neighbours count, unlike in IBSI"),
    feature(FeatureClass::Ngtdm, "Coarseness", "1/Σ p s", "QCDE", "1e6 when the sum is 0"),
    feature(FeatureClass::Ngtdm, "Complexity", "(1/N) Σ_{i,j} abs(i−j)(p_i s_i + p_j s_j)/(p_i+p_j)", "HDEZ", ""),
    feature(FeatureClass::Ngtdm, "Contrast", "[1/(Ngp(Ngp−1)) Σ_{i,j} p_i p_j (i−j)²]·[Σ s / N]", "65HE", "0 for one grey level"),
    feature(FeatureClass::Ngtdm, "Strength", "Σ_{i,j}(p_i+p_j)(i−j)² / Σ s", "1X9X", "0 when Σ s is 0"),
];

#[rustfmt::skip]
const SHAPE: &[FeatureInfo] = &[
    feature(FeatureClass::Shape, "Elongation", "sqrt(λ1/λ2)", "Q3CK", ""),
    feature(FeatureClass::Shape, "Flatness", "sqrt(λ0/λ2)", "N17B", ""),
    feature(FeatureClass::Shape, "LeastAxisLength", "4 sqrt(λ0)", "7J51", "covariance divided by N; IBSI divides by N − 1"),
    feature(FeatureClass::Shape, "MajorAxisLength", "4 sqrt(λ2)", "TDIC", "covariance divided by N; IBSI divides by N − 1"),
    feature(FeatureClass::Shape, "Maximum2DDiameterColumn", "largest distance of surface points of equal y", "", ""),
    feature(FeatureClass::Shape, "Maximum2DDiameterRow", "largest distance of surface points of equal x", "", ""),
    feature(FeatureClass::Shape, "Maximum2DDiameterSlice", "largest distance of surface points of equal z", "", ""),
    feature(FeatureClass::Shape, "Maximum3DDiameter", "largest distance of surface points", "L0JK", ""),
    feature(FeatureClass::Shape, "MeshVolume", "volume V enclosed by the mesh", "RNU0", ""),
    feature(FeatureClass::Shape, "MinorAxisLength", "4 sqrt(λ1)", "P9VJ", "covariance divided by N; IBSI divides by N − 1"),
    feature(FeatureClass::Shape, "Sphericity", "(36 π V²)^(1/3)/A", "QCFX", ""),
    feature(FeatureClass::Shape, "SurfaceArea", "area A of the mesh", "C0JK", ""),
    feature(FeatureClass::Shape, "SurfaceVolumeRatio", "A/V", "2PR5", ""),
    feature(FeatureClass::Shape, "VoxelVolume", "N·sx·sy·sz", "YEKZ", ""),
    old(FeatureClass::Shape, "Compactness1", "V/(A^1.5·√π)", "SKGS", ""),
    old(FeatureClass::Shape, "Compactness2", "36πV²/A³", "BQWJ", ""),
    old(FeatureClass::Shape, "SphericalDisproportion", "A/(36πV²)^(1/3)", "KRCK", ""),
];

#[rustfmt::skip]
const SHAPE2D: &[FeatureInfo] = &[
    feature(FeatureClass::Shape2D, "Elongation", "sqrt(λmin/λmax)", "", ""),
    feature(FeatureClass::Shape2D, "MajorAxisLength", "4 sqrt(λmax)", "", ""),
    feature(FeatureClass::Shape2D, "MaximumDiameter", "largest distance of outline points", "", ""),
    feature(FeatureClass::Shape2D, "MeshSurface", "area A within the outline", "", ""),
    feature(FeatureClass::Shape2D, "MinorAxisLength", "4 sqrt(λmin)", "", ""),
    feature(FeatureClass::Shape2D, "Perimeter", "length P of the outline", "", ""),
    feature(FeatureClass::Shape2D, "PerimeterSurfaceRatio", "P/A", "", ""),
    feature(FeatureClass::Shape2D, "PixelSurface", "N·sx·sy", "", ""),
    feature(FeatureClass::Shape2D, "Sphericity", "2 sqrt(πA)/P", "", ""),
    old(FeatureClass::Shape2D, "SphericalDisproportion", "1/Sphericity", "", ""),
];
