//! The rows of `metrics.csv`.

use super::csv;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The columns that every row has; the metrics follow, in the order of first mention.
const COLUMNS: [&str; 4] = ["kind", "model", "epoch", "step"];

/// Some metrics of one model at one point of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `step`, `epoch`, or a word of the script's.
    pub kind: String,
    pub model: String,
    pub epoch: Option<i64>,
    pub step: Option<i64>,
    #[serde(with = "bits")]
    pub values: Vec<(String, f64)>,
}

/// The values by their bits: some are no numbers, which JSON does not know.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(
        values: &[(String, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|(name, value)| (name, value.to_bits())))
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<(String, f64)>, D::Error> {
        let stored = Vec::<(String, u64)>::deserialize(from)?;
        let named = stored.into_iter();
        Ok(named
            .map(|(name, bits)| (name, f64::from_bits(bits)))
            .collect())
    }
}

/// All rows so far. They stay in memory, because a metric that comes up late widens them all.
#[derive(Default)]
pub struct Measurements {
    metrics: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    /// The fields of `COLUMNS`.
    place: [String; COLUMNS.len()],
    /// In the order of the metrics, as far as this row has any.
    values: Vec<Option<f64>>,
}

impl Measurements {
    pub fn add(&mut self, measurement: Measurement) -> Result<()> {
        let Measurement {
            kind,
            model,
            epoch,
            step,
            values,
        } = measurement;
        ensure!(!kind.is_empty(), "`kind` must not be empty");
        for (name, _) in &values {
            ensure!(!name.is_empty(), "a metric must have a name");
            ensure!(
                !COLUMNS.contains(&name.as_str()),
                "a metric must not be named `{name}`: metrics.csv has a column of that name"
            );
        }
        let mut row = Row {
            place: [kind, model, csv::integer(epoch), csv::integer(step)],
            values: Vec::new(),
        };
        for (name, value) in values {
            let column = self.column(name);
            if row.values.len() <= column {
                row.values.resize(column + 1, None);
            }
            row.values[column] = Some(value);
        }
        self.rows.push(row);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn encode(&self) -> Result<Vec<u8>> {
        let metrics = self.metrics.iter().map(String::as_str);
        let header: Vec<&str> = COLUMNS.into_iter().chain(metrics).collect();
        let rows = self.rows.iter().map(|row| {
            let value = |column| csv::number(row.values.get(column).copied().flatten());
            let values = (0..self.metrics.len()).map(value);
            row.place.iter().cloned().chain(values).collect()
        });
        csv::encode(&header, rows)
    }

    fn column(&mut self, name: String) -> usize {
        let known = self.metrics.iter().position(|metric| *metric == name);
        known.unwrap_or_else(|| {
            self.metrics.push(name);
            self.metrics.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(kind: &str, step: Option<i64>, values: &[(&str, f64)]) -> Measurement {
        let named = values.iter().map(|(name, value)| ((*name).into(), *value));
        Measurement {
            kind: kind.into(),
            model: "adv".into(),
            epoch: Some(1),
            step,
            values: named.collect(),
        }
    }

    #[test]
    fn a_late_metric_widens_all_rows() {
        let mut all = Measurements::default();
        all.add(measurement("step", Some(1), &[("loss", 2.5)]))
            .unwrap();
        all.add(measurement("epoch", None, &[("error", 0.1), ("loss", 2.0)]))
            .unwrap();
        all.add(measurement("note", None, &[])).unwrap();
        let text = String::from_utf8(all.encode().unwrap()).unwrap();
        let expected = "kind,model,epoch,step,loss,error\n\
                        step,adv,1,1,2.5,\nepoch,adv,1,,2.0,0.1\nnote,adv,1,,,\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn refuses_names_that_are_taken_or_empty() {
        let mut all = Measurements::default();
        let mut refused = |it| -> String { all.add(it).unwrap_err().to_string() };
        assert_eq!(
            refused(measurement("step", None, &[("loss", 1.0), ("epoch", 1.0)])),
            "a metric must not be named `epoch`: metrics.csv has a column of that name"
        );
        assert!(refused(measurement("", None, &[])).contains("`kind`"));
        assert!(refused(measurement("step", None, &[("", 1.0)])).contains("name"));
        assert_eq!(all.encode().unwrap(), b"kind,model,epoch,step\n");
    }
}
