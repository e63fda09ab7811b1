use crate::Result;
use crate::nn::{Frozen, Model, Normalize};
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
}

impl<'a> Classifier<'a> {
    pub fn new(logits: impl Fn(&Tensor) -> Result<Tensor> + 'a) -> Self {
        Classifier {
            logits: Box::new(logits),
            classes: None,
            normalize: None,
            model: None,
            frozen: Default::default(),
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
        }
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

    /// The logits that a search looks at: those of the function itself in float32, those of the
    /// frozen model where a lower precision is allowed. What is found counts by [`Self::logits`].
    pub fn searched(&self, x: &Tensor, precision: Precision) -> Result<Tensor> {
        match precision {
            Precision::Float32 => self.logits(x),
            lower => match self.frozen(lower)? {
                Some(frozen) => frozen.forward(x),
                None => self.logits(x),
            },
        }
    }

    /// # Errors
    /// `Invalid` where the function does not give one row of logits for each image.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let logits = (self.logits)(x)?;
        let n = x.dim(0)?;
        ensure!(
            logits.ndim() == 2 && logits.shape()[0] == n,
            "the classifier must give logits [{n}, outputs] for {n} images, got {}",
            logits.signature()
        );
        Ok(logits)
    }
}
