//! PGD that is done with an image as soon as it is broken: at the clean image, or after any step.

use super::ascent::laid_out;
use super::landscape::{Landscape, View};
use super::momentum::Momentum;
use super::pgd::Pgd;
use super::survivors::rows;
use super::{Draws, Seen};
use crate::torch::{Index, Tensor, cat};
use crate::{Result, interrupt};

/// The images `x`, which are `z` in the space of eps, after all runs, each on what is left.
pub fn chase(
    pgd: &Pgd,
    landscape: &Landscape,
    x: &Tensor,
    z: &Tensor,
    draws: &Draws,
) -> Result<Seen> {
    let clean = landscape.confirmed(x, landscape.glance_at(x)?)?;
    let mut found = Found {
        height: clean.height.zeros_like()?.add(f64::NEG_INFINITY)?,
        broken: clean.success,
        seen: Seen {
            x_adv: x.clone(),
            classes: clean.classes,
        },
    };
    for _ in 0..pgd.restarts {
        let left = rows(&found.broken.logical_not()?)?;
        if left.numel() == 0 {
            break;
        }
        // Drawn for all images, so that it does not depend on which are left.
        let start = pgd.start(landscape, z, draws)?;
        let chased = Chased {
            steps: left.zeros_like()?.add(pgd.steps)?,
            z: laid_out(z)?.index_select(0, &left)?,
            z_adv: start.index_select(0, &left)?,
            momentum: Momentum::new(pgd.decay),
            places: left,
        };
        run(pgd, landscape, chased, &mut found)?;
    }
    if landscape.has_stand_in()? {
        // What the classifier itself gets wrong from the beginning is no success of a defence.
        let left = rows(&found.broken.logical_not()?)?;
        let clean = x.index_select(0, &left)?;
        let view = landscape.select(&left)?.look_at(&clean)?;
        let wrong = rows(&view.success)?;
        found.offer(
            &left.index_select(0, &wrong)?,
            &clean.index_select(0, &wrong)?,
            &view.select(&wrong)?,
        )?;
    }
    Ok(found.seen)
}

/// One run from one start.
fn run(pgd: &Pgd, landscape: &Landscape, mut chased: Chased, found: &mut Found) -> Result<()> {
    // A pass of few images takes longer than their share of a full one.
    let full = landscape.classifier.at_once().unwrap_or(i64::MAX);
    let mut claims = Claims::default();
    loop {
        interrupt::check()?;
        chased = chased.end(landscape, found)?;
        if chased.count() == 0 || claims.count() >= full {
            let Some(unbroken) = claims.settle(landscape, found)? else {
                return Ok(());
            };
            chased = chased.and(unbroken)?;
            continue;
        }
        let here = landscape.select(&chased.places)?;
        let place = pgd.place(&chased.momentum, &chased.z_adv)?;
        let (gradient, logits) = here.slope(&place, pgd.eot)?;
        let x_adv = landscape.transform.inverse(&chased.z_adv)?;
        let view = match pgd.look_ahead {
            // The gradient was taken elsewhere.
            true => here.glance_at(&x_adv)?,
            false => here.view(&logits)?,
        };
        chased = chased.after(pgd, landscape, gradient)?;
        let hits = rows(&view.success)?;
        if hits.numel() > 0 {
            claims.0.push(Claim {
                x_adv: x_adv.index_select(0, &hits)?,
                view: view.select(&hits)?,
                next: chased.select(&hits)?,
            });
            chased = chased.select(&rows(&view.success.logical_not()?)?)?;
        }
    }
}

/// The images that are not broken yet. Each tensor has a row for every one of them.
struct Chased {
    /// Their rows of the batch.
    places: Tensor,
    /// How many are left to each, int64.
    steps: Tensor,
    z: Tensor,
    z_adv: Tensor,
    momentum: Momentum,
}

impl Chased {
    fn count(&self) -> i64 {
        self.places.numel() as i64
    }

    /// A step on.
    fn after(mut self, pgd: &Pgd, landscape: &Landscape, gradient: Tensor) -> Result<Self> {
        let images = (&self.z, &self.z_adv);
        self.z_adv = pgd.step(landscape, &mut self.momentum, images, gradient)?;
        self.steps = self.steps.sub(1)?;
        Ok(self)
    }

    /// Those that have steps left; what became of the others is found.
    fn end(self, landscape: &Landscape, found: &mut Found) -> Result<Self> {
        let over = self.steps.eq(0)?;
        let ended = rows(&over)?;
        if ended.numel() == 0 {
            return Ok(self);
        }
        let places = self.places.index_select(0, &ended)?;
        let x_adv = landscape
            .transform
            .inverse(&self.z_adv.index_select(0, &ended)?)?;
        let view = landscape.select(&places)?.look_at(&x_adv)?;
        found.offer(&places, &x_adv, &view)?;
        self.select(&rows(&over.logical_not()?)?)
    }

    fn select(&self, rows: &Tensor) -> Result<Self> {
        Ok(Chased {
            places: self.places.index_select(0, rows)?,
            steps: self.steps.index_select(0, rows)?,
            z: self.z.index_select(0, rows)?,
            z_adv: self.z_adv.index_select(0, rows)?,
            momentum: self.momentum.select(rows)?,
        })
    }

    fn and(self, other: Self) -> Result<Self> {
        Ok(Chased {
            places: cat(&[self.places, other.places], 0)?,
            steps: cat(&[self.steps, other.steps], 0)?,
            z: cat(&[self.z, other.z], 0)?,
            z_adv: cat(&[self.z_adv, other.z_adv], 0)?,
            momentum: self.momentum.and(other.momentum)?,
        })
    }
}

/// Images that a search takes for broken, until there are enough to ask the classifier itself.
#[derive(Default)]
struct Claims(Vec<Claim>);

struct Claim {
    x_adv: Tensor,
    view: View,
    /// The same images a step on, for those that are not broken after all.
    next: Chased,
}

impl Claims {
    fn count(&self) -> i64 {
        self.0.iter().map(|claim| claim.next.count()).sum()
    }

    /// What is broken is found; the rest is chased further. `None` where nothing is claimed.
    fn settle(&mut self, landscape: &Landscape, found: &mut Found) -> Result<Option<Chased>> {
        let mut claims = std::mem::take(&mut self.0).into_iter();
        let Some(mut all) = claims.next() else {
            return Ok(None);
        };
        for claim in claims {
            all = Claim {
                x_adv: cat(&[all.x_adv, claim.x_adv], 0)?,
                view: all.view.and(claim.view)?,
                next: all.next.and(claim.next)?,
            };
        }
        let Claim { x_adv, view, next } = all;
        let view = landscape.select(&next.places)?.confirmed(&x_adv, view)?;
        let broken = rows(&view.success)?;
        found.offer(
            &next.places.index_select(0, &broken)?,
            &x_adv.index_select(0, &broken)?,
            &view.select(&broken)?,
        )?;
        let unbroken = rows(&view.success.logical_not()?)?;
        Ok(Some(next.select(&unbroken)?))
    }
}

/// What was found for each image of the batch: where it is broken, or else where the attack was
/// highest at the end of a run.
struct Found {
    seen: Seen,
    broken: Tensor,
    height: Tensor,
}

impl Found {
    /// Keeps those of `images`, at these places of the batch, that are better than what was found.
    fn offer(&mut self, places: &Tensor, images: &Tensor, view: &View) -> Result<()> {
        let known = self.height.index_select(0, places)?;
        let worse = view.height.le(&known)?;
        let better = rows(&view.success.logical_or(&worse.logical_not()?)?)?;
        let of = |all: &Tensor| all.index_select(0, &better);
        let at = [Index::Tensor(of(places)?)];
        let Seen { x_adv, classes } = &self.seen;
        self.seen = Seen {
            x_adv: x_adv.with_index(&at, of(images)?)?,
            classes: classes.with_index(&at, of(&view.classes)?)?,
        };
        self.broken = self.broken.with_index(&at, of(&view.success)?)?;
        self.height = self.height.with_index(&at, of(&view.height)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attack, Classifier};
    use super::*;
    use crate::nn::testing::noisy_resnet;
    use crate::nn::{Linear, Model, Module, Normalize, Sequential, Stateless};
    use crate::torch::{Dtype, Like, cat, generator, manual_seed, passes, rand, randn};
    use serde_json::{Value, json};
    use std::rc::Rc;

    const STEPS: i64 = 6;

    fn pgd(more: &Value, stop: &str, steps: i64) -> Pgd {
        let mut options = json!({ "eps": 0.05, "steps": STEPS, "step_size": 0.02, "stop": stop });
        for (key, value) in more.as_object().expect("a map") {
            options[key] = value.clone();
        }
        let options = serde_json::from_value(options).expect("the options are right");
        // Also none at all, which only a test wants.
        Pgd {
            steps,
            ..Pgd::new(options).expect("the options are right")
        }
    }

    /// A network with one hidden layer, images, and classes of which a fifth is wrong.
    fn problem() -> Result<(Model, Tensor, Tensor)> {
        manual_seed(8);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let layers: Vec<(String, Rc<dyn Module>)> = vec![
            ("0".into(), Rc::new(Linear::new(12, 16, true)?)),
            ("1".into(), Rc::new(Stateless::tanh())),
            ("2".into(), Rc::new(Linear::new(16, 4, true)?)),
        ];
        let network = Rc::new(Sequential::new(layers)?);
        let model = Model::new("Sequential", network, Normalize::none(), None);
        for (_, parameter) in model.parameters() {
            parameter.assign(&randn(&parameter.shape(), Like::default())?)?;
        }
        model.to(Some(Dtype::Float64), None)?;
        let x = rand(&[30, 12], like)?;
        let right = model.predict(&x)?;
        let wrong = right.narrow(0, 0, 6)?.add(1)?.remainder(4)?;
        let y = cat(&[wrong, right.narrow(0, 6, 24)?], 0)?;
        Ok((model, x, y))
    }

    fn attacked(pgd: &Pgd, model: &Model, x: &Tensor, y: &Tensor) -> Result<Seen> {
        manual_seed(3);
        let classifier = Classifier::of(model, false).in_passes_of(Some(7));
        pgd.perturb_seen(&classifier, x, y, &Draws::of_batch())
    }

    /// The classes that attacks with these options get: a fifth of the images is there already.
    fn aimed_at(more: &Value, y: &Tensor) -> Result<Tensor> {
        match more["targeted"] == true {
            true => y.add(3)?.remainder(4),
            false => Ok(y.clone()),
        }
    }

    /// For each image after how many steps it is first where the attack wants it, clean images
    /// before all: with the images after these many steps, by attacks that make no more.
    fn by_hand(
        more: &Value,
        model: &Model,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<(Vec<Option<i64>>, Vec<Tensor>)> {
        let targeted = more["targeted"] == true;
        let mut images = vec![x.clone()];
        for steps in 0..=STEPS {
            images.push(attacked(&pgd(more, "never", steps), model, x, y)?.x_adv);
        }
        let y = y.to_vec_i64()?;
        let mut first = vec![None; y.len()];
        for (at, images) in images.iter().enumerate().rev() {
            for (row, class) in model.predict(images)?.to_vec_i64()?.iter().enumerate() {
                if (*class == y[row]) == targeted {
                    first[row] = Some(at as i64 - 1);
                }
            }
        }
        Ok((first, images))
    }

    fn kinds() -> [Value; 6] {
        [
            json!({}),
            json!({ "norm": "l2", "eps": 0.2, "step_size": 0.05, "loss": "margin" }),
            json!({ "decay": 0.7 }),
            json!({ "decay": 0.7, "look_ahead": true, "random_start": false }),
            json!({ "targeted": true }),
            json!({ "loss": "kl", "random_start": "normal" }),
        ]
    }

    /// Where an image is first broken on the way it is kept; where it never is, the last counts.
    #[test]
    fn an_image_is_kept_where_it_is_first_broken() -> Result<()> {
        let _guard = generator();
        let (model, x, y) = problem()?;
        for more in kinds() {
            let y = aimed_at(&more, &y)?;
            let seen = attacked(&pgd(&more, "broken", STEPS), &model, &x, &y)?;
            let (first, images) = by_hand(&more, &model, &x, &y)?;
            for (row, first) in first.iter().enumerate() {
                let expected = &images[first.map_or(STEPS + 1, |at| at + 1) as usize];
                let [expected, found] =
                    [expected, &seen.x_adv].map(|it| it.narrow(0, row as i64, 1));
                // Products of fewer rows may be summed in another order.
                let same = found?.all_close(&expected?, 0.0, 1e-12)?;
                assert!(same, "{more}: image {row}, broken after {first:?}");
            }
            // Some at once, some on the way, some never.
            let count =
                |is: &dyn Fn(&Option<i64>) -> bool| first.iter().filter(|it| is(it)).count();
            assert!(count(&|it| *it == Some(-1)) >= 6, "{more}: {first:?}");
            assert!(
                count(&|it| it.is_some_and(|at| at > 0)) > 0,
                "{more}: {first:?}"
            );
            assert!(count(&|it| it.is_none()) > 0, "{more}: {first:?}");
            let logits = model.class_logits_of(4, &seen.x_adv)?;
            assert!(seen.classes.all_close(&logits, 0.0, 1e-12)?, "{more}");
        }
        Ok(())
    }

    #[test]
    fn what_the_last_step_breaks_is_broken() -> Result<()> {
        let _guard = generator();
        let (model, x, y) = problem()?;
        for more in kinds().iter().chain([&json!({ "restarts": 3 })]) {
            let y = aimed_at(more, &y)?;
            let wrong = |stop: &str| {
                let seen = attacked(&pgd(more, stop, STEPS), &model, &x, &y)?;
                let hit = model.predict(&seen.x_adv)?.eq(&y)?;
                match more["targeted"] == true {
                    true => Ok(hit),
                    false => hit.logical_not(),
                }
            };
            let (last, any) = (wrong("never")?, wrong("broken")?);
            assert!(
                last.logical_and(&any.logical_not()?)?.count_nonzero()? == 0,
                "{more}"
            );
        }
        Ok(())
    }

    /// Each image takes the passes that it needs and no more, whatever the others need.
    #[test]
    fn passes_are_made_for_what_is_not_broken() -> Result<()> {
        let _guard = generator();
        let (model, x, y) = problem()?;
        let (first, _) = by_hand(&json!({}), &model, &x, &y)?;
        let before = passes();
        attacked(&pgd(&json!({}), "broken", STEPS), &model, &x, &y)?;
        let after = passes();
        // One at the clean image, one at the start and after each step until it is broken; the
        // last of all needs no gradient.
        let looks: Vec<u64> = first
            .iter()
            .map(|first| (first.unwrap_or(STEPS) + 1) as u64)
            .collect();
        let clean = first.len() as u64;
        assert_eq!(
            after.forward - before.forward,
            clean + looks.iter().sum::<u64>()
        );
        let gradients = looks.iter().map(|&looks| looks.min(STEPS as u64));
        assert_eq!(after.backward - before.backward, gradients.sum::<u64>());
        Ok(())
    }

    /// A search in bfloat16 finds something else; what counts, the model itself says.
    #[test]
    fn what_a_stand_in_finds_is_confirmed() -> Result<()> {
        let _guard = generator();
        manual_seed(8);
        let model = noisy_resnet()?;
        let x = rand(&[40, 3, 12, 12], Like::default())?;
        // The class that leads least: where that is, the two that compute may differ.
        let logits = model.class_logits_of(5, &x)?;
        let y = logits.topk(2, 1, true)?.1.select(1, 1)?;
        let y = cat(
            &[y.narrow(0, 0, 10)?, model.predict(&x)?.narrow(0, 10, 30)?],
            0,
        )?;
        let found = |stop: &str| {
            let small = json!({ "precision": "bfloat16", "eps": 0.035, "step_size": 0.012 });
            attacked(&pgd(&small, stop, STEPS), &model, &x, &y)
        };
        let (last, any) = (found("never")?, found("broken")?);
        let wrong = |images: &Tensor| model.predict(images)?.ne(&y);
        let claimed = any.classes.argmax(1, false)?.ne(&y)?;
        assert!(claimed.equal(&wrong(&any.x_adv)?)?);
        for images in [&x, &last.x_adv] {
            let missed = wrong(images)?.logical_and(&claimed.logical_not()?)?;
            assert_eq!(missed.count_nonzero()?, 0);
        }
        let count = claimed.count_nonzero()?;
        assert!(count > 10 && count < 40, "{count}");
        let logits = model.class_logits_of(5, &any.x_adv)?;
        assert!(any.classes.all_close(&logits, 1e-5, 1e-5)?);
        Ok(())
    }

    #[test]
    fn a_model_that_is_always_wrong_is_not_attacked() -> Result<()> {
        let _guard = generator();
        let (model, x, _) = problem()?;
        let wrong = model.predict(&x)?.add(1)?.remainder(4)?;
        let before = passes();
        let seen = attacked(&pgd(&json!({}), "broken", STEPS), &model, &x, &wrong)?;
        let after = passes();
        assert!(seen.x_adv.equal(&x)?);
        assert_eq!(after.backward, before.backward);
        assert_eq!(after.forward - before.forward, 30);
        Ok(())
    }
}
