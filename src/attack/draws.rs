//! Where an attack's random numbers come from.

use crate::torch::{Like, RandomState, Tensor, cat, manual_seed, rand};
use crate::{Result, seed};
use std::cell::Cell;
use std::rc::Rc;

/// The source of the random numbers of one call of an attack.
#[derive(Default)]
pub struct Draws(Option<Examples>);

/// A generator for each example of the batch.
struct Examples {
    seeds: Vec<u64>,
    /// For what all examples share, in whatever batch.
    common: u64,
    /// How often was drawn before; one count for the batch and all its parts.
    made: Rc<Cell<u64>>,
}

/// Where the numbers stood, to draw the same again.
pub enum Mark {
    Batch(RandomState),
    Examples(u64),
}

impl Mark {
    /// The one of the two, of the same draws, after which nothing was drawn yet.
    pub fn latest(&self, other: Mark) -> Mark {
        match (self, other) {
            (Mark::Examples(one), Mark::Examples(other)) => Mark::Examples(other.max(*one)),
            (_, other) => other,
        }
    }
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
            common: seed::derive(seed, purpose, &[]),
            made: Rc::default(),
        }))
    }

    /// The source for some rows of the batch.
    pub fn select(&self, rows: &[i64]) -> Self {
        let pick = |all: &Examples| Examples {
            seeds: rows.iter().map(|&row| all.seeds[row as usize]).collect(),
            common: all.common,
            made: all.made.clone(),
        };
        Draws(self.0.as_ref().map(pick))
    }

    pub fn mark(&self) -> Mark {
        match &self.0 {
            None => Mark::Batch(RandomState::now()),
            Some(examples) => Mark::Examples(examples.made.get()),
        }
    }

    /// The next draws are those that followed `mark`.
    pub fn rewind(&self, mark: &Mark) {
        match (mark, &self.0) {
            (Mark::Batch(state), _) => state.restore(),
            (Mark::Examples(made), Some(examples)) => examples.made.set(*made),
            (Mark::Examples(_), None) => {}
        }
    }

    /// Uniform on [0, 1), the same for all examples.
    pub fn common(&self, shape: &[i64], like: Like) -> Result<Tensor> {
        let Some(Examples { common, made, .. }) = &self.0 else {
            return rand(shape, like);
        };
        let draw_number = made.replace(made.get() + 1);
        let state = RandomState::now();
        manual_seed(seed::derive(*common, "draw", &[draw_number]));
        let drawn = rand(shape, like);
        state.restore();
        drawn
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
        let Some(Examples { seeds, made, .. }) = &self.0 else {
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
    fn parts_of_a_batch_draw_what_the_whole_would() -> Result<()> {
        let _guard = generator();
        let like = zeros(&[3, 4], Like::default())?;
        let drawn = |rows: &[i64]| -> Result<[Tensor; 2]> {
            let draws = Draws::of_examples(5, "test", &[4, 7, 9]);
            draws.uniform(&like, 0.0, 1.0)?;
            let some = draws.select(rows);
            let common = some.common(&[2], Like::default())?;
            Ok([
                common,
                some.normal(&like.narrow(0, 0, rows.len() as i64)?, 0.0, 1.0)?,
            ])
        };
        let [common, all] = drawn(&[0, 1, 2])?;
        let [same, few] = drawn(&[2, 1])?;
        assert!(common.equal(&same)?);
        assert!(all.narrow(0, 2, 1)?.equal(&few.narrow(0, 0, 1)?)?);
        Ok(())
    }

    #[test]
    fn draws_repeat_from_a_mark() -> Result<()> {
        let _guard = generator();
        let like = zeros(&[2, 20], Like::default())?;
        for draws in [Draws::of_batch(), Draws::of_examples(5, "test", &[1, 2])] {
            let mark = draws.mark();
            let first = draws.uniform(&like, 0.0, 1.0)?;
            assert!(!draws.uniform(&like, 0.0, 1.0)?.equal(&first)?);
            draws.rewind(&mark);
            assert!(draws.uniform(&like, 0.0, 1.0)?.equal(&first)?);
        }
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
