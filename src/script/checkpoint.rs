//! What a run leaves behind when it is stopped in the middle of a training.

use super::host::Host;
use crate::nn::Model;
use crate::train::Sgd;
use crate::{Result, torch};
use std::rc::Rc;

/// A model that is being trained, and its optimizer.
pub(super) struct Training {
    pub name: String,
    pub model: Model,
    pub optimizer: Rc<Sgd>,
}

/// Writes the weights and the momentum of every training under way into the run folder;
/// returns the names of the files.
pub(super) fn write(host: &Host, trainings: &[Training]) -> Result<Vec<String>> {
    let mut written = Vec::new();
    for Training {
        name,
        model,
        optimizer,
    } in trainings
    {
        let momentum = torch::safetensors::to_bytes(&optimizer.state_dict())?;
        for (what, bytes) in [("model", model.to_safetensors()?), ("optimizer", momentum)] {
            let file = format!("{name}.stopped.{what}.safetensors");
            host.target(&file)?.write(&bytes)?;
            written.push(file);
        }
    }
    Ok(written)
}
