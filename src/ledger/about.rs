//! What the rows of a ledger are of.

use crate::Result;
use crate::data::Split;
use crate::nn::Model;
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
    /// In which its logits were computed: the model's own, or a lower one.
    pub dtype: String,
    /// A hash of the network and its weights.
    pub weights: String,
    /// A hash that says of which data set the images are; those of one can be compared.
    pub data_set: String,
    /// A hash of which images they are and how they came about.
    pub data: String,
}

impl About {
    /// What a model's rows on `images` are of, under names that nobody chose: `model`, and the
    /// condition by the corruption, the attack and the split. `attack` is the threat model, with
    /// the attack's name as `attack`.
    ///
    /// # Errors
    /// `Invalid` with the file of an image that cannot be decoded.
    pub fn of(
        model: &Model,
        images: &Split,
        class_names: &[String],
        attack: Option<Value>,
        seed: u64,
    ) -> Result<Self> {
        let under = images.condition();
        Ok(About {
            model: "model".to_owned(),
            condition: condition_name(attack.as_ref(), images),
            kind: match (&attack, under) {
                (Some(_), _) => Kind::Attack,
                (None, Some(_)) => Kind::Corruption,
                (None, None) => Kind::Clean,
            },
            eps: attack.as_ref().and_then(|it| it["eps"].as_f64()),
            attack,
            corruption: under.map(|it| it.corruption.name().to_owned()),
            severity: under.map(|it| it.severity),
            class_names: class_names.to_vec(),
            images: images.len(),
            real: images.has_several_correct(),
            seed,
            dtype: model.dtype()?.to_string(),
            weights: model.fingerprint()?,
            data_set: images.data_set()?,
            data: images.fingerprint()?,
        })
    }

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

/// What a condition is called that nobody named: the corruption, the attack with what says how
/// strong it is, and the split unless it is that for tests.
fn condition_name(attack: Option<&serde_json::Value>, images: &Split) -> String {
    let under = images.condition();
    let mut parts: Vec<String> = Vec::new();
    parts.extend(under.map(|it| format!("{} {}", it.corruption.name(), it.severity)));
    if let Some(attack) = attack {
        parts.push(attack["attack"].as_str().unwrap_or("attack").to_owned());
        for strength in ["eps", "std", "sigma", "amount", "degrees"] {
            if let Some(value) = attack[strength].as_f64() {
                parts.push(format!("{strength} {value}"));
            }
        }
        let norm = attack["norm"].as_str().filter(|&norm| norm != "linf");
        parts.extend(norm.map(str::to_owned));
    }
    if parts.is_empty() {
        parts.push("clean".to_owned());
    }
    parts.extend((images.name() != "test").then(|| images.name().to_owned()));
    parts.join(", ")
}
