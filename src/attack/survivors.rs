use super::victim::Victim;
use super::{Draws, ready};
use crate::Result;
use crate::torch::{Index, Tensor, no_grad};

/// The examples of a batch that are still classified rightly. Each attack sees only those, and
/// what it breaks leaves at once; what was wrong from the start is not attacked at all.
pub struct Survivors<'a> {
    x: &'a Tensor,
    y: &'a Tensor,
    x_adv: Tensor,
    /// The rows of the batch, in order.
    left: Vec<i64>,
    classes: i64,
}

/// What one attack found for the examples it was given.
pub struct Found {
    pub x_adv: Tensor,
    /// Whether `x_adv` is taken for another class, bool `[n]`.
    pub broken: Tensor,
}

impl<'a> Survivors<'a> {
    /// # Errors
    /// `Invalid` for a class that the classifier does not have.
    pub fn of(victim: &Victim, x: &'a Tensor, y: &'a Tensor) -> Result<Self> {
        let sight = no_grad(|| victim.exact_sight(x))?;
        let classes = sight.classes.shape()[1];
        y.check_range("y", classes)?;
        Ok(Survivors {
            x,
            y,
            x_adv: x.clone(),
            left: rows(&sight.wrong(y)?.logical_not()?)?.to_vec_i64()?,
            classes,
        })
    }

    /// The ranks of up to `targets` classes besides the predicted one, which has rank 1.
    pub fn target_ranks(&self, targets: i64) -> impl Iterator<Item = i64> + use<> {
        2..=self.classes.min(targets + 1)
    }

    pub fn count(&self) -> usize {
        self.left.len()
    }

    /// Runs `attack` on the images and classes that are left, and keeps what it broke.
    pub fn attack(
        &mut self,
        draws: &Draws,
        attack: impl FnOnce(&Tensor, &Tensor, &Draws) -> Result<Found>,
    ) -> Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        let at = Tensor::from_i64(&self.left, &[self.left.len() as i64])?;
        let at = at.to_device(self.x.device())?;
        let (x, y) = (self.x.index_select(0, &at)?, self.y.index_select(0, &at)?);
        let found = attack(&x, &y, &draws.select(&self.left))?;
        let broken = rows(&found.broken)?;
        let images = found.x_adv.detach()?.index_select(0, &broken)?;
        let places = Index::Tensor(at.index_select(0, &broken)?);
        self.x_adv = self.x_adv.with_index(&[places], images)?;
        let stays = rows(&found.broken.logical_not()?)?;
        self.left = at.index_select(0, &stays)?.to_vec_i64()?;
        Ok(())
    }

    /// Adversarial images where an attack succeeded, the clean ones elsewhere.
    pub fn images(self) -> Tensor {
        self.x_adv
    }
}

/// The images of a batch after `attacks` on those that are classified rightly; `what` is the
/// attack's name in errors. With an `eps` of 0 there is nothing to change.
///
/// # Errors
/// `Invalid` for a misshapen batch, pixels out of [0, 1], a class that does not exist; whatever
/// the attacks raise.
pub fn after(
    what: &str,
    eps: f64,
    victim: &Victim,
    (x, y): (&Tensor, &Tensor),
    attacks: impl FnOnce(&mut Survivors) -> Result<()>,
) -> Result<Tensor> {
    let (x, idle) = ready(what, Some(eps), x, y)?;
    if idle {
        return Ok(x);
    }
    let mut survivors = Survivors::of(victim, &x, y)?;
    attacks(&mut survivors)?;
    Ok(survivors.images())
}

/// Where `mask` is true, int64 `[m]`.
pub fn rows(mask: &Tensor) -> Result<Tensor> {
    mask.nonzero()?.squeeze_dim(1)
}
