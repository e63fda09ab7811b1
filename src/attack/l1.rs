//! The L1 ball within the box [0, 1]: Croce & Hein 2021, "Mind the box: l1-APGD for sparse
//! adversarial attacks on image classifiers", <https://arxiv.org/abs/2103.01208>, section 2 and
//! appendix A.

use crate::Result;
use crate::torch::{Dtype, Tensor, cat};

/// The nearest perturbation to `delta` whose L1 norm is at most `eps` and which keeps `x` in
/// [0, 1].
pub fn nearest(x: &Tensor, delta: &Tensor, eps: f64) -> Result<Tensor> {
    let shape = delta.shape();
    let d = shape[1..].iter().product();
    let flat = |tensor: &Tensor| tensor.reshape(&[shape[0], d])?.to_dtype(Dtype::Float64);
    let (x, delta64) = (flat(x)?, flat(delta)?);
    // Each entry keeps its sign: it goes up by at most 1 - x, down by at most x.
    let room = x.rsub(1.0)?.where_(&delta64.gt(0.0)?, &x)?;
    let size = shrunk(&delta64.abs()?, &room, eps)?;
    let near = delta64.sign()?.mul(size)?;
    near.to_dtype(delta.dtype()?)?.reshape(&shape)
}

/// The sizes `min(max(size - t, 0), room)` with the smallest `t >= 0` for which each row's sum is
/// at most `eps`.
///
/// The sum falls with t in straight pieces, steeper by one where an entry leaves its room
/// (`t = size - room`), flatter by one where it comes to 0 (`t = size`).
fn shrunk(size: &Tensor, room: &Tensor, eps: f64) -> Result<Tensor> {
    let within = size.minimum(room)?;
    let total = within.sum_dim(1, true)?;
    let (ends, order) = cat(&[size.sub(&within)?, size.clone()], 1)?.sort(1, false)?;
    let d = size.shape()[1];
    let turn = order.lt(d as f64)?.to_like(size)?.mul(2.0)?.sub(1.0)?;
    // Between one end and the next the sum falls by so much for each unit of t.
    let slope = turn.cumsum(1)?;
    let pieces = 2 * d - 1;
    let lengths = ends.narrow(1, 1, pieces)?.sub(ends.narrow(1, 0, pieces)?)?;
    let fallen = lengths.mul(slope.narrow(1, 0, pieces)?)?.cumsum(1)?;
    let sums = cat(&[total.clone(), total.sub(fallen)?], 1)?;
    // The last end at which the sum is still too large; rows that fit have none.
    let above = sums.gt(eps)?.to_like(size)?.sum_dim(1, true)?;
    let at = above.sub(1.0)?.clamp_min(0.0)?.to_dtype(Dtype::Int64)?;
    let excess = sums.gather(1, &at)?.sub(eps)?;
    let beyond = excess.div(slope.gather(1, &at)?.clamp_min(1.0)?)?;
    let t = ends.gather(1, &at)?.add(beyond)?;
    let t = t.where_(&above.gt(0.0)?, &t.zeros_like()?)?;
    size.sub(t)?.clamp_min(0.0)?.minimum(room)
}

/// Whether an entry is among the largest of its row, of which they make up the share `density`,
/// `[n]`; so is one as large as the least of them.
pub fn largest(size: &Tensor, density: &Tensor) -> Result<Tensor> {
    let shape = size.shape();
    let d = shape[1..].iter().product();
    let flat = size.reshape(&[shape[0], d])?;
    let (sorted, _) = flat.sort(1, false)?;
    let at = density
        .rsub(1.0)?
        .mul(d)?
        .clamp(0.0, (d - 1) as f64)?
        .to_dtype(Dtype::Int64)?;
    let least = sorted.gather(1, &at.unsqueeze(1)?)?;
    flat.ge(&least)?.reshape(&shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Norm;
    use crate::torch::{Like, generator, manual_seed, rand, randn};

    /// It is in the ball and the box, and no point between it and others in both is nearer.
    #[test]
    fn no_other_point_of_ball_and_box_is_nearer() -> Result<()> {
        let _guard = generator();
        manual_seed(6);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let x = rand(&[40, 3, 4, 4], like)?;
        let delta = randn(&[40, 3, 4, 4], like)?;
        for eps in [0.0, 0.5, 4.0, 12.0, 1000.0] {
            let near = nearest(&x, &delta, eps)?;
            let there = x.add(&near)?;
            assert!(there.amin()?.item()? >= -1e-15 && there.amax()?.item()? <= 1.0 + 1e-15);
            assert!(Norm::L1.size(&near)?.amax()?.item()? <= eps + 1e-12);
            let distance = |it: &Tensor| Norm::L2.size(&it.sub(&delta)?);
            let ours = distance(&near)?;
            // Other points of both: any within the box, scaled into the ball.
            let other = rand(&[40, 3, 4, 4], like)?.sub(&x)?;
            let factor = Norm::L1.size(&other)?.rdiv(eps)?.clamp_max(1.0)?;
            let other = other.mul(factor.broadcast_to_examples(&other)?)?;
            for share in [1.0, 0.1, 0.001] {
                let between = near.add(other.sub(&near)?.mul(share)?)?;
                assert!(distance(&between)?.add(1e-12)?.ge(&ours)?.all()?.item()? == 1.0);
            }
        }
        Ok(())
    }

    #[test]
    fn what_fits_stays() -> Result<()> {
        let x = Tensor::from_f64(&[0.5, 0.5, 0.9], &[1, 3])?;
        let delta = Tensor::from_f64(&[0.25, -0.125, 0.25], &[1, 3])?;
        let near = nearest(&x, &delta, 1.0)?.to_vec_f64()?;
        assert_eq!(near[..2], [0.25, -0.125]);
        assert!((near[2] - 0.1).abs() < 1e-15);
        // 0.35 is left of 0.475: both free entries give up the half of 0.125.
        let near = nearest(&x, &delta, 0.35)?.to_vec_f64()?;
        let expected = [0.1875, -0.0625, 0.1];
        assert!(
            near.iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-15)
        );
        Ok(())
    }

    #[test]
    fn the_largest_of_a_row() -> Result<()> {
        let size = Tensor::from_f64(&[1.0, 4.0, 2.0, 3.0, 1.0, 1.0, 1.0, 0.0], &[2, 4])?;
        let density = Tensor::from_f64(&[0.5, 0.25], &[2])?;
        let chosen = largest(&size, &density)?.to_vec_i64()?;
        assert_eq!(chosen, [0, 1, 0, 1, 1, 1, 1, 0]);
        Ok(())
    }
}
