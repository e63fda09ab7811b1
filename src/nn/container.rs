use super::frozen::Plan;
use super::module::{Entry, Module, join};
use super::watch::Watch;
use crate::Result;
use crate::torch::Tensor;
use std::rc::Rc;

/// Layers one after the other; parameters are named `0.weight`, ... or by the given names.
pub struct Sequential {
    layers: Vec<(String, Rc<dyn Module>)>,
}

impl Sequential {
    /// # Errors
    /// `Invalid` for no layers, or a name that comes twice, is empty or holds a dot.
    pub fn new(layers: Vec<(String, Rc<dyn Module>)>) -> Result<Self> {
        ensure!(!layers.is_empty(), "`sequential` needs at least one layer");
        for (at, (name, _)) in layers.iter().enumerate() {
            ensure!(
                !name.is_empty() && !name.contains('.'),
                "`sequential`: a layer's name must not be empty or hold a dot, got {name:?}"
            );
            ensure!(
                layers[..at].iter().all(|(other, _)| other != name),
                "`sequential`: two layers have the name {name:?}"
            );
        }
        Ok(Sequential { layers })
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        self.forward_watched(x, training, &mut Watch::nothing())
    }

    fn forward_watched(&self, x: &Tensor, training: bool, watch: &mut Watch) -> Result<Tensor> {
        let mut x = x.clone();
        for (name, layer) in &self.layers {
            x = watch
                .through(name, &**layer, &x, training)
                .map_err(|error| error.context(format!("layer {name}, {}", layer.describe())))?;
        }
        Ok(x)
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        for (_, layer) in &self.layers {
            plan.network(layer)?;
        }
        Ok(true)
    }

    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry)) {
        for (name, layer) in &self.layers {
            layer.visit(&join(prefix, name), visit);
        }
    }

    fn describe(&self) -> String {
        format!("Sequential({} layers)", self.layers.len())
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        self.layers
            .iter()
            .map(|(name, layer)| (name.clone(), &**layer))
            .collect()
    }
}
