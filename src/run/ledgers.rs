//! The ledgers of a run.

use crate::Result;
use crate::files::File;
use crate::ledger::{self, About, Ledger};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens ledgers in a run's folder; those of a run that is resumed are gone on with.
pub(super) struct Ledgers {
    run: PathBuf,
    /// Whether ledgers from before may lie in the folder.
    resumed: bool,
    /// What this run opened, by file.
    opened: HashMap<PathBuf, Latest>,
}

struct Latest {
    about: About,
    superseded: Arc<AtomicBool>,
}

/// A ledger ready for rows, and what a person should know about it.
pub struct Opened {
    pub ledger: Ledger,
    pub remark: Option<String>,
}

impl Ledgers {
    pub fn new(run: &Path, resumed: bool) -> Self {
        Ledgers {
            run: run.to_owned(),
            resumed,
            opened: HashMap::new(),
        }
    }

    /// The ledger of a model and condition: the one of a run that is resumed if it is of the same
    /// weights, data and threat model, else a new one. A model of other weights takes the place
    /// of an earlier one of its name, as after each epoch of a training.
    ///
    /// # Errors
    /// `Invalid` where this run used the names for other data or another threat model.
    pub fn open(&mut self, about: About) -> Result<Opened> {
        let path = ledger::path_in(&self.run, &about.model, &about.condition);
        let what = format!("{}, {}", about.model, about.condition);
        let before = self.opened.get(&path);
        if let Some(Latest { about: before, .. }) = before {
            let mut differing = before.differences(&about);
            differing.retain(|it| it != "weights");
            ensure!(
                differing.is_empty(),
                "this run evaluated `{what}` before with other {}; give one of the two another \
                 `condition` or `name`",
                differing.join(", ")
            );
        }
        let mut remark = None;
        let mut ledger = None;
        if self.resumed && before.is_none() && path.exists() {
            match File::open(&path).and_then(|file| Ledger::read(&file)) {
                Ok(mut earlier) if *earlier.about() == about => {
                    if !earlier.is_complete() {
                        let (done, all) = (earlier.len(), about.images);
                        remark = Some(format!("{what}: {done} of {all} images were done before"));
                    }
                    earlier.keep_at(path.clone());
                    ledger = Some(earlier);
                }
                Ok(earlier) => {
                    let differing = earlier.about().differences(&about).join(", ");
                    remark = Some(format!(
                        "{what}: evaluated again, the rows from before have other {differing}"
                    ));
                }
                Err(error) => remark = Some(format!("{what}: evaluated again, {error}")),
            }
        }
        let ledger = match ledger {
            Some(earlier) => earlier,
            None => Ledger::new(about.clone(), Some(path.clone()))?,
        };
        let latest = Latest {
            about,
            superseded: ledger.superseded(),
        };
        if let Some(before) = self.opened.insert(path, latest) {
            before.superseded.store(true, Ordering::Relaxed);
        }
        Ok(Opened { ledger, remark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Kind;

    fn about(weights: &str, data: &str) -> About {
        About {
            model: "m".into(),
            condition: "clean".into(),
            kind: Kind::Clean,
            attack: None,
            eps: None,
            corruption: None,
            severity: None,
            class_names: vec!["a".into()],
            images: 2,
            real: false,
            seed: 0,
            dtype: "float32".into(),
            weights: weights.into(),
            data_set: "s".into(),
            data: data.into(),
        }
    }

    fn row(example: i64) -> ledger::Row {
        ledger::Row {
            example,
            label: 0,
            prediction: 0,
            real: None,
            loss: 0.0,
            margin: 0.0,
            confidence: 1.0,
            rank: 0,
            linf: None,
            l2: None,
            success: None,
        }
    }

    #[test]
    fn a_ledger_that_was_replaced_writes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledgers = Ledgers::new(folder.path(), false);
        let mut open = |weights| ledgers.open(about(weights, "d")).unwrap().ledger;
        let mut old = open("w");
        old.add(vec![row(0)]).unwrap();
        let mut new = open("v");
        new.add(vec![row(0), row(1)]).unwrap();
        new.write().unwrap();
        drop(old);
        let path = ledger::path_in(folder.path(), "m", "clean");
        let file = File::open(&path).unwrap();
        assert_eq!(Ledger::read(&file).unwrap().len(), 2);
    }

    #[test]
    fn names_mean_one_thing_in_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledgers = Ledgers::new(folder.path(), false);
        ledgers.open(about("w", "d")).unwrap();
        let error = ledgers.open(about("w", "e")).err().unwrap().to_string();
        assert_eq!(
            error,
            "this run evaluated `m, clean` before with other data; give one of the two another \
             `condition` or `name`"
        );
    }
}
