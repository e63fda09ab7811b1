//! Clean images, adversarial ones and what lies between them, as pictures in a run's folder.

use crate::data::{images, write_png};
use crate::torch::Tensor;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// In the folder of the pictures.
pub const GALLERY_FILE: &str = "gallery.json";

/// What the pictures show: of each example `<example>-clean.png`, `<example>-adversarial.png` and
/// `<example>-perturbation.png`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// What perturbations are multiplied with; mid-grey is no change.
    pub magnified: f64,
    pub examples: Vec<GalleryExample>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryExample {
    /// The place in the whole data set.
    pub example: usize,
    pub label: i64,
    pub prediction_clean: i64,
    pub prediction: i64,
}

/// Writes pictures of the examples into `folder`: first of those that the attack turned from
/// right to wrong, then the others, in their order. `x` and `x_adv` are `[n, 3, h, w]` in [0, 1].
///
/// # Errors
/// `Invalid` for images of another form, or a folder that cannot be written.
pub fn write_gallery(
    folder: &Path,
    x: &Tensor,
    x_adv: &Tensor,
    examples: &[GalleryExample],
) -> Result<()> {
    let (clean, attacked) = (images("x", x)?, images("x_adv", x_adv)?);
    ensure!(
        clean.len() == examples.len() && attacked.len() == examples.len(),
        "`x` and `x_adv` must have an image for each of the {} examples, got {} and {}",
        examples.len(),
        clean.len(),
        attacked.len()
    );
    let turned = |it: &GalleryExample| it.prediction_clean == it.label && it.prediction != it.label;
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|&i| !turned(&examples[i]));

    let delta = x_adv.sub(x)?;
    let largest = match delta.numel() {
        0 => 0.0,
        _ => delta.abs()?.amax()?.item()?,
    };
    let magnified = if largest > 0.0 { 0.5 / largest } else { 1.0 };
    let changes = images("x_adv - x", &delta.mul(magnified)?.add(0.5)?)?;

    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
    for &i in &order {
        let number = examples[i].example;
        for (what, image) in [
            ("clean", &clean[i]),
            ("adversarial", &attacked[i]),
            ("perturbation", &changes[i]),
        ] {
            write_png(&folder.join(format!("{number}-{what}.png")), image)?;
        }
    }
    let gallery = Gallery {
        magnified,
        examples: order.iter().map(|&i| examples[i].clone()).collect(),
    };
    let text =
        serde_json::to_vec_pretty(&gallery).map_err(|error| Error::invalid(error.to_string()))?;
    files::write_whole(&folder.join(GALLERY_FILE), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read_image;
    use crate::files::File;

    #[test]
    fn what_was_turned_comes_first() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let x = Tensor::from_f64(&[0.5; 36], &[3, 3, 2, 2])?;
        let x_adv = x.add(0.1)?;
        let example = |example, prediction| GalleryExample {
            example,
            label: 1,
            prediction_clean: 1,
            prediction,
        };
        let examples = [example(4, 1), example(7, 0), example(9, 2)];
        write_gallery(folder.path(), &x, &x_adv, &examples)?;
        let text = std::fs::read_to_string(folder.path().join(GALLERY_FILE)).unwrap();
        let gallery: Gallery = serde_json::from_str(&text).unwrap();
        let shown: Vec<usize> = gallery.examples.iter().map(|it| it.example).collect();
        assert_eq!(shown, [7, 9, 4]);
        assert!((gallery.magnified - 5.0).abs() < 1e-9);
        let change = read_image(&File::open(&folder.path().join("9-perturbation.png"))?)?;
        assert!(change.pixels().iter().all(|&it| it == 255));
        assert!(folder.path().join("4-clean.png").exists());
        Ok(())
    }
}
