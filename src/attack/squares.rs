//! The random changes of the Square attack: Andriushchenko et al. 2020,
//! <https://arxiv.org/abs/1912.00049>, section 3 and algorithms 2 and 3. Places and orientation of a
//! change are the same for all examples of a batch; in L2 its signs are each example's own.

use super::Draws;
use super::norm::Norm;
use crate::Result;
use crate::torch::{Index, Tensor};

/// Keeps quotients finite.
const TINY: f64 = 1e-12;

/// The side of the square of query `query`, whose share of the image falls from `p` by halves
/// (section 5, "schedule of h").
pub fn side(norm: Norm, p: f64, query: i64, x: &Tensor) -> i64 {
    const HALVED_AFTER: [i64; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
    let halvings = HALVED_AFTER.iter().filter(|&&after| query > after).count();
    let p = p / f64::from(1 << halvings);
    let (height, width) = size(x);
    let side = (p * (height * width) as f64).sqrt().round_ties_even() as i64;
    let side = match norm {
        Norm::Linf => side.max(1),
        // Odd, and large enough for two halves of opposite signs.
        Norm::L2 => side.max(3) | 1,
    };
    side.min(height).min(width)
}

/// Where the search starts: stripes of random sign, or (L2) a grid of tiles.
pub fn first(norm: Norm, eps: f64, x: &Tensor, draws: &Draws) -> Result<Tensor> {
    let delta = match norm {
        Norm::Linf => signs(&x.narrow(2, 0, 1)?, draws)?.mul(eps)?,
        Norm::L2 => scaled(&tiles(x, draws)?, eps)?,
    };
    x.add(delta)?.clamp(0.0, 1.0)
}

/// `best` with another square of side `side`, within eps of `x`.
pub fn next(
    norm: Norm,
    eps: f64,
    side: i64,
    x: &Tensor,
    best: &Tensor,
    draws: &Draws,
) -> Result<Tensor> {
    match norm {
        Norm::Linf => {
            let window = Window::random(x, side, draws)?;
            let channels = draws.common(&[x.shape()[1], 1, 1], x.like()?)?;
            let change = channels.mul(2.0)?.sub(1.0)?.sign()?.mul(2.0 * eps)?;
            let changed = best.with_index(&window.index(), window.of(best)?.add(change)?)?;
            changed
                .clamp_between(&x.sub(eps)?, &x.add(eps)?)?
                .clamp(0.0, 1.0)
        }
        Norm::L2 => {
            let delta = moved(eps, side, &best.sub(x)?, draws)?;
            x.add(scaled(&delta, eps)?)?.clamp(0.0, 1.0)
        }
    }
}

/// Takes what the perturbation spends in one window, and what it has not spent, and spends it
/// on a tile in another window (algorithm 3).
fn moved(eps: f64, side: i64, delta: &Tensor, draws: &Draws) -> Result<Tensor> {
    let to = Window::random(delta, side, draws)?;
    let from = Window::random(delta, side, draws)?;
    let one = |window: &Window| delta.zeros_like()?.with_index(&window.index(), 1.0);
    let both = one(&to)?.maximum(one(&from)?)?;
    let spent = length(&delta.mul(both)?)?;
    let all = Norm::L2.size(delta)?.broadcast_to_examples(delta)?;
    let unspent = all.square()?.rsub(eps * eps)?.clamp_min(0.0)?;
    let budget = unspent
        .div(delta.shape()[1] as f64)?
        .add(spent.square()?)?
        .sqrt()?;

    let old = to.of(delta)?;
    let old = old.div(length(&old)?.add(TINY)?)?;
    let shape = tile(side, delta, draws)?;
    let new = shape.mul(signs(&dots(delta)?, draws)?)?.add(old)?;
    let new = new.div(length(&new)?.add(TINY)?)?.mul(budget)?;
    delta
        .with_index(&from.index(), 0.0)?
        .with_index(&to.index(), new)
}

/// A grid of five by five tiles, each with its own signs.
fn tiles(x: &Tensor, draws: &Draws) -> Result<Tensor> {
    let (height, width) = size(x);
    let side = height / 5;
    let margin = (height - side * 5) / 2;
    let mut delta = x.zeros_like()?;
    for row in 0..height / side {
        for column in 0..width / side {
            let tile = tile(side, x, draws)?.mul(signs(&dots(x)?, draws)?)?;
            let window = Window {
                row: margin + row * side,
                column: margin + column * side,
                side,
            };
            // Small images have more tiles than fit.
            if window.row + side <= height && window.column + side <= width {
                delta = delta.with_index(&window.index(), tile)?;
            }
        }
    }
    Ok(delta)
}

/// A tile of norm 1: two halves of opposite signs, side by side or one above the other.
fn tile(side: i64, like: &Tensor, draws: &Draws) -> Result<Tensor> {
    let upper = side / 2;
    let mut values = pyramid(upper, side);
    values.extend(pyramid(side - upper, side).iter().map(|value| -value));
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let values: Vec<f64> = values.iter().map(|value| value / norm).collect();
    let tile = Tensor::from_f64(&values, &[side, side])?.to_like(like)?;
    let turned = draws.common(&[1], like.like()?)?.item()? > 0.5;
    if turned {
        tile.transpose(0, 1)
    } else {
        Ok(tile)
    }
}

/// Height `h`, width `w`, norm 1, highest in the middle (equation 2).
fn pyramid(h: i64, w: i64) -> Vec<f64> {
    let rings = (h / 2).max(w / 2);
    let cell = |i: i64, j: i64| -> f64 {
        let inner = (i - h / 2).abs().max((j - w / 2).abs());
        (inner..=rings)
            .map(|ring| 1.0 / ((ring + 1) * (ring + 1)) as f64)
            .sum()
    };
    let values: Vec<f64> = (0..h)
        .flat_map(|i| (0..w).map(move |j| cell(i, j)))
        .collect();
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| value / norm).collect()
}

struct Window {
    row: i64,
    column: i64,
    side: i64,
}

impl Window {
    fn random(x: &Tensor, side: i64, draws: &Draws) -> Result<Self> {
        let (height, width) = size(x);
        let at = |free: i64| -> Result<i64> {
            let place = draws.common(&[1], x.like()?)?.mul(free)?;
            Ok(place.item()? as i64)
        };
        Ok(Window {
            row: at(height - side)?,
            column: at(width - side)?,
            side,
        })
    }

    fn index(&self) -> [Index; 4] {
        let span = |start| Index::Slice(Some(start), Some(start + self.side));
        let all = || Index::Slice(None, None);
        [all(), all(), span(self.row), span(self.column)]
    }

    fn of(&self, images: &Tensor) -> Result<Tensor> {
        images
            .narrow(2, self.row, self.side)?
            .narrow(3, self.column, self.side)
    }
}

fn size(x: &Tensor) -> (i64, i64) {
    let shape = x.shape();
    (shape[2], shape[3])
}

/// One entry for each channel of each image.
fn dots(x: &Tensor) -> Result<Tensor> {
    x.narrow(2, 0, 1)?.narrow(3, 0, 1)
}

/// Random signs in the shape of `like`.
fn signs(like: &Tensor, draws: &Draws) -> Result<Tensor> {
    draws.uniform(like, 0.0, 1.0)?.mul(2.0)?.sub(1.0)?.sign()
}

/// The L2 norm of each channel, `[n, c, 1, 1]`.
fn length(images: &Tensor) -> Result<Tensor> {
    images.square()?.sum_dims(&[-2, -1], true)?.sqrt()
}

/// Each image's perturbation scaled to length eps.
fn scaled(delta: &Tensor, eps: f64) -> Result<Tensor> {
    let length = Norm::L2.size(delta)?.broadcast_to_examples(delta)?;
    delta.div(length.add(TINY)?)?.mul(eps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Like, zeros};

    #[test]
    fn squares_shrink_by_the_schedule() -> Result<()> {
        let x = zeros(&[1, 3, 32, 32], Like::default())?;
        let sides = |norm| [0, 10, 11, 51, 201, 501, 1001, 9000].map(|at| side(norm, 0.8, at, &x));
        assert_eq!(sides(Norm::Linf), [29, 29, 20, 14, 10, 7, 5, 1]);
        assert_eq!(sides(Norm::L2), [29, 29, 21, 15, 11, 7, 5, 3]);
        Ok(())
    }

    #[test]
    fn a_pyramid_is_highest_in_the_middle() {
        let values = pyramid(2, 3);
        let norm = values.iter().map(|value| value * value).sum::<f64>();
        assert!((norm - 1.0).abs() < 1e-15);
        let highest = values.iter().copied().fold(0.0, f64::max);
        assert_eq!(values[4], highest);
    }
}
