//! Properties that all corruptions share, and what the scripts behind ImageNet-C make of the
//! same picture.

use super::*;
use crate::data::testing::{fingerprint, pattern};
use Variant::{Cifar, Imagecorruptions, ImagenetC};

const VARIANTS: [Variant; 3] = [ImagenetC, Imagecorruptions, Cifar];

type Size = (usize, usize);
/// With three severities, the fingerprint of each.
type Fingerprints = (Variant, Size, &'static str, [u8; 3], [u64; 3]);
/// With a severity, mean and standard deviation of three figures.
type Moments = (Variant, Size, &'static str, u8, [(f64, f64); 3]);

/// The bytes of each script on `pattern`, by `tests/images/corruptions.py`.
#[rustfmt::skip]
const FINGERPRINTS: [Fingerprints; 24] = [
    (ImagenetC, (224, 224), "defocus_blur", [2, 3, 5], [0x3bb7_6b09_4a84_39f5, 0xcc62_459b_a004_3345, 0x57c6_5c28_f716_5833]),
    (ImagenetC, (224, 224), "zoom_blur", [2, 3, 5], [0xb276_7300_3f40_837b, 0x37f9_4eb0_92b9_5e79, 0xde78_cfc5_2635_0a80]),
    (ImagenetC, (224, 224), "brightness", [2, 3, 5], [0xf935_d45f_709d_68e8, 0xc3f8_1f0c_fd9f_38d8, 0x063b_1c34_f955_8c1d]),
    (ImagenetC, (224, 224), "contrast", [2, 3, 5], [0x6d5a_2a01_a444_5cc9, 0x8858_6fd0_ce2c_65a2, 0x5016_5b7f_3cdd_6dbe]),
    (ImagenetC, (224, 224), "pixelate", [2, 3, 5], [0x2171_0fe9_d0f2_4325, 0xbfbe_446d_c5ed_a05a, 0x8098_c115_625b_7e65]),
    (ImagenetC, (224, 224), "jpeg_compression", [2, 3, 5], [0x1507_d2f9_fab6_b278, 0xe014_2836_2f11_2c26, 0x56f5_7073_86ed_464b]),
    (ImagenetC, (224, 224), "gaussian_blur", [2, 3, 5], [0x3516_f37c_b3bf_d640, 0x7b01_6335_6969_b4e1, 0x4b9f_2bac_a418_24fe]),
    (ImagenetC, (224, 224), "saturate", [2, 3, 5], [0x9fbe_09ee_f701_1d19, 0xcfd7_1ace_e9a7_f30d, 0x6913_8896_dd5c_ca27]),
    (Imagecorruptions, (61, 47), "defocus_blur", [1, 3, 5], [0xc16d_8dba_f168_2496, 0x99d1_2266_b41c_234b, 0x6265_da5e_685d_e490]),
    (Imagecorruptions, (61, 47), "zoom_blur", [1, 3, 5], [0xdabc_5421_eab8_f4df, 0x4983_5fcc_6b3d_f9b3, 0x682d_666e_45f6_569a]),
    (Imagecorruptions, (61, 47), "brightness", [1, 3, 5], [0x455e_ce00_0fd7_cef4, 0x7577_73ba_2dde_9b61, 0xdb92_2fd2_a7b0_0f99]),
    (Imagecorruptions, (61, 47), "contrast", [1, 3, 5], [0xbda3_1cae_ea82_f458, 0xc4ab_0ffd_9b92_21f3, 0x433d_acae_3db0_93f4]),
    (Imagecorruptions, (61, 47), "pixelate", [1, 3, 5], [0x0c00_980e_2213_315d, 0x84e8_4eb1_177f_5637, 0x0a62_f97f_d495_0e98]),
    (Imagecorruptions, (61, 47), "jpeg_compression", [1, 3, 5], [0x95aa_a23c_a90d_7c63, 0x1116_c20a_5b51_9216, 0xbe24_de03_2567_9a8f]),
    (Imagecorruptions, (61, 47), "gaussian_blur", [1, 3, 5], [0x4689_151f_df5e_bfd7, 0xe139_8ae6_682b_3d5f, 0x24ae_3f27_860b_69d6]),
    (Imagecorruptions, (61, 47), "saturate", [1, 3, 5], [0xb2c8_3707_8d24_bcf1, 0x14f9_5849_f9b0_46e6, 0xfeec_e298_d7b8_f412]),
    (Cifar, (32, 32), "defocus_blur", [1, 3, 5], [0x2a3a_7a41_2fc1_cf86, 0x8bbb_4017_e04d_311c, 0xf7e0_9af0_bc1c_062e]),
    (Cifar, (32, 32), "zoom_blur", [1, 3, 5], [0x80b4_e170_f890_c23f, 0x8fc2_cd28_4e74_26fa, 0x2044_1d5b_f5a7_f115]),
    (Cifar, (32, 32), "brightness", [1, 3, 5], [0x7099_15dd_b11b_4620, 0x26b0_f768_d0ce_8a84, 0x4208_6055_c3fc_c59f]),
    (Cifar, (32, 32), "contrast", [1, 3, 5], [0xeee3_fc3f_b1ac_f565, 0x0718_ea56_ea7b_f7fe, 0x9b7d_b03e_fbea_5cdb]),
    (Cifar, (32, 32), "pixelate", [1, 3, 5], [0xa34c_4236_3c71_8635, 0x420a_a8a1_91df_8830, 0x2b65_9c58_abdc_79b5]),
    (Cifar, (32, 32), "jpeg_compression", [1, 3, 5], [0xe94b_fa16_95b4_c9e5, 0x5724_ffa0_9141_032c, 0xd17e_b081_0762_94b0]),
    (Cifar, (32, 32), "gaussian_blur", [1, 3, 5], [0xc0cd_0023_36c8_1d28, 0x81dc_c6b4_e888_880c, 0x1761_e0ac_d3f2_615b]),
    (Cifar, (32, 32), "saturate", [1, 3, 5], [0xabbe_02e1_a22c_ce68, 0x63b1_4d23_901a_5c7a, 0xd8e9_0d1a_a3c1_ebf4]),
];

/// Mean, standard deviation and PSNR against the clean picture, each with its mean and standard
/// deviation over 20 seeds, by the same program.
#[rustfmt::skip]
#[allow(clippy::approx_constant)] // Some happen to begin like one.
const MOMENTS: [Moments; 43] = [
    (ImagenetC, (224, 224), "motion_blur", 2, [(123.680, 0.126), (49.972, 3.239), (12.854, 0.632)]),
    (ImagenetC, (224, 224), "snow", 2, [(189.354, 0.454), (61.069, 0.149), (10.630, 0.068)]),
    (ImagenetC, (224, 224), "elastic_transform", 2, [(123.198, 7.005), (51.675, 3.483), (10.669, 0.182)]),
    (Imagecorruptions, (96, 80), "gaussian_noise", 2, [(122.714, 0.151), (80.552, 0.156), (19.065, 0.040)]),
    (Imagecorruptions, (96, 80), "gaussian_noise", 5, [(124.044, 0.348), (91.847, 0.251), (10.750, 0.039)]),
    (Imagecorruptions, (96, 80), "shot_noise", 2, [(120.322, 0.209), (81.818, 0.195), (18.006, 0.043)]),
    (Imagecorruptions, (96, 80), "shot_noise", 5, [(107.655, 0.448), (97.817, 0.296), (10.287, 0.045)]),
    (Imagecorruptions, (96, 80), "impulse_noise", 2, [(123.003, 0.192), (81.714, 0.126), (16.855, 0.186)]),
    (Imagecorruptions, (96, 80), "impulse_noise", 5, [(123.824, 0.501), (93.938, 0.165), (10.310, 0.071)]),
    (Imagecorruptions, (96, 80), "glass_blur", 2, [(121.159, 0.127), (43.814, 0.046), (12.005, 0.006)]),
    (Imagecorruptions, (96, 80), "glass_blur", 5, [(120.489, 0.098), (42.927, 0.096), (11.910, 0.002)]),
    (Imagecorruptions, (96, 80), "motion_blur", 2, [(125.058, 0.309), (50.518, 2.983), (12.861, 0.566)]),
    (Imagecorruptions, (96, 80), "motion_blur", 5, [(130.601, 0.893), (46.344, 1.892), (12.008, 0.354)]),
    (Imagecorruptions, (96, 80), "snow", 2, [(189.413, 1.398), (60.989, 0.426), (10.577, 0.197)]),
    (Imagecorruptions, (96, 80), "snow", 5, [(216.146, 1.959), (47.202, 1.133), (7.598, 0.196)]),
    (Imagecorruptions, (96, 80), "fog", 2, [(124.749, 14.853), (37.695, 4.344), (12.572, 0.588)]),
    (Imagecorruptions, (96, 80), "fog", 5, [(123.894, 13.850), (40.138, 4.377), (11.428, 0.664)]),
    (Imagecorruptions, (96, 80), "elastic_transform", 2, [(122.152, 0.384), (63.108, 0.148), (10.452, 0.058)]),
    (Imagecorruptions, (96, 80), "elastic_transform", 5, [(122.329, 0.349), (63.162, 0.170), (10.144, 0.051)]),
    (Imagecorruptions, (96, 80), "speckle_noise", 2, [(120.720, 0.129), (80.178, 0.152), (19.702, 0.043)]),
    (Imagecorruptions, (96, 80), "speckle_noise", 5, [(111.546, 0.275), (90.062, 0.252), (11.907, 0.038)]),
    (Imagecorruptions, (96, 80), "spatter", 2, [(127.412, 1.306), (78.626, 0.443), (24.204, 1.435)]),
    (Imagecorruptions, (96, 80), "spatter", 5, [(108.729, 1.770), (75.860, 0.376), (15.150, 0.554)]),
    (Cifar, (32, 32), "gaussian_noise", 1, [(121.299, 0.172), (78.087, 0.135), (28.096, 0.148)]),
    (Cifar, (32, 32), "gaussian_noise", 5, [(121.606, 0.401), (79.815, 0.315), (20.506, 0.150)]),
    (Cifar, (32, 32), "shot_noise", 1, [(121.180, 0.133), (77.900, 0.183), (30.308, 0.108)]),
    (Cifar, (32, 32), "shot_noise", 5, [(120.524, 0.461), (79.987, 0.394), (20.676, 0.118)]),
    (Cifar, (32, 32), "impulse_noise", 1, [(121.836, 0.200), (78.330, 0.132), (24.809, 1.300)]),
    (Cifar, (32, 32), "impulse_noise", 5, [(121.949, 0.549), (82.091, 0.250), (16.247, 0.468)]),
    (Cifar, (32, 32), "glass_blur", 1, [(120.423, 1.001), (77.535, 0.191), (11.593, 0.126)]),
    (Cifar, (32, 32), "glass_blur", 5, [(118.600, 1.284), (67.180, 0.219), (10.560, 0.102)]),
    (Cifar, (32, 32), "motion_blur", 1, [(122.782, 0.096), (66.386, 2.033), (18.381, 0.939)]),
    (Cifar, (32, 32), "motion_blur", 5, [(125.384, 0.444), (57.458, 3.280), (14.138, 0.774)]),
    (Cifar, (32, 32), "snow", 1, [(132.333, 0.762), (75.986, 0.169), (25.627, 0.974)]),
    (Cifar, (32, 32), "snow", 5, [(174.462, 6.126), (67.180, 1.752), (12.804, 1.167)]),
    (Cifar, (32, 32), "fog", 1, [(122.661, 3.191), (65.041, 0.175), (24.775, 0.392)]),
    (Cifar, (32, 32), "fog", 5, [(123.724, 12.287), (40.972, 2.663), (13.350, 0.362)]),
    (Cifar, (32, 32), "elastic_transform", 1, [(121.724, 2.927), (65.440, 1.834), (10.571, 0.910)]),
    (Cifar, (32, 32), "elastic_transform", 5, [(121.608, 1.257), (59.519, 1.084), (12.708, 0.511)]),
    (Cifar, (32, 32), "speckle_noise", 1, [(121.153, 0.161), (77.937, 0.145), (29.598, 0.204)]),
    (Cifar, (32, 32), "speckle_noise", 5, [(119.860, 0.475), (80.109, 0.387), (19.756, 0.202)]),
    (Cifar, (32, 32), "spatter", 1, [(122.804, 0.326), (77.811, 0.140), (30.377, 1.636)]),
    (Cifar, (32, 32), "spatter", 5, [(117.114, 1.119), (77.007, 0.318), (20.090, 1.115)]),
];

/// Those whose PSNR need not fall with each severity: the parameters were set by eye. Glass of
/// severity 2 has one pass and that of 1 two, saturation is first taken and then added.
const NOT_BY_PSNR: [Corruption; 5] = [
    Corruption::GlassBlur,
    Corruption::Snow,
    Corruption::Frost,
    Corruption::Fog,
    Corruption::Saturate,
];

const KNOWN_BYTES: u64 = 0x3675_c0e8_dd58_4139;

fn corrupted(
    image: &Image,
    corruption: Corruption,
    severity: u8,
    variant: Variant,
    seed: u64,
) -> Image {
    let frost = Frost::generated(0);
    corrupted_with(&frost, image, corruption, severity, variant, seed)
}

fn corrupted_with(
    frost: &Frost,
    image: &Image,
    corruption: Corruption,
    severity: u8,
    variant: Variant,
    seed: u64,
) -> Image {
    let mut random = corruption_generator(seed, 0, corruption, severity);
    corrupt(image, corruption, severity, variant, frost, &mut random).unwrap()
}

fn psnr(a: &Image, b: &Image) -> f64 {
    let pairs = a.pixels().iter().zip(b.pixels());
    let squares: f64 = pairs
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 * a.pixels().len() as f64 / squares).log10()
}

fn moments(image: &Image, clean: &Image) -> [f64; 3] {
    let values = || image.pixels().iter().map(|it| f64::from(*it));
    let mean = values().sum::<f64>() / values().len() as f64;
    let variance = values().map(|it| (it - mean).powi(2)).sum::<f64>() / values().len() as f64;
    [mean, variance.sqrt(), psnr(image, clean)]
}

/// Mean and standard deviation.
fn over_seeds(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[test]
fn what_is_not_random_is_what_the_scripts_make() {
    let mut wrong = Vec::new();
    for (variant, size, name, severities, expected) in FINGERPRINTS {
        let image = pattern(size.0, size.1);
        for (severity, expected) in severities.into_iter().zip(expected) {
            let result = corrupted(&image, name.parse().unwrap(), severity, variant, 0);
            if fingerprint(result.pixels()) != expected {
                wrong.push((variant, name, severity));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_random_has_the_moments_of_the_scripts() {
    let mut wrong = Vec::new();
    for (variant, size, name, severity, expected) in MOMENTS {
        let image = pattern(size.0, size.1);
        // A few seeds of the large ones: their moments vary little.
        let n = if size.0 > 100 { 6 } else { 20 };
        let corruption = name.parse().unwrap();
        let rows: Vec<[f64; 3]> = (0..n)
            .map(|seed| {
                let result = corrupted(&image, corruption, severity, variant, seed);
                moments(&result, &image)
            })
            .collect();
        for (i, (expected, expected_sd)) in expected.into_iter().enumerate() {
            let column: Vec<f64> = rows.iter().map(|row| row[i]).collect();
            let (mean, sd) = over_seeds(&column);
            let error = (sd * sd / n as f64 + expected_sd * expected_sd / 20.0).sqrt();
            if (mean - expected).abs() > [0.05, 0.05, 0.02][i] + 5.0 * error {
                wrong.push(format!(
                    "{variant:?} {name} {severity}, figure {i}: {mean:.3} for {expected:.3}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_seed_decides_the_bytes_and_only_of_what_is_random() {
    let image = pattern(40, 36);
    let frost = Frost::generated(0);
    for corruption in Corruption::ALL {
        let with = |seed| corrupted_with(&frost, &image, corruption, 3, ImagenetC, seed);
        assert_eq!(with(1), with(1), "{corruption}");
        assert_eq!(with(1) != with(2), corruption.is_random(), "{corruption}");
    }
}

/// What is drawn from the same seed is to stay the same from one version to the next.
#[test]
fn the_bytes_of_a_seed_are_known() {
    let image = pattern(32, 32);
    let frost = Frost::generated(0);
    let all = Corruption::ALL.into_iter().flat_map(|corruption| {
        let result = corrupted_with(&frost, &image, corruption, 3, Cifar, 7);
        result.pixels().to_vec()
    });
    assert_eq!(fingerprint(&all.collect::<Vec<_>>()), KNOWN_BYTES);
}

#[test]
fn any_size_is_kept() {
    let frost = Frost::generated(0);
    for (width, height) in [(1, 1), (2, 1), (3, 2), (37, 23), (5, 70), (500, 17)] {
        let image = pattern(width, height);
        for variant in VARIANTS {
            for corruption in Corruption::ALL {
                let severities: &[u8] = if width > 100 { &[5] } else { &[1, 4, 5] };
                for &severity in severities {
                    let result = corrupted_with(&frost, &image, corruption, severity, variant, 0);
                    assert_eq!((result.width(), result.height()), (width, height));
                }
            }
        }
    }
}

/// A picture larger than the textures of frost.
#[test]
fn frost_covers_any_image() {
    let image = Image::from_fn(700, 20, |_, _| [0; 3]).unwrap();
    for variant in VARIANTS {
        let result = corrupted(&image, Corruption::Frost, 5, variant, 0);
        assert!(result.pixels().iter().all(|it| *it > 0));
    }
}

#[test]
fn severities_grow() {
    let photo = Image::from_fn(96, 96, |x, y| {
        let wave = |a: usize, b: usize| 90.0 + 70.0 * ((a * x + b * y) as f64 / 40.0).sin();
        let edge = if (x / 17 + y / 23) % 2 == 0 {
            40.0
        } else {
            0.0
        };
        [(3, 1), (2, 4), (1, 5)].map(|(a, b)| (wave(a, b) + edge) as u8)
    })
    .unwrap();
    let frost = Frost::generated(0);
    for corruption in Corruption::ALL {
        let quality = |severity| {
            let seeds = if corruption.is_random() { 12 } else { 1 };
            let each = (0..seeds).map(|seed| {
                let result =
                    corrupted_with(&frost, &photo, corruption, severity, Imagecorruptions, seed);
                psnr(&result, &photo)
            });
            each.sum::<f64>() / seeds as f64
        };
        let qualities = [1, 2, 3, 4, 5].map(quality);
        if !NOT_BY_PSNR.contains(&corruption) {
            let falls = qualities.is_sorted_by(|a, b| a > b);
            assert!(falls, "{corruption}: {qualities:.2?}");
        }
        assert!(qualities[4] < qualities[0], "{corruption}: {qualities:.2?}");
    }
}

#[test]
fn severities_out_of_range_are_refused() {
    let image = pattern(8, 8);
    for severity in [0, 6] {
        let mut random = corruption_generator(0, 0, Corruption::Fog, severity);
        let frost = Frost::generated(0);
        let result = corrupt(
            &image,
            Corruption::Fog,
            severity,
            Cifar,
            &frost,
            &mut random,
        );
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("`severity` must be from 1 to 5, got {severity}")
        );
    }
}

#[test]
fn names_are_read_and_written() {
    for corruption in Corruption::ALL {
        assert_eq!(corruption.name().parse::<Corruption>().unwrap(), corruption);
        let quoted = format!("\"{corruption}\"");
        assert_eq!(serde_json::to_string(&corruption).unwrap(), quoted);
    }
    let refused = |name: &str| name.parse::<Corruption>().unwrap_err().to_string();
    assert_eq!(
        refused("gausian_noise"),
        "there is no corruption `gausian_noise`; did you mean `gaussian_noise`?"
    );
    let error = refused("rain");
    let start = "there is no corruption `rain`; there are gaussian_noise, shot_noise, ";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(Corruption::BENCHMARK.len(), 15);
    assert_eq!(Corruption::BENCHMARK[14], Corruption::JpegCompression);
}

#[test]
fn small_images_are_corrupted_as_cifar_is() {
    assert_eq!(Variant::for_size(32, 32), Cifar);
    assert_eq!(Variant::for_size(64, 64), Cifar);
    assert_eq!(Variant::for_size(64, 65), ImagenetC);
}
