use super::Classifier;
use super::objective::Outputs;
use super::survivors::rows;
use crate::Result;
use crate::nn::{Around, Window, class_logits};
use crate::torch::{Index, Precision, Tensor, no_grad};

/// A classifier as an attack sees it that knows when it has won.
///
/// Searching, it looks at the frozen classifier where there is one; what was found counts where
/// the classifier itself is mistaken.
pub struct Victim<'a> {
    pub classifier: &'a Classifier<'a>,
    /// The outputs that the attacker sees.
    pub outputs: Outputs,
    /// Of the passes of a search.
    pub precision: Precision,
}

/// What one pass gives.
pub struct Sight {
    /// The outputs that the attacker sees, `[n, outputs]`.
    pub logits: Tensor,
    /// Those that make the prediction, `[n, classes]`: a success is a changed class, whatever
    /// the attacker sees.
    pub classes: Tensor,
}

impl<'a> Victim<'a> {
    pub fn sight(&self, x: &Tensor) -> Result<Sight> {
        match self.classifier.frozen(self.precision)? {
            Some(frozen) => self.seen(self.classifier.through(x, |x| frozen.forward(x))?),
            None => self.exact_sight(x),
        }
    }

    /// Through the classifier itself.
    pub fn exact_sight(&self, x: &Tensor) -> Result<Sight> {
        self.seen(self.classifier.logits(x)?)
    }

    fn seen(&self, all: Tensor) -> Result<Sight> {
        let classes = class_logits(&all, self.classifier.classes)?;
        let logits = match self.outputs {
            Outputs::Class => classes.clone(),
            Outputs::All => all,
        };
        Ok(Sight { logits, classes })
    }

    /// Whether each image is taken for another class than `y` by the classifier itself, bool
    /// `[n]`.
    pub fn wrong(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        no_grad(|| self.exact_sight(x)?.wrong(y))
    }

    /// Where `wrong`, found in search, is true of the classifier itself.
    pub fn confirmed(&self, x: &Tensor, y: &Tensor, wrong: Tensor) -> Result<Tensor> {
        let hits = rows(&wrong)?;
        if hits.numel() == 0 || self.classifier.frozen(self.precision)?.is_none() {
            return Ok(wrong);
        }
        let (images, classes) = (x.index_select(0, &hits)?, y.index_select(0, &hits)?);
        wrong.with_index(&[Index::Tensor(hits)], self.wrong(&images, &classes)?)
    }

    /// Images of which a window changes from look to look; `None` where that is no cheaper than
    /// to look at all of them.
    pub fn around(&self, x: &Tensor) -> Result<Option<Changing<'_, 'a>>> {
        let Some(frozen) = self.classifier.frozen(self.precision)? else {
            return Ok(None);
        };
        let around = Around::new(frozen, x)?;
        Ok(around.map(|around| Changing {
            victim: self,
            around,
        }))
    }
}

/// What a victim sees while a window of some images changes.
pub struct Changing<'v, 'a> {
    victim: &'v Victim<'a>,
    around: Around<'v>,
}

impl Changing<'_, '_> {
    /// The images with `pixels` in `window`.
    pub fn sight(&mut self, window: Window, pixels: &Tensor) -> Result<Sight> {
        self.victim.seen(self.around.changed(window, pixels)?)
    }

    /// The images where `mask` stay as they were seen last.
    pub fn keep(&self, mask: &Tensor) -> Result<()> {
        self.around.keep(mask)
    }

    pub fn select(&mut self, rows: &Tensor) -> Result<()> {
        self.around.select(rows)
    }
}

impl Sight {
    pub fn wrong(&self, y: &Tensor) -> Result<Tensor> {
        self.classes.detach()?.argmax(1, false)?.ne(y)
    }

    /// The class of rank `rank` for each example, int64 `[n]`; rank 1 is the prediction.
    pub fn ranked(&self, rank: i64) -> Result<Tensor> {
        let (_, order) = self.classes.detach()?.topk(rank, 1, true)?;
        order.select(1, rank - 1)
    }
}
