//! What tells two trained models apart.

use super::Model;
use crate::Result;
use crate::torch::Device;

impl Model {
    /// A hash of everything that decides the logits in eval mode: the kind of network, its
    /// normalisation and classes, and the name, dtype and values of every parameter and buffer.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let kind = (self.name(), self.normalize(), self.classes());
        hasher.update(format!("{kind:?}").as_bytes());
        for (name, tensor) in self.state_dict() {
            hasher.update(format!("{name} {}", tensor.signature()).as_bytes());
            hasher.update(&tensor.detach()?.to_device(Device::Cpu)?.to_bytes()?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}
