//! A linear classifier, whose boundaries are planes: the smallest perturbation is known.

use super::norm::Norm;
use super::{Attack, Classifier, Draws};
use crate::Result;
use crate::torch::{Dtype, Like, Tensor, generator, manual_seed, rand, randn};

/// The sizes that `attack` finds for 8 images of 6 entries and up to 4 classes, each divided by
/// the distance to the nearest plane.
pub fn relative_sizes(attack: &dyn Attack, norm: Norm, classes: i64) -> Result<Vec<f64>> {
    let _guard = generator();
    manual_seed(4);
    let like = Like {
        dtype: Dtype::Float64,
        ..Like::default()
    };
    let weight = randn(&[6, 4], like)?.narrow(1, 0, classes)?;
    // Near enough to grey that no pixel meets the box, and most in class 0 by a bias.
    let x = rand(&[8, 6], like)?.mul(0.1)?.add(0.45)?;
    let logits = x.matmul(&weight)?;
    let centre = Tensor::from_f64(&[0.5; 6], &[1, 6])?.matmul(&weight)?;
    let lead = Tensor::from_f64(&[0.4, 0.0, 0.1, -0.2], &[1, 4])?;
    let bias = lead.narrow(1, 0, classes)?.sub(centre)?;
    let logits = logits.add(&bias)?;
    let y = logits.argmax(1, false)?;
    let classifier = Classifier::new(|x| x.matmul(&weight)?.add(&bias));
    let x_adv = attack.perturb(&classifier, &x, &y, &Draws::of_batch())?;
    let changed = classifier.logits(&x_adv)?.argmax(1, false)?.ne(&y)?;
    assert_eq!(changed.count_nonzero()?, 8, "not all were broken");
    let sizes = norm.size(&x_adv.sub(&x)?)?.to_vec_f64()?;
    let (logits, y) = (logits.to_vec_f64()?, y.to_vec_i64()?);
    let columns = weight.transpose(0, 1)?;
    let mut relative = Vec::new();
    for (image, size) in sizes.into_iter().enumerate() {
        let own = y[image];
        let mut nearest = f64::INFINITY;
        for other in (0..classes).filter(|&other| other != own) {
            let normal = columns.select(0, own)?.sub(columns.select(0, other)?)?;
            let slope = norm.dual_size(&normal.unsqueeze(0)?)?.item()?;
            let at = |class: i64| logits[image * classes as usize + class as usize];
            nearest = nearest.min((at(own) - at(other)) / slope);
        }
        relative.push(size / nearest);
    }
    Ok(relative)
}

/// Whether all lie between 1 and `most`: nothing is nearer than the plane.
pub fn assert_within(relative: &[f64], most: f64) {
    let good = |it: &f64| *it >= 1.0 - 1e-12 && *it <= most;
    assert!(relative.iter().all(good), "{relative:?}");
}
