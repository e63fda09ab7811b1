//! The random changes of the Square attack: Andriushchenko et al. 2020,
//! <https://arxiv.org/abs/1912.00049>, section 3 and algorithms 2 and 3. Places and orientation of a
//! change are the same for all examples of a batch; in L2 its signs are each example's own.

use super::norm::Norm;
use super::{Draws, l1};
use crate::Result;
use crate::nn::Window;
use crate::torch::Tensor;

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
        Norm::L2 | Norm::L1 => side.max(3) | 1,
    };
    side.min(height).min(width)
}

/// Where the search starts: stripes of random sign, or (L2, L1) a grid of tiles.
pub fn first(norm: Norm, eps: f64, x: &Tensor, draws: &Draws) -> Result<Tensor> {
    match norm {
        Norm::Linf => {
            let delta = signs(&x.narrow(2, 0, 1)?, draws)?.mul(eps)?;
            x.add(delta)?.clamp(0.0, 1.0)
        }
        Norm::L2 | Norm::L1 => within(norm, eps, x, &tiles(norm, x, draws)?),
    }
}

/// An image that is tried.
pub enum Trial {
    /// The best one with these pixels in a window.
    Part(Window, Tensor),
    All(Tensor),
}

/// `best` with another square of side `side`, within eps of `x`.
pub fn next(
    norm: Norm,
    eps: f64,
    side: i64,
    x: &Tensor,
    best: &Tensor,
    draws: &Draws,
) -> Result<Trial> {
    match norm {
        Norm::Linf => {
            let window = random_window(x, side, draws)?;
            let channels = draws.common(&[x.shape()[1], 1, 1], x.like()?)?;
            let change = channels.mul(2.0)?.sub(1.0)?.sign()?.mul(2.0 * eps)?;
            let x = window.of(x)?;
            let pixels = window
                .of(best)?
                .add(change)?
                .clamp_between(&x.sub(eps)?, &x.add(eps)?)?
                .clamp(0.0, 1.0)?;
            Ok(Trial::Part(window, pixels))
        }
        Norm::L2 | Norm::L1 => {
            let delta = moved(norm, eps, side, &best.sub(x)?, draws)?;
            Ok(Trial::All(within(norm, eps, x, &delta)?))
        }
    }
}

/// Takes what the perturbation spends in one window, and what it has not spent, and spends it
/// on a tile in another window (algorithm 3).
fn moved(norm: Norm, eps: f64, side: i64, delta: &Tensor, draws: &Draws) -> Result<Tensor> {
    let to = random_window(delta, side, draws)?;
    let from = random_window(delta, side, draws)?;
    let one = |window: &Window| delta.zeros_like()?.with_index(&window.index(), 1.0);
    let both = one(&to)?.maximum(one(&from)?)?;
    let spent = length(norm, &delta.mul(both)?)?;
    let all = norm.size(delta)?.broadcast_to_examples(delta)?;
    let channels = delta.shape()[1] as f64;
    let budget = match norm {
        Norm::L1 => {
            let unspent = all.rsub(eps)?.clamp_min(0.0)?;
            unspent.div(channels)?.add(spent)?.mul(channels)?
        }
        _ => {
            let unspent = all.square()?.rsub(eps * eps)?.clamp_min(0.0)?;
            unspent.div(channels)?.add(spent.square()?)?.sqrt()?
        }
    };

    let old = to.of(delta)?;
    let old = old.div(length(norm, &old)?.add(TINY)?)?;
    let shape = tile(norm, side, delta, draws)?;
    let new = shape.mul(signs(&dots(delta)?, draws)?)?.add(old)?;
    let new = new.div(length(norm, &new)?.add(TINY)?)?.mul(budget)?;
    delta
        .with_index(&from.index(), 0.0)?
        .with_index(&to.index(), new)
}

/// A grid of five by five tiles, each with its own signs.
fn tiles(norm: Norm, x: &Tensor, draws: &Draws) -> Result<Tensor> {
    let (height, width) = size(x);
    let side = height / 5;
    let margin = (height - side * 5) / 2;
    let mut delta = x.zeros_like()?;
    for row in 0..height / side {
        for column in 0..width / side {
            let tile = tile(norm, side, x, draws)?.mul(signs(&dots(x)?, draws)?)?;
            let window = Window::square(margin + row * side, margin + column * side, side);
            // Small images have more tiles than fit.
            if window.rows.1 <= height && window.columns.1 <= width {
                delta = delta.with_index(&window.index(), tile)?;
            }
        }
    }
    Ok(delta)
}

/// A tile of norm 1: two halves of opposite signs, side by side or one above the other.
fn tile(norm: Norm, side: i64, like: &Tensor, draws: &Draws) -> Result<Tensor> {
    let upper = side / 2;
    let mut values = pyramid(norm, upper, side);
    values.extend(pyramid(norm, side - upper, side).iter().map(|value| -value));
    let values = normalized(norm, values);
    let tile = Tensor::from_f64(&values, &[side, side])?.to_like(like)?;
    let turned = draws.common(&[1], like.like()?)?.item()? > 0.5;
    if turned {
        tile.transpose(0, 1)
    } else {
        Ok(tile)
    }
}

/// Height `h`, width `w`, norm 1, highest in the middle (equation 2; steeper in L1, as in the
/// program of "Mind the box").
fn pyramid(norm: Norm, h: i64, w: i64) -> Vec<f64> {
    let power = if norm == Norm::L1 { 4 } else { 2 };
    let rings = (h / 2).max(w / 2);
    let cell = |i: i64, j: i64| -> f64 {
        let inner = (i - h / 2).abs().max((j - w / 2).abs());
        (inner..=rings)
            .map(|ring| 1.0 / ((ring + 1) as f64).powi(power))
            .sum()
    };
    let cells = (0..h).flat_map(|i| (0..w).map(move |j| cell(i, j)));
    normalized(norm, cells.collect())
}

fn normalized(norm: Norm, values: Vec<f64>) -> Vec<f64> {
    let length = match norm {
        Norm::L1 => values.iter().map(|value| value.abs()).sum::<f64>(),
        _ => values.iter().map(|value| value * value).sum::<f64>().sqrt(),
    };
    values.iter().map(|value| value / length).collect()
}

fn random_window(x: &Tensor, side: i64, draws: &Draws) -> Result<Window> {
    let (height, width) = size(x);
    let at = |free: i64| -> Result<i64> {
        let place = draws.common(&[1], x.like()?)?.mul(free)?;
        Ok(place.item()? as i64)
    };
    Ok(Window::square(at(height - side)?, at(width - side)?, side))
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

/// The norm of each channel, `[n, c, 1, 1]`.
fn length(norm: Norm, images: &Tensor) -> Result<Tensor> {
    match norm {
        Norm::L1 => images.abs()?.sum_dims(&[-2, -1], true),
        _ => images.square()?.sum_dims(&[-2, -1], true)?.sqrt(),
    }
}

/// Each image with its perturbation at length eps (L2), or at the nearest point that is allowed
/// (L1).
fn within(norm: Norm, eps: f64, x: &Tensor, delta: &Tensor) -> Result<Tensor> {
    let delta = match norm {
        // A little less, as in the authors' program.
        Norm::L1 => l1::nearest(x, delta, eps * (1.0 - 1e-6))?,
        _ => {
            let length = norm.size(delta)?.broadcast_to_examples(delta)?;
            delta.div(length.add(TINY)?)?.mul(eps)?
        }
    };
    x.add(delta)?.clamp(0.0, 1.0)
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
        let values = pyramid(Norm::L2, 2, 3);
        let norm = values.iter().map(|value| value * value).sum::<f64>();
        assert!((norm - 1.0).abs() < 1e-15);
        let steep = pyramid(Norm::L1, 2, 3);
        assert!((steep.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        for values in [values, steep] {
            let highest = values.iter().copied().fold(0.0, f64::max);
            assert_eq!(values[4], highest);
        }
    }
}
