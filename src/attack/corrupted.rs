//! A corruption of ImageNet-C as a transformation: what an attack is compared with.

use super::{Attack, Classifier, Draws, check_batch};
use crate::data::{self, Corrupting};
use crate::torch::{Dtype, Tensor};
use crate::{Result, interrupt};

pub struct Corrupted(Corrupting);

impl Corrupted {
    pub fn new(corrupting: Corrupting) -> Self {
        Corrupted(corrupting)
    }
}

/// Whole numbers below this are exact in float64, and a uniform number has as many steps.
const NUMBERS: f64 = (1_u64 << 53) as f64;

impl Attack for Corrupted {
    fn name(&self) -> &'static str {
        self.0.condition().corruption.name()
    }

    fn perturb(
        &self,
        _classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        check_batch(self.name(), x, y)?;
        let x = x.detach()?;
        if x.numel() == 0 {
            return Ok(x);
        }
        ensure!(
            x.ndim() == 4 && x.shape()[1] == 3,
            "{}: `x` must be images in colour, [n, 3, h, w], got {}",
            self.name(),
            x.signature()
        );
        // A corruption draws by the number of its image: here that is a random one.
        let numbers = draws.uniform(&y.to_dtype(Dtype::Float64)?, 0.0, 1.0)?;
        let images = data::images("x", &x)?;
        let mut corrupted = Vec::with_capacity(images.len());
        for (image, number) in images.iter().zip(numbers.to_vec_f64()?) {
            interrupt::check()?;
            corrupted.push(self.0.apply(image, (number * NUMBERS) as u64)?);
        }
        data::batch(&corrupted)?.to_like(&x)
    }

    fn options(&self) -> serde_json::Value {
        let condition = self.0.condition();
        serde_json::json!({ "severity": condition.severity, "how": condition.how })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Corruption, Frost};
    use crate::torch::{Like, generator, manual_seed, rand};

    fn corrupted(corruption: Corruption) -> Result<Corrupted> {
        let frost = Frost::generated(0);
        let corrupting = Corrupting::new(corruption, 3, None, 0, frost)?;
        Ok(Corrupted::new(corrupting))
    }

    fn apply(attack: &Corrupted, x: &Tensor, draws: &Draws) -> Result<Tensor> {
        let none = Classifier::new(|_| bail!("a corruption needs no classifier"));
        let y = Tensor::from_i64(&vec![0; x.shape()[0] as usize], &[x.shape()[0]])?;
        attack.perturb(&none, x, &y, draws)
    }

    #[test]
    fn an_image_is_corrupted_alike_in_every_batch() -> Result<()> {
        let _guard = generator();
        manual_seed(1);
        let x = rand(&[3, 3, 16, 16], Like::default())?;
        let noise = corrupted(Corruption::GaussianNoise)?;
        let all = apply(&noise, &x, &Draws::of_examples(0, "test", &[4, 5, 6]))?;
        let one = apply(
            &noise,
            &x.narrow(0, 1, 1)?,
            &Draws::of_examples(0, "test", &[5]),
        )?;
        assert!(one.equal(&all.narrow(0, 1, 1)?)?);
        // The same image draws anew.
        let twice = apply(&noise, &x, &Draws::of_examples(0, "test", &[5, 6, 7]))?;
        assert!(!twice.equal(&all)?);
        Ok(())
    }

    #[test]
    fn without_draws_it_is_the_corruption_of_the_data() -> Result<()> {
        let _guard = generator();
        manual_seed(1);
        let x = rand(&[1, 3, 16, 16], Like::default())?;
        let contrast = corrupted(Corruption::Contrast)?;
        let ours = apply(&contrast, &x, &Draws::of_batch())?;
        let image = contrast.0.apply(&data::images("x", &x)?[0], 0)?;
        assert!(ours.equal(&data::batch(&[image])?)?);
        assert_eq!(contrast.name(), "contrast");
        Ok(())
    }
}
