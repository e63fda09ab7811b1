//! Where an attack's random numbers come from.

use crate::torch::{RandomState, Tensor, cat, manual_seed};
use crate::{Result, seed};
use std::cell::Cell;

/// The source of the random numbers of one call of an attack.
#[derive(Default)]
pub struct Draws(Option<Examples>);

/// A generator for each example of the batch.
struct Examples {
    seeds: Vec<u64>,
    /// How often was drawn before.
    made: Cell<u64>,
}

impl Draws {
    /// libtorch's generator as it stands, in one draw for the whole batch, as torchattacks
    /// draws.
    pub fn of_batch() -> Self {
        Draws::default()
    }

    /// For each example numbers that depend on `seed`, `purpose` and its place in the data set
    /// alone, so that it does not matter in which batch it comes. libtorch's generator stays
    /// where it stands.
    pub fn of_examples(seed: u64, purpose: &str, examples: &[usize]) -> Self {
        let own = |&example: &usize| seed::derive(seed, purpose, &[example as u64]);
        Draws(Some(Examples {
            seeds: examples.iter().map(own).collect(),
            made: Cell::new(0),
        }))
    }

    /// Uniform on [low, high), in the shape of `like`.
    pub fn uniform(&self, like: &Tensor, low: f64, high: f64) -> Result<Tensor> {
        self.draw(like, |like| like.uniform_like(low, high))
    }

    /// Normal, in the shape of `like`.
    pub fn normal(&self, like: &Tensor, mean: f64, std: f64) -> Result<Tensor> {
        self.draw(like, |like| like.normal_like(mean, std))
    }

    fn draw(&self, like: &Tensor, draw: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let Some(Examples { seeds, made }) = &self.0 else {
            return draw(like);
        };
        let n = seeds.len();
        ensure!(
            like.dim(0)? == n as i64,
            "the batch has {} images, and {n} places in the data set were given for them",
            like.dim(0)?
        );
        let draw_number = made.replace(made.get() + 1);
        let state = RandomState::now();
        let each = seeds.iter().enumerate().map(|(i, &own)| {
            manual_seed(seed::derive(own, "draw", &[draw_number]));
            draw(&like.narrow(0, i as i64, 1)?)
        });
        let each: Result<Vec<Tensor>> = each.collect();
        state.restore();
        match each? {
            nothing if nothing.is_empty() => draw(like),
            each => cat(&each, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Like, generator, rand, zeros};

    #[test]
    fn an_example_draws_the_same_in_every_batch() -> Result<()> {
        let _guard = generator();
        let drawn = |examples: &[usize]| -> Result<[Tensor; 3]> {
            let draws = Draws::of_examples(5, "test", examples);
            let like = zeros(&[examples.len() as i64, 3, 2, 2], Like::default())?;
            let first = draws.uniform(&like, -1.0, 1.0)?;
            Ok([
                first,
                draws.normal(&like, 0.0, 1.0)?,
                draws.uniform(&like, -1.0, 1.0)?,
            ])
        };
        let together = drawn(&[4, 7, 9])?;
        for (i, example) in [4, 7, 9].into_iter().enumerate() {
            for (all, own) in together.iter().zip(drawn(&[example])?) {
                assert!(all.narrow(0, i as i64, 1)?.equal(&own)?);
            }
        }
        let [first, _, third] = &together;
        assert!(!first.equal(third)?);
        assert!(!first.narrow(0, 0, 1)?.equal(&first.narrow(0, 1, 1)?)?);
        Ok(())
    }

    #[test]
    fn the_generator_of_the_batch_stays() -> Result<()> {
        let _guard = generator();
        let next = || rand(&[4], Like::default());
        manual_seed(1);
        let expected = next()?;
        manual_seed(1);
        let like = zeros(&[2, 3], Like::default())?;
        Draws::of_examples(0, "test", &[0, 1]).uniform(&like, 0.0, 1.0)?;
        assert!(next()?.equal(&expected)?);
        let wrong = Draws::of_examples(0, "test", &[0]).uniform(&like, 0.0, 1.0);
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("has 2 images, and 1 places")
        );
        Ok(())
    }
}
