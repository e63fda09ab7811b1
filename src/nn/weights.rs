//! Fitting the entries of a weight file to those of a network.

use super::module::Entry;
use crate::Result;
use crate::torch::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happens to the last layer (`fc`) when a file's has another number of outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// It is an error, like every other entry that does not fit.
    #[default]
    Strict,
    /// A file's last layer of another shape is left aside and the network's new one stays.
    Replace,
    /// The file's last layer is left aside, whatever its shape.
    New,
}

/// What a file gave to a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    pub loaded: usize,
    /// Entries of the network that kept their own values: those of a replaced head.
    pub kept: Vec<String>,
}

/// Counters that files may lack: PyTorch before 0.4.1 and other programs do not write them.
const OPTIONAL: &str = "num_batches_tracked";
const HEAD: &str = "fc.";

/// Copies `file` into `entries` by name, all or nothing; values take the network's dtype and
/// device.
///
/// # Errors
/// `Invalid` that lists the missing, unexpected and mis-shaped entries.
pub fn load(
    entries: &[(String, Entry)],
    file: Vec<(String, Tensor)>,
    head: Head,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let mut file: BTreeMap<String, Tensor> = file.into_iter().collect();
    if head == Head::New {
        file.retain(|name, _| !name.starts_with(HEAD));
    }
    let (mut missing, mut misshapen, mut fitting) = (Vec::new(), Vec::new(), Vec::new());
    for (name, entry) in entries {
        let own = entry.tensor();
        let replaced = head != Head::Strict && name.starts_with(HEAD);
        match file.remove(name) {
            Some(value) if value.shape() == own.shape() => fitting.push((own, value)),
            _ if replaced => report.kept.push(name.clone()),
            Some(value) => misshapen.push(format!(
                "{name} (file {:?}, model {:?})",
                value.shape(),
                own.shape()
            )),
            None if name.ends_with(OPTIONAL) => {}
            None => missing.push(name.clone()),
        }
    }
    let unexpected: Vec<String> = file.into_keys().collect();
    let mut complaints = Vec::new();
    for (kind, names) in [
        ("missing", &missing),
        ("unexpected", &unexpected),
        ("of another shape", &misshapen),
    ] {
        if !names.is_empty() {
            complaints.push(format!("{} {kind}: {}", names.len(), listed(names)));
        }
    }
    if !complaints.is_empty() {
        let only_head = missing.is_empty()
            && unexpected.is_empty()
            && misshapen.iter().all(|name| name.starts_with(HEAD));
        let advice = match only_head {
            true => "; only the last layer differs: `head: \"replace\"` keeps the model's new one",
            false => "; these are the weights of another model",
        };
        bail!(
            "the weights do not fit the model: {}{advice}",
            complaints.join("; ")
        );
    }
    for (own, value) in &fitting {
        own.assign(&value.to_like(own)?)?;
    }
    report.loaded = fitting.len();
    Ok(report)
}

/// The first few names and how many more there are.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let first = names[..names.len().min(SHOWN)].join(", ");
    match names.len() {
        n if n > SHOWN => format!("{first} and {} more", n - SHOWN),
        _ => first,
    }
}
