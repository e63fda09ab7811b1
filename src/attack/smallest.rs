//! What attacks that look for the smallest perturbation have in common.

use super::aim::Aim;
use super::norm::Norm;
use super::pgd::check_eps;
use super::space::EpsSpace;
use super::{ready, survivors::rows};
use crate::Result;
use crate::torch::{Index, Tensor, no_grad};

/// The smallest successful perturbation of each image of a batch that was found until now.
pub struct Smallest {
    norm: Norm,
    x: Tensor,
    images: Tensor,
    /// Its norm, `[n]`; infinite where there is none.
    size: Tensor,
}

impl Smallest {
    fn new(norm: Norm, x: &Tensor) -> Result<Self> {
        let n = x.dim(0)?;
        let zeros = x.reshape(&[n, -1])?.select(1, 0)?.zeros_like()?;
        Ok(Smallest {
            norm,
            x: x.clone(),
            images: x.clone(),
            size: zeros.add(f64::INFINITY)?,
        })
    }

    /// The norm of each image's perturbation, `[n]`; infinite where there is none.
    pub fn size(&self) -> &Tensor {
        &self.size
    }

    /// All rows of the batch, int64 `[n]`.
    pub fn rows(&self) -> Result<Tensor> {
        rows(&self.size.ge(0.0)?)
    }

    /// Keeps those of `images`, of the batch's rows `places`, that succeed and are nearer.
    pub fn offer(&mut self, places: &Tensor, images: &Tensor, success: &Tensor) -> Result<()> {
        let size = self
            .norm
            .size(&images.sub(self.x.index_select(0, places)?)?)?;
        let nearer = size.lt(self.size.index_select(0, places)?)?;
        let better = rows(&nearer.logical_and(success)?)?;
        if better.numel() > 0 {
            let at = [Index::Tensor(places.index_select(0, &better)?)];
            self.images = self
                .images
                .with_index(&at, images.index_select(0, &better)?)?;
            self.size = self.size.with_index(&at, size.index_select(0, &better)?)?;
        }
        Ok(())
    }

    /// The images; those that were not found, or only beyond `eps`, are the clean ones.
    fn within(self, eps: Option<f64>) -> Result<Tensor> {
        let Some(eps) = eps else {
            return Ok(self.images);
        };
        let near = self.size.le(eps)?.broadcast_to_examples(&self.x)?;
        self.images.where_(&near, &self.x)
    }
}

/// `Invalid` for an eps that is no radius, if there is one.
pub fn check_limit(what: &str, eps: Option<f64>, norm: Norm) -> Result<()> {
    norm.check_dense(what)?;
    eps.map_or(Ok(()), |eps| check_eps(what, eps, norm, EpsSpace::Pixel))
}

/// The images of a batch after `search` for the smallest perturbation within `eps`, if that is
/// given; `what` is the attack's name in errors. The search sees only images that are not yet
/// where they are wanted: the others need no perturbation.
///
/// # Errors
/// `Invalid` for a misshapen batch, pixels out of [0, 1], a class that does not exist; whatever
/// the search raises.
pub fn find(
    (what, norm, eps): (&str, Norm, Option<f64>),
    aim: &Aim,
    x: &Tensor,
    search: impl FnOnce(&Aim, &Tensor, &mut Smallest) -> Result<()>,
) -> Result<Tensor> {
    let (x, idle) = ready(what, eps, x, &aim.y)?;
    if idle {
        return Ok(x);
    }
    let sight = no_grad(|| aim.victim.exact_sight(&x))?;
    aim.y.check_range("y", sight.classes.shape()[1])?;
    let open = rows(&aim.reached(&sight)?.logical_not()?)?;
    if open.numel() == 0 {
        return Ok(x);
    }
    let part = x.index_select(0, &open)?;
    let mut smallest = Smallest::new(norm, &part)?;
    search(&aim.select(&open)?, &part, &mut smallest)?;
    x.with_index(&[Index::Tensor(open)], smallest.within(eps)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Classifier;
    use crate::attack::objective::Outputs;

    /// Of two tries the nearer counts, what does not succeed never, what is wrong already stays.
    #[test]
    fn the_nearest_success_counts() -> Result<()> {
        let classifier = Classifier::new(|x| Ok(x.clone()));
        let x = Tensor::from_f64(&[0.6, 0.5, 0.6, 0.5, 0.1, 0.9], &[3, 2])?;
        let y = Tensor::from_i64(&[0, 0, 0], &[3])?;
        let aim = Aim::new(&classifier, Outputs::Class, &y, false);
        let found = |eps| {
            find(("test", Norm::Linf, eps), &aim, &x, |aim, x, smallest| {
                assert_eq!(x.shape(), [2, 2]);
                let places = smallest.rows()?;
                for second in [0.9, 0.7, 0.8, 0.55] {
                    let tried = Tensor::from_f64(&[0.6, second, 0.6, second - 0.15], &[2, 2])?;
                    smallest.offer(&places, &tried, &aim.hit(&tried)?)?;
                }
                Ok(())
            })
        };
        let expected = Tensor::from_f64(&[0.6, 0.7, 0.6, 0.65, 0.1, 0.9], &[3, 2])?;
        assert!(found(None)?.all_close(&expected, 0.0, 1e-15)?);
        let expected = Tensor::from_f64(&[0.6, 0.5, 0.6, 0.65, 0.1, 0.9], &[3, 2])?;
        assert!(found(Some(0.17))?.all_close(&expected, 0.0, 1e-15)?);
        assert!(found(Some(0.0))?.equal(&x)?);
        Ok(())
    }
}
