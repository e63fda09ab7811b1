//! What PGD ascends, as a function of the images of one batch.

use super::Classifier;
use super::objective::{Loss, Outputs};
use super::space::Bounds;
use super::survivors::rows;
use crate::Result;
use crate::nn::{Normalize, class_logits};
use crate::torch::{DivergenceReduction, Index, Precision, Tensor, cat, no_grad, with_grad};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    #[default]
    CrossEntropy,
    Margin,
    Dlr,
    /// The Kullback-Leibler divergence from the prediction at the clean image: Zhang et al.
    /// 2019, <https://arxiv.org/abs/1901.08573>, equation 5. It needs no label.
    Kl,
}

impl Objective {
    /// The loss of a label, if it is one.
    fn of_label(self) -> Option<Loss> {
        match self {
            Objective::CrossEntropy => Some(Loss::CrossEntropy),
            Objective::Margin => Some(Loss::Margin),
            Objective::Dlr => Some(Loss::Dlr),
            Objective::Kl => None,
        }
    }
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Objective::CrossEntropy,
            Loss::Margin => Objective::Margin,
            Loss::Dlr => Objective::Dlr,
        }
    }
}

/// Images are in the space of eps, from which `transform` comes back. Each tensor has a row for
/// every image.
pub struct Landscape<'a> {
    pub classifier: &'a Classifier<'a>,
    /// The label whose loss is ascended.
    pub label: Tensor,
    /// The class that was passed.
    pub class: Tensor,
    pub outputs: Outputs,
    pub targeted: bool,
    pub bounds: Bounds,
    pub transform: Normalize,
    precision: Precision,
    height: Height,
}

enum Height {
    Label(Loss),
    /// From these probabilities, `[n, outputs]`.
    Divergence(Tensor),
}

/// What is seen of the images at some place of the landscape.
pub struct View {
    /// The logits of the classes, `[n, classes]`.
    pub classes: Tensor,
    /// Where the attack has succeeded, bool `[n]`: a success is a changed class, whatever other
    /// outputs the attacker sees.
    pub success: Tensor,
    /// What the attack ascends, `[n]`: high is good for the attacker.
    pub height: Tensor,
}

impl View {
    pub fn select(&self, rows: &Tensor) -> Result<Self> {
        Ok(View {
            classes: self.classes.index_select(0, rows)?,
            success: self.success.index_select(0, rows)?,
            height: self.height.index_select(0, rows)?,
        })
    }

    pub fn and(self, other: Self) -> Result<Self> {
        Ok(View {
            classes: cat(&[self.classes, other.classes], 0)?,
            success: cat(&[self.success, other.success], 0)?,
            height: cat(&[self.height, other.height], 0)?,
        })
    }
}

impl<'a> Landscape<'a> {
    pub fn new(
        classifier: &'a Classifier,
        (objective, outputs, targeted): (Objective, Outputs, bool),
        (x, label, class): (&Tensor, Tensor, &Tensor),
        (transform, bounds): (Normalize, Bounds),
        precision: Precision,
    ) -> Result<Self> {
        let height = match objective.of_label() {
            Some(loss) => Height::Label(loss),
            None => {
                let clean = no_grad(|| {
                    let logits = classifier.searched(x, precision)?;
                    outputs.of_logits(&logits, classifier)?.softmax(1)
                });
                Height::Divergence(clean?)
            }
        };
        Ok(Landscape {
            classifier,
            label,
            class: class.clone(),
            outputs,
            targeted,
            bounds,
            transform,
            precision,
            height,
        })
    }

    /// The landscape of the rows that `of` takes.
    fn rows(&self, of: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Landscape<'a>> {
        Ok(Landscape {
            classifier: self.classifier,
            label: of(&self.label)?,
            class: of(&self.class)?,
            outputs: self.outputs,
            targeted: self.targeted,
            bounds: self.bounds.clone(),
            transform: self.transform.clone(),
            precision: self.precision,
            height: match &self.height {
                Height::Label(loss) => Height::Label(*loss),
                Height::Divergence(clean) => Height::Divergence(of(clean)?),
            },
        })
    }

    pub fn select(&self, rows: &Tensor) -> Result<Landscape<'a>> {
        self.rows(|all| all.index_select(0, rows))
    }

    /// The gradient at `z` that a search follows, the mean of `passes` of them, and all logits of
    /// the last pass.
    pub fn slope(&self, z: &Tensor, passes: i64) -> Result<(Tensor, Tensor)> {
        let [mut sum, mut logits] = self.gradient(z)?;
        for _ in 1..passes {
            let [gradient, last] = self.gradient(z)?;
            (sum, logits) = (sum.add(gradient)?, last);
        }
        if passes > 1 {
            sum = sum.div(passes as f64)?;
        }
        Ok((sum, logits))
    }

    fn gradient(&self, z: &Tensor) -> Result<[Tensor; 2]> {
        self.classifier.in_parts(z.dim(0)?, |part| {
            let here = self.rows(|all| part.of(all))?;
            with_grad(|| {
                let leaf = part.of(z)?.leaf()?;
                let logits = here.searched(&here.transform.inverse(&leaf)?)?;
                let seen = here.seen(&logits)?;
                let gradient = here.each(&seen)?.sum()?.gradient(&leaf)?;
                Ok([gradient.detach()?, logits.detach()?])
            })
        })
    }

    /// What the classifier itself sees at `z`.
    pub fn look(&self, z: &Tensor) -> Result<View> {
        self.look_at(&self.transform.inverse(z)?)
    }

    /// The same at pixels.
    pub fn look_at(&self, x: &Tensor) -> Result<View> {
        no_grad(|| self.view(&self.classifier.logits(x)?))
    }

    /// What a search sees at pixels.
    pub fn glance_at(&self, x: &Tensor) -> Result<View> {
        no_grad(|| self.view(&self.searched(x)?))
    }

    /// Whether a search sees something else than the classifier itself.
    pub fn has_stand_in(&self) -> Result<bool> {
        Ok(self.classifier.stand_in(self.precision)?.is_some())
    }

    /// What a search saw at the pixels `x`, and where it saw a success, what the classifier itself
    /// sees.
    pub fn confirmed(&self, x: &Tensor, view: View) -> Result<View> {
        let hits = rows(&view.success)?;
        if hits.numel() == 0 || !self.has_stand_in()? {
            return Ok(view);
        }
        let own = self.select(&hits)?.look_at(&x.index_select(0, &hits)?)?;
        let at = [Index::Tensor(hits)];
        Ok(View {
            classes: view.classes.with_index(&at, own.classes)?,
            success: view.success.with_index(&at, own.success)?,
            height: view.height.with_index(&at, own.height)?,
        })
    }

    /// What these logits, all of them, come to.
    pub fn view(&self, logits: &Tensor) -> Result<View> {
        let classes = class_logits(logits, self.classifier.classes)?;
        let hit = classes.argmax(1, false)?.eq(&self.class)?;
        Ok(View {
            success: match self.targeted {
                true => hit,
                false => hit.logical_not()?,
            },
            height: self.each(&self.seen(logits)?)?,
            classes,
        })
    }

    /// All logits that a search looks at.
    fn searched(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.searched(x, self.precision)
    }

    /// Those that the attacker sees.
    fn seen(&self, logits: &Tensor) -> Result<Tensor> {
        self.outputs.of_logits(logits, self.classifier)
    }

    /// What the attack ascends, for each image.
    fn each(&self, logits: &Tensor) -> Result<Tensor> {
        match &self.height {
            Height::Divergence(clean) => logits
                .log_softmax(1)?
                .kl_div(clean, DivergenceReduction::None)?
                .sum_dim(1, false),
            Height::Label(loss) => {
                let each = loss.each(logits, &self.label)?;
                if self.targeted { each.neg() } else { Ok(each) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::nn::testing::noisy_sequential;
    use crate::torch::{Dtype, Like, generator, manual_seed, rand};
    use std::cell::Cell;

    fn landscape<'a>(classifier: &'a Classifier, loss: Objective) -> Result<Landscape<'a>> {
        let x = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        let y = Tensor::from_i64(&[0], &[1])?;
        Landscape::new(
            classifier,
            (loss, Outputs::Class, false),
            (&x, y.clone(), &y),
            (Normalize::none(), Bounds::None),
            Precision::Float32,
        )
    }

    /// A classifier whose weight is 1 and 3 by turns has a gradient of 2.
    #[test]
    fn several_passes_average_the_gradient() -> Result<()> {
        let turn = Cell::new(0);
        let classifier = Classifier::new(|x| {
            turn.set(turn.get() + 1);
            x.mul(if turn.get() % 2 == 1 { 1.0 } else { 3.0 })
        });
        let z = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        let (slope, _) = landscape(&classifier, Objective::Margin)?.slope(&z, 4)?;
        assert_eq!(slope.to_vec_f64()?, [-2.0, 2.0]);
        Ok(())
    }

    /// What passes of a few images give, wanted or forced, is what one pass of all gives.
    #[test]
    fn parts_have_the_gradient_of_the_whole() -> Result<()> {
        let _guard = generator();
        manual_seed(5);
        let model = noisy_sequential()?;
        model.to(Some(Dtype::Float64), None)?;
        let x = rand(&[11, 3, 12, 12], Like::default())?.to_dtype(Dtype::Float64)?;
        let y = model.predict(&x)?;
        let z = x.add(0.01)?;
        let crowded = Classifier::new(|x| match x.shape()[0] {
            n if n > 2 => Err(Error::OutOfMemory("no room".into())),
            _ => model.forward_in(x, false),
        });
        let whole = Classifier::of(&model, false);
        let parts = Classifier::of(&model, false).in_passes_of(Some(4));
        for objective in [Objective::CrossEntropy, Objective::Kl] {
            let slope = |classifier: &Classifier| {
                let landscape = Landscape::new(
                    classifier,
                    (objective, Outputs::Class, false),
                    (&x, y.clone(), &y),
                    (Normalize::none(), Bounds::None),
                    Precision::Float32,
                )?;
                landscape.slope(&z, 1)
            };
            let (gradient, logits) = slope(&whole)?;
            let steepest = gradient.abs()?.amax()?.item()?;
            assert!(steepest > 0.0);
            for other in [&parts, &crowded] {
                let (same, seen) = slope(other)?;
                // Sums over other batches are taken in another order; near the clean images the
                // slope of the divergence is a difference of probabilities that are nearly alike.
                let apart = same.sub(&gradient)?.abs()?.amax()?.item()?;
                let near = 1e-12 * steepest + 1e-15;
                assert!(apart < near, "{objective:?}: {apart} of {steepest}");
                assert!(seen.all_close(&logits, 0.0, 1e-12)?, "{objective:?}");
            }
        }
        Ok(())
    }

    /// Of two probabilities: p ln(p/q) + (1-p) ln((1-p)/(1-q)), at the clean image 0 and flat.
    #[test]
    fn the_divergence_of_two_classes() -> Result<()> {
        let classifier = Classifier::new(|x| Ok(x.clone()));
        let landscape = landscape(&classifier, Objective::Kl)?;
        let clean = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        assert!(landscape.look(&clean)?.height.item()?.abs() < 1e-15);
        assert!(landscape.slope(&clean, 1)?.0.abs()?.amax()?.item()? < 1e-15);
        let z = Tensor::from_f64(&[0.75, 0.0], &[1, 2])?;
        let share = |difference: f64| 1.0 / (1.0 + difference.exp());
        let (p, q) = (share(0.25), share(-0.75));
        let expected = p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
        assert!((landscape.look(&z)?.height.item()? - expected).abs() < 1e-15);
        // Its derivative with respect to a logit is q - p.
        let slope = landscape.slope(&z, 1)?.0.to_vec_f64()?;
        assert!((slope[0] - (q - p)).abs() < 1e-15 && (slope[1] + (q - p)).abs() < 1e-15);
        Ok(())
    }
}
