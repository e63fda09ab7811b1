//! What is examined: a classifier, images, and what the attack in question makes of them.

use super::options::Options;
use crate::attack::{Attack, Classifier, Draws, Loss, Pgd, PgdOptions};
use crate::nn::{Model, class_logits};
use crate::torch::{Dtype, Tensor, cat, no_grad, with_grad};
use crate::{Result, interrupt};
use std::cell::{OnceCell, RefCell};

/// Images and their classes.
pub struct Images {
    /// `[n, c, h, w]` in [0, 1], on the classifier's device and of its dtype.
    pub x: Tensor,
    /// int64 `[n]`.
    pub y: Tensor,
    /// The place of each in the whole data set; what it draws at random depends on it.
    pub examples: Vec<usize>,
}

pub struct Subject<'a> {
    pub classifier: Classifier<'a>,
    /// The model that the classifier is, unless it is another function.
    pub model: Option<&'a Model>,
    /// What attacks are transferred from.
    pub source: Option<Classifier<'a>>,
    pub options: &'a Options,
    pub seed: u64,
    images: Images,
    classes: i64,
    /// The rows that are classified rightly.
    right: Vec<usize>,
    reference: OnceCell<Vec<bool>>,
    control: OnceCell<Vec<bool>>,
    /// Which rows some attack within eps broke.
    broken: RefCell<Vec<bool>>,
}

impl<'a> Subject<'a> {
    /// # Errors
    /// `Invalid` for outputs that are no logits of at least two classes, not finite, or carry no
    /// gradient; whatever the classifier raises.
    pub fn new(
        classifier: Classifier<'a>,
        model: Option<&'a Model>,
        source: Option<Classifier<'a>>,
        images: Images,
        options: &'a Options,
        seed: u64,
    ) -> Result<Self> {
        let n = images.examples.len();
        let dtype = images.x.dtype()?;
        ensure!(
            [Dtype::Float32, Dtype::Float64].contains(&dtype),
            "diagnose: the model computes in {dtype}, whose rounding hides small changes; move it \
             with model.to(\"float32\")"
        );
        let mut subject = Subject {
            classifier,
            model,
            source,
            options,
            seed,
            images,
            classes: 0,
            right: Vec::new(),
            reference: OnceCell::new(),
            control: OnceCell::new(),
            broken: RefCell::new(vec![false; n]),
        };
        let all: Vec<usize> = (0..n).collect();
        let logits = subject.class_logits(&all)?;
        subject.classes = logits.shape()[1];
        ensure!(
            subject.classes >= 2,
            "diagnose: the classifier must tell at least two classes apart, got {} outputs",
            subject.classes
        );
        subject.images.y.check_range("y", subject.classes)?;
        ensure!(
            logits.to_vec_f64()?.iter().all(|it| it.is_finite()),
            "diagnose: the classifier's outputs must be finite, and are not for some images"
        );
        let wrong = logits.argmax(1, false)?.ne(&subject.images.y)?;
        let wrong = flags(&wrong)?;
        subject.right = all.into_iter().filter(|&row| !wrong[row]).collect();
        *subject.broken.borrow_mut() = wrong;
        subject.check_gradient()?;
        Ok(subject)
    }

    /// Attacks that follow gradients need some.
    fn check_gradient(&self) -> Result<()> {
        let x = self.images.x.narrow(0, 0, 1)?;
        let logits = with_grad(|| self.classifier.logits(&x.leaf()?))?;
        ensure!(
            logits.requires_grad(),
            "diagnose: no gradient leads from the outputs to the pixels: something on the way is \
             not differentiable, or was computed under `no_grad` or detached. PGD cannot attack \
             such a classifier at all, and its number says nothing; attack it with `square`, or \
             diagnose it with a differentiable stand-in for that part (BPDA, Athalye et al. 2018)"
        );
        Ok(())
    }

    pub fn images(&self) -> usize {
        self.images.examples.len()
    }

    /// Of them, as a fraction.
    pub fn share(&self, count: usize) -> f64 {
        count as f64 / self.images() as f64
    }

    pub fn classes(&self) -> i64 {
        self.classes
    }

    /// The rows that are classified rightly: those that attacks are run on.
    pub fn right(&self) -> &[usize] {
        &self.right
    }

    pub fn wrong_count(&self) -> usize {
        self.images() - self.right.len()
    }

    /// The rows at the places where `flags` are false.
    pub fn left(&self, flags: &[bool]) -> Vec<usize> {
        let pairs = self.right.iter().zip(flags);
        pairs.filter(|it| !it.1).map(|it| *it.0).collect()
    }

    /// Some of the rows that are classified rightly, from all over the data.
    pub fn some_right(&self, most: usize) -> Vec<usize> {
        let n = self.right.len();
        let take = n.min(most);
        (0..take).map(|i| self.right[i * n / take]).collect()
    }

    pub fn x(&self, rows: &[usize]) -> Result<Tensor> {
        self.images.x.index_select(0, &self.places(rows)?)
    }

    pub fn y(&self, rows: &[usize]) -> Result<Tensor> {
        self.images.y.index_select(0, &self.places(rows)?)
    }

    fn places(&self, rows: &[usize]) -> Result<Tensor> {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        Tensor::from_i64(&rows, &[rows.len() as i64])?.to_device(self.images.x.device())
    }

    pub fn draws(&self, purpose: &str, rows: &[usize]) -> Draws {
        let examples: Vec<usize> = rows.iter().map(|&row| self.images.examples[row]).collect();
        Draws::of_examples(self.seed, purpose, &examples)
    }

    /// What `f` gives for the rows, batch by batch, one after the other.
    pub fn in_batches(
        &self,
        rows: &[usize],
        f: impl Fn(&[usize]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let batches = rows.chunks(self.options.batch_size).map(|rows| {
            interrupt::check()?;
            f(rows)
        });
        let batches: Vec<Tensor> = batches.collect::<Result<_>>()?;
        cat(&batches, 0)
    }

    /// All outputs, `[n, outputs]`, without gradient.
    pub fn outputs(&self, rows: &[usize]) -> Result<Tensor> {
        no_grad(|| self.in_batches(rows, |rows| self.classifier.logits(&self.x(rows)?)))
    }

    fn class_logits(&self, rows: &[usize]) -> Result<Tensor> {
        class_logits(&self.outputs(rows)?, self.classifier.classes)
    }

    /// A loss of each row's image at `x`, `[n]`, and with `gradient` its gradient there.
    pub fn loss(&self, loss: Loss, x: &Tensor, rows: &[usize]) -> Result<Tensor> {
        let logits = class_logits(&self.classifier.logits(x)?, self.classifier.classes)?;
        loss.each(&logits, &self.y(rows)?)
    }

    /// The loss of each row's clean image and its gradient.
    pub fn gradient(&self, loss: Loss, rows: &[usize]) -> Result<(Tensor, Tensor)> {
        let losses = RefCell::new(Vec::new());
        let gradients = self.in_batches(rows, |rows| {
            with_grad(|| {
                let leaf = self.x(rows)?.leaf()?;
                let each = self.loss(loss, &leaf, rows)?;
                losses.borrow_mut().push(each.detach()?);
                each.sum()?.gradient(&leaf)
            })
        })?;
        Ok((cat(&losses.into_inner(), 0)?, gradients))
    }

    /// Which of the rows an attack on `classifier` breaks, in their order; whether they are
    /// broken, the classifier in question says.
    pub fn broken_by(
        &self,
        attack: &dyn Attack,
        classifier: &Classifier,
        rows: &[usize],
        purpose: &str,
    ) -> Result<Vec<bool>> {
        let perturb = |rows: &[usize]| {
            attack.perturb(
                classifier,
                &self.x(rows)?,
                &self.y(rows)?,
                &self.draws(purpose, rows),
            )
        };
        self.broken_at(rows, perturb)
    }

    /// Which of the rows are broken where `perturb` puts them.
    pub fn broken_at(
        &self,
        rows: &[usize],
        perturb: impl Fn(&[usize]) -> Result<Tensor>,
    ) -> Result<Vec<bool>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let wrong = self.in_batches(rows, |rows| {
            let x_adv = perturb(rows)?;
            no_grad(|| {
                let logits =
                    class_logits(&self.classifier.logits(&x_adv)?, self.classifier.classes)?;
                logits.argmax(1, false)?.ne(self.y(rows)?)
            })
        })?;
        flags(&wrong)
    }

    /// Images of an attack on a classifier in float64, back in the dtype of the images.
    pub fn attacked_precisely(
        &self,
        attack: &dyn Attack,
        classifier: &Classifier,
        rows: &[usize],
        purpose: &str,
    ) -> Result<Option<Tensor>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let images = self.in_batches(rows, |rows| {
            let x = self.x(rows)?.to_dtype(Dtype::Float64)?;
            let draws = self.draws(purpose, rows);
            attack.perturb(classifier, &x, &self.y(rows)?, &draws)
        })?;
        Ok(Some(images.to_like(&self.images.x)?))
    }

    /// Which rows are broken at these images, which lie within eps.
    pub fn broken_at_images(&self, rows: &[usize], images: Option<Tensor>) -> Result<Vec<bool>> {
        let Some(images) = images else {
            return Ok(Vec::new());
        };
        let places: Vec<usize> = (0..rows.len()).collect();
        let wrong = no_grad(|| {
            let logits = self.in_batches(&places, |places| {
                let some = images.narrow(0, places[0] as i64, places.len() as i64)?;
                class_logits(&self.classifier.logits(&some)?, self.classifier.classes)
            })?;
            flags(&logits.argmax(1, false)?.ne(self.y(rows)?)?)
        })?;
        self.note(rows, &wrong);
        Ok(wrong)
    }

    /// The same of an attack within eps: what it breaks counts for the worst case.
    pub fn within_eps(
        &self,
        attack: &dyn Attack,
        classifier: &Classifier,
        rows: &[usize],
        purpose: &str,
    ) -> Result<Vec<bool>> {
        let flags = self.broken_by(attack, classifier, rows, purpose)?;
        self.note(rows, &flags);
        Ok(flags)
    }

    pub fn note(&self, rows: &[usize], flags: &[bool]) {
        let mut broken = self.broken.borrow_mut();
        for (&row, &flag) in rows.iter().zip(flags) {
            broken[row] |= flag;
        }
    }

    /// How many images some attack broke, or were wrong without any.
    pub fn worst_count(&self) -> usize {
        count(&self.broken.borrow())
    }

    /// PGD at the eps in question, with what `change` changes.
    pub fn pgd(&self, change: impl FnOnce(&mut PgdOptions)) -> Result<Pgd> {
        let json = serde_json::json!({ "eps": self.options.eps, "steps": self.options.steps });
        let mut options: PgdOptions = serde_json::from_value(json)
            .map_err(|error| crate::Error::invalid(error.to_string()))?;
        change(&mut options);
        Pgd::new(options)
    }

    /// Which of the right rows the attack in question breaks. It draws what an evaluation draws.
    pub fn reference(&self) -> Result<&[bool]> {
        self.once(&self.reference, || {
            let attack = self.pgd(|_| {})?;
            self.within_eps(&attack, &self.classifier, &self.right, "evaluate")
        })
    }

    /// The rows that it leaves.
    pub fn survivors(&self) -> Result<Vec<usize>> {
        Ok(self.left(self.reference()?))
    }

    /// Which of the survivors the same attack breaks from another start: what any attack finds by
    /// being a second one.
    pub fn control(&self) -> Result<&[bool]> {
        self.once(&self.control, || {
            let attack = self.pgd(|_| {})?;
            self.within_eps(
                &attack,
                &self.classifier,
                &self.survivors()?,
                "diagnose control",
            )
        })
    }

    /// How many images it breaks in both runs.
    pub fn found(&self) -> Result<usize> {
        Ok(count(self.reference()?) + count(self.control()?))
    }

    fn once<'b>(
        &self,
        cell: &'b OnceCell<Vec<bool>>,
        make: impl FnOnce() -> Result<Vec<bool>>,
    ) -> Result<&'b [bool]> {
        if let Some(made) = cell.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(cell.get_or_init(|| made))
    }

    /// The classifier behind a function of its outputs.
    pub fn behind<'b>(&'b self, change: impl Fn(&Tensor) -> Result<Tensor> + 'b) -> Classifier<'b> {
        let mut classifier = Classifier::new(move |x| change(&self.classifier.logits(x)?));
        classifier.classes = self.classifier.classes;
        classifier
    }
}

pub fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|it| **it).count()
}

pub fn flags(tensor: &Tensor) -> Result<Vec<bool>> {
    let numbers = tensor.to_dtype(Dtype::Int64)?.to_vec_i64()?;
    Ok(numbers.into_iter().map(|it| it != 0).collect())
}

/// The number below which the share `q` of them lies, `None` of none.
pub fn quantile(numbers: &[f64], q: f64) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(q * last as f64).round() as usize])
}
