//! What loops keep.

use crate::Result;
use crate::nn::Model;
use crate::torch::{Device, Tensor};
use crate::train::Sgd;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::rc::Rc;

/// A value of a script that a checkpoint can hold.
#[derive(Clone)]
pub enum Value {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Char(char),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Tensor(Tensor),
    Model(Model),
    Optimizer(Rc<Sgd>),
}

/// The same as it is written: tensors lie beside it, under their names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stored {
    Unit,
    Bool(bool),
    Int(i64),
    /// The bits of a float, which is not always a number.
    Float(u64),
    Char(char),
    Text(String),
    List(Vec<Stored>),
    Map(Vec<(String, Stored)>),
    Tensor {
        name: String,
        /// The dimensions in the order in which they lie in memory: sums depend on it.
        order: Vec<i64>,
        device: String,
    },
    Model {
        training: bool,
        entries: Vec<(String, String)>,
    },
    Optimizer {
        lr: u64,
        momentum: Vec<(String, String)>,
    },
}

/// Tensors by name, as they are written.
pub(super) type Tensors = Vec<(String, Tensor)>;

impl Value {
    /// Adds the tensors in it to `tensors`.
    pub(super) fn store(&self, tensors: &mut Tensors) -> Result<Stored> {
        let mut put = |tensor: Tensor| {
            let name = tensors.len().to_string();
            tensors.push((name.clone(), tensor));
            name
        };
        let mut put_all = |all: Vec<(String, Tensor)>| -> Vec<(String, String)> {
            let named = all.into_iter();
            named.map(|(name, tensor)| (name, put(tensor))).collect()
        };
        Ok(match self {
            Value::Unit => Stored::Unit,
            Value::Bool(value) => Stored::Bool(*value),
            Value::Int(value) => Stored::Int(*value),
            Value::Float(value) => Stored::Float(value.to_bits()),
            Value::Char(value) => Stored::Char(*value),
            Value::Text(value) => Stored::Text(value.clone()),
            Value::List(values) => {
                let stored = values.iter().map(|it| it.store(tensors));
                Stored::List(stored.collect::<Result<_>>()?)
            }
            Value::Map(values) => Stored::Map(store_all(values, tensors)?),
            Value::Tensor(tensor) => {
                let order = tensor.memory_order();
                Stored::Tensor {
                    name: put(tensor.detach()?.permute(&order)?),
                    order,
                    device: tensor.device().to_string(),
                }
            }
            Value::Model(model) => Stored::Model {
                training: model.training(),
                entries: put_all(model.state_dict()),
            },
            Value::Optimizer(optimizer) => Stored::Optimizer {
                lr: optimizer.lr().to_bits(),
                momentum: put_all(optimizer.state_dict()),
            },
        })
    }

    /// What `stored` holds, put into the models, optimizers and parameters of `self` where there
    /// are such; others may hold them, too.
    pub(super) fn restored(
        &self,
        stored: &Stored,
        tensors: &HashMap<String, Tensor>,
    ) -> Result<Value> {
        let all = |names: &[(String, String)]| -> Result<Vec<(String, Tensor)>> {
            let found = names
                .iter()
                .map(|(own, name)| Ok((own.clone(), get(tensors, name)?)));
            found.collect()
        };
        Ok(match (self, stored) {
            (_, Stored::Unit) => Value::Unit,
            (_, Stored::Bool(value)) => Value::Bool(*value),
            (_, Stored::Int(value)) => Value::Int(*value),
            (_, Stored::Float(bits)) => Value::Float(f64::from_bits(*bits)),
            (_, Stored::Char(value)) => Value::Char(*value),
            (_, Stored::Text(value)) => Value::Text(value.clone()),
            (own, Stored::List(stored)) => {
                let own = if let Value::List(own) = own {
                    &own[..]
                } else {
                    &[]
                };
                let each = stored.iter().enumerate();
                let each =
                    each.map(|(at, it)| own.get(at).unwrap_or(&Value::Unit).restored(it, tensors));
                Value::List(each.collect::<Result<_>>()?)
            }
            (own, Stored::Map(stored)) => {
                let own = if let Value::Map(own) = own {
                    &own[..]
                } else {
                    &[]
                };
                Value::Map(restore_all(own, stored, tensors)?)
            }
            (
                own,
                Stored::Tensor {
                    name,
                    order,
                    device,
                },
            ) => {
                let mut back = vec![0; order.len()];
                for (at, dim) in order.iter().enumerate() {
                    let Some(place) = back.get_mut(*dim as usize) else {
                        bail!("a tensor's dimensions are none");
                    };
                    *place = at as i64;
                }
                let tensor = get(tensors, name)?.permute(&back)?;
                match own {
                    Value::Tensor(own) if own.requires_grad() && own.shape() == tensor.shape() => {
                        own.assign(&tensor)?;
                        Value::Tensor(own.clone())
                    }
                    Value::Tensor(own) => Value::Tensor(tensor.to_device(own.device())?),
                    _ => Value::Tensor(tensor.to_device(device.parse::<Device>()?)?),
                }
            }
            (Value::Model(model), Stored::Model { training, entries }) => {
                model.load_state_dict(all(entries)?)?;
                model.set_training(*training);
                self.clone()
            }
            (Value::Optimizer(optimizer), Stored::Optimizer { lr, momentum }) => {
                optimizer.load_state_dict(all(momentum)?)?;
                optimizer.set_lr(f64::from_bits(*lr))?;
                self.clone()
            }
            (_, Stored::Model { .. } | Stored::Optimizer { .. }) => {
                bail!("a model or an optimizer that was kept is none any more")
            }
        })
    }

    /// Calls `visit` for this and every value within.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        visit(self);
        match self {
            Value::List(values) => values.iter().for_each(|it| it.each(visit)),
            Value::Map(values) => values.iter().for_each(|(_, it)| it.each(visit)),
            _ => {}
        }
    }
}

pub(super) fn store_all(
    values: &[(String, Value)],
    tensors: &mut Tensors,
) -> Result<Vec<(String, Stored)>> {
    let stored = values
        .iter()
        .map(|(key, it)| Ok((key.clone(), it.store(tensors)?)));
    stored.collect()
}

pub(super) fn restore_all(
    own: &[(String, Value)],
    stored: &[(String, Stored)],
    tensors: &HashMap<String, Tensor>,
) -> Result<Vec<(String, Value)>> {
    let each = stored.iter().map(|(key, it)| {
        let own = own.iter().find(|(other, _)| other == key);
        let own = own.map_or(&Value::Unit, |(_, own)| own);
        let restored = own.restored(it, tensors);
        Ok((
            key.clone(),
            restored.map_err(|error| error.context(format!("`{key}`")))?,
        ))
    });
    each.collect()
}

fn get(tensors: &HashMap<String, Tensor>, name: &str) -> Result<Tensor> {
    match tensors.get(name) {
        Some(tensor) => Ok(tensor.clone()),
        None => bail!("tensor {name} is missing"),
    }
}
