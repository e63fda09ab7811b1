use crate::Result;
use crate::nn::{Frozen, Model, Normalize, Part, Room};
use crate::torch::{Dtype, Precision, Tensor};
use std::cell::OnceCell;
use std::rc::Rc;

type Logits<'a> = dyn Fn(&Tensor) -> Result<Tensor> + 'a;

/// What is under attack: a function from pixels in [0, 1] to logits `[n, outputs]`.
pub struct Classifier<'a> {
    logits: Box<Logits<'a>>,
    /// How many of the outputs are classes, where that is known.
    pub classes: Option<i64>,
    /// What the function does to pixels first, where that is known.
    pub normalize: Option<Normalize>,
    /// The model whose function this is in eval mode, and what came of freezing it: for passes in
    /// its own dtype and in bfloat16.
    model: Option<&'a Model>,
    frozen: [OnceCell<Rc<Frozen>>; 2],
    /// How many images go through it at once; `None` where all of a batch must, because what is
    /// said of an image depends on the others.
    room: Option<Rc<Room>>,
    /// So many of them are wanted at most.
    at_once: Option<i64>,
}

impl<'a> Classifier<'a> {
    pub fn new(logits: impl Fn(&Tensor) -> Result<Tensor> + 'a) -> Self {
        Classifier {
            logits: Box::new(logits),
            classes: None,
            normalize: None,
            model: None,
            frozen: Default::default(),
            room: Some(Rc::default()),
            at_once: None,
        }
    }

    /// A model in eval mode, or in train mode where `training`; its own mode stays as it is.
    pub fn of(model: &'a Model, training: bool) -> Self {
        Classifier {
            logits: Box::new(move |x| model.forward_in(x, training)),
            classes: model.classes(),
            normalize: Some(model.normalize().clone()),
            model: (!training).then_some(model),
            frozen: Default::default(),
            // Statistics of a batch are those of all its images.
            room: (!training).then(|| model.room().clone()),
            at_once: None,
        }
    }

    /// The same in passes of at most so many images.
    pub fn in_passes_of(self, at_once: Option<i64>) -> Self {
        Classifier { at_once, ..self }
    }

    /// How many images a pass is to have at most, where somebody said so.
    pub fn at_once(&self) -> Option<i64> {
        self.at_once
    }

    /// The same function up to low-order bits, or in bfloat16, at less cost, where the weights are
    /// known and of at least single precision. The weights must stay as they are meanwhile.
    pub fn frozen(&self, precision: Precision) -> Result<Option<&Frozen>> {
        let Some(model) = self.model else {
            return Ok(None);
        };
        let own = model.dtype()?;
        // Folded into weights of half precision, batch norm would change more than the last bits.
        if !matches!(own, Dtype::Float32 | Dtype::Float64) {
            return Ok(None);
        }
        let lowered = precision.dtype(own, model.device()) != own;
        let frozen = &self.frozen[usize::from(lowered)];
        if frozen.get().is_none() {
            let _ = frozen.set(model.frozen(precision)?);
        }
        Ok(frozen.get().map(|frozen| &**frozen))
    }

    /// What a search looks at instead of the function itself, where a precision below float32 is
    /// allowed. What is found counts by [`Self::logits`].
    pub fn stand_in(&self, precision: Precision) -> Result<Option<&Frozen>> {
        match precision {
            Precision::Float32 => Ok(None),
            lower => self.frozen(lower),
        }
    }

    /// The logits that a search looks at.
    pub fn searched(&self, x: &Tensor, precision: Precision) -> Result<Tensor> {
        match self.stand_in(precision)? {
            Some(frozen) => self.through(x, |x| frozen.forward(x)),
            None => self.logits(x),
        }
    }

    /// What `pass` gives for the parts of a batch of `n` images that go through at once, put
    /// together: see [`Room::in_parts`].
    pub fn in_parts<const K: usize>(
        &self,
        n: i64,
        pass: impl Fn(Part) -> Result<[Tensor; K]>,
    ) -> Result<[Tensor; K]> {
        match &self.room {
            Some(room) => room.in_parts(n, self.at_once, pass),
            None => pass(Part::whole(n)),
        }
    }

    /// What `f` makes of the images `x`, part by part; of all at once where the result is to be
    /// differentiated: who does that divides the batch.
    pub fn through(&self, x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        if x.requires_grad() {
            return f(x);
        }
        let [all] = self.in_parts(x.dim(0)?, |part| Ok([f(&part.of(x)?)?]))?;
        Ok(all)
    }

    /// # Errors
    /// `Invalid` where the function does not give one row of logits for each image.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.through(x, |x| {
            let logits = (self.logits)(x)?;
            let n = x.dim(0)?;
            ensure!(
                logits.ndim() == 2 && logits.shape()[0] == n,
                "the classifier must give logits [{n}, outputs] for {n} images, got {}",
                logits.signature()
            );
            Ok(logits)
        })
    }
}
