//! What came out of a run: every number of its tables, and a hash of every file.

use crate::files::{Folder, LARGEST_TEXT};
use crate::run::Recorded;
use crate::{Error, Result, ledger};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Numbers are kept as they are written, which tells all their bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    pub numbers: Vec<Numbers>,
    /// BLAKE3 of ledgers and of what the script wrote, by their paths in the run's folder.
    pub files: BTreeMap<String, String>,
}

/// One metric of one model: how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// What was measured, such as `step`, or a condition.
    pub kind: String,
    pub model: String,
    pub metric: String,
    /// Where, and the number.
    pub values: Vec<(String, String)>,
}

/// A table of a run, and which of its columns tell what and whose its numbers are, and where.
struct Layout {
    file: &'static str,
    kind: usize,
    model: usize,
    places: &'static [usize],
    /// The columns before the numbers.
    before: usize,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        file: "metrics.csv",
        kind: 0,
        model: 1,
        places: &[2, 3],
        before: 4,
    },
    Layout {
        file: "classes.csv",
        kind: 1,
        model: 0,
        places: &[3],
        before: 4,
    },
];

impl Results {
    /// Those of the run in `folder`.
    ///
    /// # Errors
    /// `Invalid` with the file that is damaged.
    pub fn read(folder: &Folder, recorded: &Recorded) -> Result<Results> {
        let mut results = Results::default();
        for layout in &LAYOUTS {
            if folder.has_file(layout.file)? {
                let text = folder.file(layout.file)?.text(LARGEST_TEXT)?;
                let checked = recorded.check_result(layout.file, text.as_bytes());
                checked.map_err(|it| it.context(folder.shown(layout.file).display()))?;
                let read = results.add(layout, &text);
                read.map_err(|error| damaged(&folder.shown(layout.file), &error))?;
            } else {
                let lacks = recorded.check_lacks(layout.file);
                lacks.map_err(|it| it.context(folder.shown(layout.file).display()))?;
            }
        }
        for file in ledger::files(folder)? {
            let hash = folder.file(&file)?.hash()?.to_hex().to_string();
            results.files.insert(file.display().to_string(), hash);
        }
        for output in &recorded.outputs {
            let path = output.path.display().to_string();
            results.files.insert(path, output.blake3.clone());
        }
        Ok(results)
    }

    fn add(&mut self, layout: &Layout, text: &str) -> std::result::Result<(), csv::Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers()?.clone();
        let mut known: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        let named = |row: &csv::StringRecord, at: usize| match &row[at] {
            "" => None,
            value => Some(format!("{} {value}", &columns[at])),
        };
        for row in reader.records() {
            let row = row?;
            if row.len() < layout.before {
                continue;
            }
            let places = layout.places.iter().filter_map(|&at| named(&row, at));
            let place = places.collect::<Vec<_>>().join(", ");
            let (kind, model) = (&row[layout.kind], &row[layout.model]);
            for (metric, value) in columns.iter().zip(&row).skip(layout.before) {
                if value.is_empty() {
                    continue;
                }
                let key = (kind.to_owned(), model.to_owned(), metric.to_owned());
                let at = *known.entry(key.clone()).or_insert_with(|| {
                    let (kind, model, metric) = key;
                    self.numbers.push(Numbers {
                        kind,
                        model,
                        metric,
                        values: Vec::new(),
                    });
                    self.numbers.len() - 1
                });
                let values = &mut self.numbers[at].values;
                values.push((place.clone(), value.to_owned()));
            }
        }
        Ok(())
    }
}

fn damaged(path: &Path, error: &csv::Error) -> Error {
    Error::invalid(format!("{} is damaged: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_name_and_a_place() {
        let mut results = Results::default();
        let metrics = "kind,model,epoch,step,loss,error\nstep,a,0,1,2.5,\nstep,a,0,2,0.1,\n\
                       clean,a,,,,0.25\n";
        results.add(&LAYOUTS[0], metrics).unwrap();
        let classes = "model,condition,class,name,images,errors,error\na,clean,0,cat,4,1,0.25\n";
        results.add(&LAYOUTS[1], classes).unwrap();
        let told: Vec<String> = results
            .numbers
            .iter()
            .map(|it| format!("{} {} {} {:?}", it.kind, it.model, it.metric, it.values))
            .collect();
        assert_eq!(
            told,
            [
                r#"step a loss [("epoch 0, step 1", "2.5"), ("epoch 0, step 2", "0.1")]"#,
                r#"clean a error [("", "0.25")]"#,
                r#"clean a images [("name cat", "4")]"#,
                r#"clean a errors [("name cat", "1")]"#,
                r#"clean a error [("name cat", "0.25")]"#,
            ]
        );
    }
}
