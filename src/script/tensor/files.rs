//! Tensors in files.

use super::args;
use crate::files::write_whole;
use crate::script::{Host, RhaiResultOf};
use crate::torch::{Tensor, safetensors};
use rhai::Map;
use rhai::plugin::*;

#[export_module]
pub mod functions {
    /// Writes a map of tensors to a safetensors file, which Python reads too.
    ///
    /// The file is written whole or not at all, and replaces one of the same name.
    ///
    /// - `path`: relative to the run folder; elsewhere needs `--allow-write`
    /// - `tensors`: names and tensors
    ///
    /// ```rhai
    /// save_tensors("example.safetensors", #{ weight: eye(2), step: tensor(3) });
    /// let stored = load_tensors("example.safetensors");
    /// assert(stored.weight.equal(eye(2)));
    /// assert(stored.step.item() == 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save_tensors(context: NativeCallContext, path: &str, tensors: Map) -> RhaiResultOf<()> {
        let entries = tensors
            .into_iter()
            .map(|(name, value)| {
                let tensor = args::tensor(&format!("tensors.{name}"), value)?;
                Ok((name.to_string(), tensor))
            })
            .collect::<crate::Result<Vec<(String, Tensor)>>>()?;
        let path = Host::of(&context).writable(path)?;
        Ok(write_whole(&path, &safetensors::to_bytes(&entries)?)?)
    }

    /// The tensors of a safetensors file, a map by name, on the CPU.
    ///
    /// - `path`: relative to the run folder, the current folder or the script's
    ///
    /// A name with dots is read as `stored["layer1.0.weight"]`.
    ///
    /// ```rhai
    /// save_tensors("example.safetensors", #{ "layer1.weight": ones([2]) });
    /// assert(load_tensors("example.safetensors")["layer1.weight"].shape == [2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn load_tensors(context: NativeCallContext, path: &str) -> RhaiResultOf<Map> {
        let entries = Host::of(&context).reading(path, safetensors::load)?;
        Ok(entries
            .into_iter()
            .map(|(name, tensor)| (name.into(), Dynamic::from(tensor)))
            .collect())
    }
}
