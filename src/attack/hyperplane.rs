//! The smallest step onto a hyperplane within the box [0, 1]: Croce & Hein 2020, "Minimally
//! distorted adversarial examples", <https://arxiv.org/abs/1907.02044>, section 2.2, equation 4.

use super::norm::Norm;
use crate::Result;
use crate::torch::Tensor;

/// Gradient entries below this do not count in L2, where they would ask for huge steps.
const FLAT: f64 = 1e-8;

/// For each row of `z`, `[n, d]`, the smallest `step` such that `normal . (z + step) = offset`
/// and z + step stays in [0, 1]; where that cannot be, as far towards it as the box allows.
///
/// In L-infinity and L2 the step goes against the normal, in L-infinity by the same length in each
/// entry, in L2 in proportion to it, until an entry meets the box. So with the reach `r` of an
/// entry and its weight `w` per unit of the length `t`, `sum w min(t, r)` has to become the
/// distance that is left: a concave function of t, made of straight pieces, whose root Newton's
/// method reaches from 0 in a few steps, without the sort of the authors' program.
pub fn step_onto(norm: Norm, z: &Tensor, normal: &Tensor, offset: &Tensor) -> Result<Tensor> {
    let gap = normal.mul(z)?.sum_dim(1, true)?.sub(offset.unsqueeze(1)?)?;
    let ones = gap.zeros_like()?.add(1.0)?;
    let side = ones.where_(&gap.ge(0.0)?, &ones.neg()?)?;
    let (gap, normal) = (gap.abs()?, normal.mul(side)?);
    let zeros = z.zeros_like()?;
    let size = normal.abs()?;
    // Each entry falls where the normal is positive, and rises where it is negative.
    let room = z.where_(&normal.gt(0.0)?, &z.rsub(1.0)?)?;
    let (reach, weight, direction) = match norm {
        Norm::L1 => return greedy(&gap, &room, &size, &normal.sign()?),
        Norm::Linf => (room, size, normal.sign()?),
        Norm::L2 => {
            let counts = size.gt(FLAT)?;
            let reach = room.div(&size)?.where_(&counts, &zeros)?;
            (reach, normal.square()?.where_(&counts, &zeros)?, normal)
        }
    };
    let full = weight.mul(&reach)?;

    let mut length = gap.zeros_like()?;
    let mut free = reach.gt(&length)?;
    loop {
        let met = zeros.where_(&free, &full)?.sum_dim(1, true)?;
        let slope = weight.where_(&free, &zeros)?.sum_dim(1, true)?;
        // A slope of 0 leaves no entry to move: the length becomes infinite, the box decides.
        // Rounding must not lead back.
        let next = gap.sub(&met)?.div(&slope)?;
        let next = next.where_(&slope.gt(0.0)?, &next.zeros_like()?.add(f64::INFINITY)?)?;
        length = next.maximum(&length)?;
        let still_free = reach.gt(&length)?;
        if still_free.equal(&free)? {
            break;
        }
        free = still_free;
    }
    direction.mul(reach.minimum(&length)?)?.neg()
}

/// The smallest step in L1: entries go as far as they can, those first in which a unit of length
/// closes most of the gap, until it is closed.
fn greedy(gap: &Tensor, room: &Tensor, size: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let reach = room.where_(&size.gt(FLAT)?, &room.zeros_like()?)?;
    let (weight, order) = size.sort(1, true)?;
    let full = weight.mul(reach.gather(1, &order)?)?;
    let closed_before = full.cumsum(1)?.sub(&full)?;
    let share = gap.sub(closed_before)?.clamp_min(0.0)?.minimum(&full)?;
    let length = share.div(weight.clamp_min(FLAT)?)?;
    let (_, place) = order.sort(1, false)?;
    direction.mul(length.gather(1, &place)?)?.neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, generator, manual_seed, rand, randn};

    /// The plane is met, the box is kept, and no other step that meets it is shorter.
    #[test]
    fn the_step_is_the_smallest() -> Result<()> {
        let _guard = generator();
        manual_seed(2);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let z = rand(&[50, 20], like)?;
        let normal = randn(&[50, 20], like)?;
        // Planes through points of the box: they can be met.
        let inside = rand(&[50, 20], like)?;
        let offset = normal.mul(&inside)?.sum_dim(1, false)?;
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let step = step_onto(norm, &z, &normal, &offset)?;
            let there = z.add(&step)?;
            let met = there.mul(&normal)?.sum_dim(1, false)?;
            assert!(met.all_close(&offset, 0.0, 1e-12)?);
            assert!(there.amin()?.item()? >= -1e-15 && there.amax()?.item()? <= 1.0 + 1e-15);
            // Another point of the plane and the box, and the way to it from the step.
            let size = norm.size(&step)?;
            for share in [1.0, 0.1, 0.001] {
                let other = step.add(inside.sub(&there)?.mul(share)?)?;
                assert!(norm.size(&other)?.add(1e-12)?.ge(&size)?.all()?.item()? == 1.0);
            }
        }
        Ok(())
    }

    #[test]
    fn a_plane_beyond_the_box_is_approached() -> Result<()> {
        let z = Tensor::from_f64(&[0.25, 0.5, 0.5], &[1, 3])?;
        let normal = Tensor::from_f64(&[1.0, -2.0, 0.0], &[1, 3])?;
        let offset = Tensor::from_f64(&[-9.0], &[1])?;
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let step = step_onto(norm, &z, &normal, &offset)?;
            assert_eq!(step.to_vec_f64()?, [-0.25, 0.5, 0.0]);
        }
        Ok(())
    }
}
