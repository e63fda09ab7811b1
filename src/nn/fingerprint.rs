//! What tells two trained models apart.

use super::{Model, Module};
use crate::Result;
use crate::torch::Device;

impl Model {
    /// A hash of what decides the logits in eval mode: the kind of network, its normalisation,
    /// its classes, every layer as it describes itself, and the name, dtype and values of every
    /// parameter and buffer.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let kind = (self.name(), self.normalize(), self.classes());
        hasher.update(format!("{kind:?}").as_bytes());
        structure(self.network(), "", &mut hasher);
        for (name, tensor) in self.state_dict() {
            hasher.update(format!("{name} {}", tensor.signature()).as_bytes());
            hasher.update(&tensor.detach()?.to_device(Device::Cpu)?.to_bytes()?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

fn structure(module: &dyn Module, name: &str, hasher: &mut blake3::Hasher) {
    hasher.update(format!("{name}: {}\n", module.describe()).as_bytes());
    for (name, child) in module.children() {
        structure(child, &name, hasher);
    }
    hasher.update(b".");
}
