//! What the rows of a ledger are of.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Clean,
    Attack,
    Corruption,
}

/// A model and a condition, with everything that decides the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What the model is called in tables.
    pub model: String,
    /// What the condition is called, such as `PGD-40`.
    pub condition: String,
    pub kind: Kind,
    /// The threat model: the options of the attack, with its name as `attack`.
    pub attack: Option<Value>,
    /// The radius of the attack, in the space that it says.
    pub eps: Option<f64>,
    pub corruption: Option<String>,
    pub severity: Option<u8>,
    pub class_names: Vec<String>,
    /// How many rows there are when the ledger is complete.
    pub images: usize,
    /// Whether images have sets of correct classes.
    pub real: bool,
    /// The seed that random starts and the like are derived from.
    pub seed: u64,
    /// The model's dtype.
    pub dtype: String,
    /// A hash of the network and its weights.
    pub weights: String,
    /// A hash that says of which data set the images are; those of one can be compared.
    pub data_set: String,
    /// A hash of which images they are and how they came about.
    pub data: String,
}

impl About {
    /// The names of the fields in which two differ.
    pub fn differences(&self, other: &About) -> Vec<String> {
        let fields = |it: &About| match serde_json::to_value(it) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (own, others) = (fields(self), fields(other));
        let differing = own
            .into_iter()
            .filter(|(key, value)| others.get(key) != Some(value));
        differing.map(|(key, _)| key).collect()
    }
}
