//! The state between two steps, as far as it can be had again without copies of all of it.

use super::file::Values;
use super::kept::Kept;
use super::position::Position;
use super::value::Value;
use crate::Result;
use crate::nn::Entry;
use crate::nn::Model;
use crate::torch::{Stamp, Tensor};
use crate::train::Sgd;
use std::rc::Rc;

/// What a step that was begun may have changed. Weights are too large to be copied for each step,
/// but they tell whether they were changed, and an optimizer changes nothing when it refuses a
/// loss; running statistics, which a forward pass in train mode moves, are small.
pub(super) struct Snapshot {
    pub position: Position,
    /// How much of the journal there was.
    pub logged: usize,
    /// The values of the loop's own object.
    pub own: Values,
    /// Objects without a loop of their own, and their values: an error takes them from the script
    /// that held them.
    pub beside: Vec<(Rc<Kept>, Values)>,
    unchanged: Vec<(Tensor, Stamp)>,
    buffers: Vec<(Tensor, Tensor)>,
    modes: Vec<(Model, bool)>,
    rates: Vec<(Rc<Sgd>, f64)>,
}

impl Snapshot {
    /// Of an object between two steps, and of those `beside` it.
    pub fn new(position: Position, own: &Kept, beside: &[Rc<Kept>]) -> Result<Self> {
        let values = |it: &Kept| it.values.borrow().clone();
        let mut snapshot = Snapshot {
            position,
            logged: own.journal.borrow().len(),
            own: values(own),
            beside: beside.iter().map(|it| (it.clone(), values(it))).collect(),
            unchanged: Vec::new(),
            buffers: Vec::new(),
            modes: Vec::new(),
            rates: Vec::new(),
        };
        for it in beside.iter().map(Rc::as_ref).chain([own]) {
            let mut added = Ok(());
            let mut add = |value: &Value| {
                if added.is_ok() {
                    added = snapshot.add(value);
                }
            };
            it.values
                .borrow()
                .iter()
                .for_each(|(_, value)| value.each(&mut add));
            added?;
        }
        Ok(snapshot)
    }

    fn add(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Tensor(tensor) => self.unchanged.push((tensor.clone(), tensor.stamp())),
            Value::Model(model) => {
                self.modes.push((model.clone(), model.training()));
                for (_, entry) in model.entries() {
                    match entry {
                        Entry::Parameter(tensor) => {
                            let stamp = tensor.stamp();
                            self.unchanged.push((tensor, stamp));
                        }
                        Entry::Buffer(tensor) => {
                            let copy = tensor.copy()?;
                            self.buffers.push((tensor, copy));
                        }
                    }
                }
            }
            Value::Optimizer(optimizer) => {
                self.rates.push((optimizer.clone(), optimizer.lr()));
                for (_, tensor) in optimizer.state_dict() {
                    let stamp = tensor.stamp();
                    self.unchanged.push((tensor, stamp));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Goes back with `own` and those beside it; `false` where the step has changed what cannot be
    /// had again.
    pub fn restore(&self, own: &Kept) -> Result<bool> {
        if self
            .unchanged
            .iter()
            .any(|(tensor, stamp)| tensor.stamp() != *stamp)
        {
            return Ok(false);
        }
        for (tensor, before) in &self.buffers {
            tensor.assign(before)?;
        }
        for (model, training) in &self.modes {
            model.set_training(*training);
        }
        for (optimizer, lr) in &self.rates {
            optimizer.set_lr(*lr)?;
        }
        own.values.borrow_mut().clone_from(&self.own);
        for (kept, values) in &self.beside {
            kept.values.borrow_mut().clone_from(values);
        }
        own.journal.borrow_mut().truncate(self.logged);
        Ok(true)
    }
}
