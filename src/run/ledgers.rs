//! The ledgers of a run.

use crate::Result;
use crate::ledger::{self, About, Ledger};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Opens ledgers in a run's folder; those of a run that is resumed are gone on with.
pub(super) struct Ledgers {
    run: PathBuf,
    /// Whether ledgers from before may lie in the folder.
    resumed: bool,
    /// A second evaluation of a model under a condition takes the place of the first.
    opened: HashSet<PathBuf>,
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
            opened: HashSet::new(),
        }
    }

    /// The ledger of a model and condition: the earlier one if it is of the same weights, data
    /// and threat model, else a new one in its place.
    pub fn open(&mut self, about: About) -> Result<Opened> {
        let path = ledger::path_in(&self.run, &about.model, &about.condition);
        let first = self.opened.insert(path.clone());
        let mut remark = None;
        if self.resumed && first && path.exists() {
            let what = format!("{}, {}", about.model, about.condition);
            match Ledger::read(&path) {
                Ok(mut earlier) if *earlier.about() == about => {
                    earlier.keep_at(path);
                    let (done, all) = (earlier.len(), about.images);
                    return Ok(Opened {
                        ledger: earlier,
                        remark: Some(format!("{what}: {done} of {all} images were done before")),
                    });
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
        let ledger = Ledger::new(about, Some(path))?;
        Ok(Opened { ledger, remark })
    }
}
