//! What a checkpoint belongs to.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that decides how a loop goes, beside the script and the program: those of a run are
/// checked when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub seed: u64,
    /// The script's parameters.
    pub parameters: Map<String, Value>,
    /// A hash of the values that the loop began with.
    pub start: String,
}

impl About {
    /// What differs, in words.
    pub fn differences(&self, other: &About) -> Vec<String> {
        let (own, others) = (&self.parameters, &other.parameters);
        let mut names: Vec<&String> = own.keys().chain(others.keys()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| own.get(*name) != others.get(*name));
        let shown = |of: &Map<String, Value>, name: &str| {
            of.get(name).map_or("none".into(), Value::to_string)
        };
        let mut differing: Vec<String> = names
            .iter()
            .map(|it| {
                let (then, now) = (shown(own, it), shown(others, it));
                format!("`{it}` ({then} then, {now} now)")
            })
            .collect();
        if self.seed != other.seed {
            differing.push("the seed".to_owned());
        }
        if differing.is_empty() && self.start != other.start {
            differing.push("the values it began with".to_owned());
        }
        differing
    }
}
