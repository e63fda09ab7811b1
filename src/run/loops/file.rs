//! A checkpoint as a file: a line that says what it is, the length of a description in JSON, the
//! description, tensors as safetensors, and a hash of all of it.

use super::about::About;
use super::position::Position;
use super::value::{Stored, Tensors, Value, restore_all, store_all};
use crate::metrics::Evaluation;
use crate::run::Measurement;
use crate::torch::{Tensor, safetensors};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const MAGIC: &[u8] = b"rhobust checkpoint 1\n";
const LENGTH: usize = 8;

/// Something that a loop added to the run's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    Row(Measurement),
    Classes {
        model: String,
        condition: String,
        evaluation: Evaluation,
        names: Vec<String>,
    },
}

/// The values of an object.
pub(super) type Values = Vec<(String, Value)>;

/// What is read from a file.
pub struct Checkpoint {
    pub about: About,
    pub position: Position,
    pub(super) journal: Vec<(Position, Entry)>,
    pub(super) data: Vec<(Vec<u64>, String)>,
    own: Vec<(String, Stored)>,
    others: Vec<(String, Vec<(String, Stored)>)>,
    tensors: HashMap<String, Tensor>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    about: About,
    position: Position,
    own: Vec<(String, Stored)>,
    /// Objects without a loop under way, by their names.
    others: Vec<(String, Vec<(String, Stored)>)>,
    journal: Vec<(Position, Entry)>,
    /// Hashes of what the loops go over.
    data: Vec<(Vec<u64>, String)>,
}

impl Description {
    pub fn new(
        about: About,
        position: Position,
        journal: Vec<(Position, Entry)>,
        data: Vec<(Vec<u64>, String)>,
    ) -> Self {
        Description {
            about,
            position,
            own: Vec::new(),
            others: Vec::new(),
            journal,
            data,
        }
    }
}

/// The bytes of a file with these values.
pub(super) fn encode(
    mut description: Description,
    own: &Values,
    others: &[(String, Values)],
) -> Result<Vec<u8>> {
    let mut tensors = Tensors::new();
    description.own = store_all(own, &mut tensors)?;
    let others = others
        .iter()
        .map(|(key, values)| Ok((key.clone(), store_all(values, &mut tensors)?)));
    description.others = others.collect::<Result<_>>()?;
    let description =
        serde_json::to_vec(&description).map_err(|it| Error::invalid(it.to_string()))?;
    let tensors = safetensors::to_bytes(&tensors)?;
    let length = MAGIC.len() + LENGTH + description.len() + tensors.len() + blake3::OUT_LEN;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(MAGIC);
    bytes.extend((description.len() as u64).to_le_bytes());
    bytes.extend(description);
    bytes.extend(tensors);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    Ok(bytes)
}

impl Checkpoint {
    /// What the bytes of a file hold.
    ///
    /// # Errors
    /// `Invalid` where they are no checkpoint, or damaged: nothing of such a one is looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let whole = bytes.split_last_chunk::<{ blake3::OUT_LEN }>();
        let Some((bytes, _)) = whole.filter(|(bytes, hash)| blake3::hash(bytes) == **hash) else {
            bail!("this is no checkpoint, or a damaged one");
        };
        let strange = |what: &dyn std::fmt::Display| {
            Error::invalid(format!("this checkpoint is of another version ({what})"))
        };
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| strange(&"another first line"))?;
        let (length, rest) = rest
            .split_first_chunk()
            .ok_or_else(|| strange(&"no length"))?;
        let length = u64::from_le_bytes(*length) as usize;
        let (description, tensors) = rest
            .split_at_checked(length)
            .ok_or_else(|| strange(&"another length"))?;
        let it: Description = serde_json::from_slice(description).map_err(|it| strange(&it))?;
        Ok(Checkpoint {
            about: it.about,
            position: it.position,
            own: it.own,
            others: it.others,
            journal: it.journal,
            data: it.data,
            tensors: safetensors::from_bytes(tensors)?.into_iter().collect(),
        })
    }

    /// The values of the loop's own object, put into `current` where that holds models.
    pub(super) fn own(&self, current: &Values) -> Result<Values> {
        restore_all(current, &self.own, &self.tensors)
    }

    /// The same of another object, if it was kept.
    pub(super) fn other(&self, key: &str, current: &Values) -> Result<Option<Values>> {
        let found = self.others.iter().find(|(other, _)| other == key);
        let restored = found.map(|(_, stored)| restore_all(current, stored, &self.tensors));
        restored.transpose()
    }
}

/// A hash of values.
pub(super) fn fingerprint(values: &Values) -> Result<String> {
    let mut tensors = Tensors::new();
    let stored = store_all(values, &mut tensors)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{stored:?}").as_bytes());
    for (_, tensor) in tensors {
        hasher.update(tensor.signature().as_bytes());
        hasher.update(&tensor.to_bytes()?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
