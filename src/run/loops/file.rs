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
    pub(super) others: Others,
}

/// The values of objects without a loop under way, by their names, and the tensors of all values.
pub(super) struct Others {
    stored: Vec<(String, Vec<(String, Stored)>)>,
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
            others: Others {
                stored: it.others,
                tensors: safetensors::from_bytes(tensors)?.into_iter().collect(),
            },
            journal: it.journal,
            data: it.data,
        })
    }

    /// The values of the loop's own object, put into `current` where that holds models.
    pub(super) fn own(&self, current: &Values) -> Result<Values> {
        restore_all(current, &self.own, &self.others.tensors)
    }
}

impl Others {
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.stored.iter().map(|(key, _)| key.as_str())
    }

    /// The values of an object, if they were kept.
    pub fn values(&self, key: &str, current: &Values) -> Result<Option<Values>> {
        let found = self.stored.iter().find(|(other, _)| other == key);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Like, generator, rand, zeros};
    use crate::train::{Sgd, SgdOptions};
    use std::rc::Rc;

    fn about() -> About {
        About {
            seed: u64::MAX,
            parameters: serde_json::Map::new(),
            start: String::new(),
        }
    }

    fn written(values: &Values, journal: Vec<(Position, Entry)>) -> Vec<u8> {
        let at = "000003_000017".parse().unwrap();
        let description = Description::new(about(), at, journal, Vec::new());
        encode(description, values, &[("other".to_owned(), values.clone())]).unwrap()
    }

    #[test]
    fn every_kind_of_value_comes_back_to_the_bit() -> Result<()> {
        let nan = f64::from_bits(0x7ff8_0000_0000_1234);
        let plain = Value::List(vec![
            Value::Unit,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(nan),
            Value::Float(-0.0),
            Value::Char('ß'),
            Value::Text("\"\n".into()),
            Value::Map(vec![("a".into(), Value::List(Vec::new()))]),
        ]);
        let values = vec![("plain".to_owned(), plain)];
        let row = Measurement {
            kind: "step".into(),
            values: vec![("loss".into(), nan), ("lr".into(), 0.1)],
            ..Measurement::default()
        };
        let journal = vec![("000001".parse().unwrap(), Entry::Row(row))];
        let read = Checkpoint::decode(&written(&values, journal.clone()))?;
        assert_eq!(read.about, about());
        assert_eq!(read.position.to_string(), "000003_000017");
        let bits = |journal: &[(Position, Entry)]| match &journal[0].1 {
            Entry::Row(row) => row.values[0].1.to_bits(),
            Entry::Classes { .. } => 0,
        };
        assert_eq!(bits(&read.journal), bits(&journal));
        let (own, other) = (
            read.own(&Vec::new())?,
            read.others.values("other", &Vec::new())?,
        );
        // The fingerprint has the bits of floats.
        assert_eq!(fingerprint(&own)?, fingerprint(&values)?);
        assert_eq!(fingerprint(&other.unwrap())?, fingerprint(&values)?);
        assert!(read.others.values("none", &Vec::new())?.is_none());
        Ok(())
    }

    /// What others hold, too, gets the kept entries; other tensors are new, and lie in memory as
    /// they did.
    #[test]
    fn parameters_are_restored_in_place_and_tensors_in_their_layout() -> Result<()> {
        let _guard = generator();
        let like = Like::default();
        let w = rand(&[3, 2], like)?.leaf()?;
        let options = SgdOptions {
            lr: 0.125,
            momentum: 0.9,
            weight_decay: 0.0,
            nesterov: false,
        };
        let optimizer = Rc::new(Sgd::new(vec![("w".into(), w.clone())], options)?);
        let step = || optimizer.step(&w.square()?.sum()?);
        step()?;
        let layout = rand(&[2, 3, 4, 4], like)?.permute(&[3, 0, 2, 1])?;
        let values = vec![
            ("w".to_owned(), Value::Tensor(w.clone())),
            ("optimizer".to_owned(), Value::Optimizer(optimizer.clone())),
            ("x".to_owned(), Value::Tensor(layout.clone())),
        ];
        let bytes = written(&values, Vec::new());
        step()?;
        let expected = w.copy()?;
        optimizer.set_lr(0.5)?;
        step()?;

        let mut current = values.clone();
        current[2].1 = Value::Tensor(zeros(&[1], like)?);
        let restored = Checkpoint::decode(&bytes)?.own(&current)?;
        assert_eq!(optimizer.lr(), 0.125);
        step()?;
        assert!(w.equal(&expected)?);
        let Value::Tensor(x) = &restored[2].1 else {
            panic!("a tensor was kept")
        };
        assert!(x.equal(&layout)?);
        assert_eq!(x.memory_order(), layout.memory_order());
        Ok(())
    }

    #[test]
    fn damage_is_noticed_before_anything_is_read() {
        let bytes = written(&vec![("n".to_owned(), Value::Int(1))], Vec::new());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let error = Checkpoint::decode(&damaged).err().map(|it| it.to_string());
            assert!(
                error.is_some_and(|it| it.contains("a damaged one")),
                "byte {at}"
            );
        }
        for length in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..length]).is_err());
        }
    }
}
