//! The domain `nn`: layers, models and their weights.

mod layers;
mod model;
mod networks;

pub use layers::Layer;

use super::host::Host;
use crate::Result;
use crate::nn::{Head, LoadReport, Model};
use rhai::plugin::*;

pub fn module() -> Module {
    let mut functions = Module::new();
    let module = &mut functions;
    module.set_custom_type::<Model>("model");
    module.set_custom_type::<Layer>("layer");
    module.set_doc("/// Layers, networks and their weights.");
    combine_with_exported_module!(module, "networks", networks::functions);
    combine_with_exported_module!(module, "layers", layers::functions);
    combine_with_exported_module!(module, "model", model::functions);
    functions
}

/// A head that kept its new weights is worth a line.
fn load(host: &Host, model: &Model, path: &str, head: Head) -> Result<LoadReport> {
    let report = model.load(&host.file(path)?, head)?;
    if !report.kept.is_empty() {
        host.print(&format!(
            "{path}: {} entries loaded into {}; new: {}",
            report.loaded,
            model.name(),
            report.kept.join(", ")
        ));
    }
    Ok(report)
}
