use crate::Result;
use crate::torch::Tensor;

/// The worst case for each image over several tries: one that succeeds before one that does
/// not, then the higher score.
#[derive(Default)]
pub struct Worst(Option<Try>);

struct Try {
    images: Tensor,
    success: Tensor,
    score: Tensor,
}

impl Worst {
    /// Another try, and the worst of all until now. `success` is bool `[n]`, `score` is `[n]`,
    /// high where the try is good for the attacker.
    pub fn with(&mut self, images: Tensor, success: Tensor, score: Tensor) -> Result<Tensor> {
        let worst = match self.0.take() {
            None => Try {
                images,
                success,
                score,
            },
            Some(old) => {
                let first = success.logical_and(&old.success.logical_not()?)?;
                let higher = success
                    .eq(&old.success)?
                    .logical_and(&score.gt(&old.score)?)?;
                let better = first.logical_or(&higher)?;
                let mask = better.broadcast_to_examples(&images)?;
                Try {
                    images: images.where_(&mask, &old.images)?,
                    success: success.where_(&better, &old.success)?,
                    score: score.where_(&better, &old.score)?,
                }
            }
        };
        let images = worst.images.clone();
        self.0 = Some(worst);
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_comes_before_score() -> Result<()> {
        let mut worst = Worst::default();
        let mut keep = |image: f64, success: [bool; 3], score: [f64; 3]| {
            let images = Tensor::from_f64(&[image; 3], &[3, 1])?;
            let success = Tensor::from_bool(&success, &[3])?;
            worst.with(images, success, Tensor::from_f64(&score, &[3])?)
        };
        keep(1.0, [false, true, true], [5.0, 1.0, 1.0])?;
        let images = keep(2.0, [true, false, true], [0.0, 9.0, 2.0])?;
        assert_eq!(images.to_vec_f64()?, [2.0, 1.0, 2.0]);
        Ok(())
    }
}
