//! What came out of a sweep: means over runs, by the parameters.

use super::grid::Point;
use super::measured::{Measured, Quantity, measured};
use super::plan::{Plan, Run};
use crate::files::write_whole;
use crate::metrics::{Mean, mean_interval};
use crate::report::{Cell, Format, Table};
use crate::run::{Recorded, Status, csv};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const LEVEL: f64 = 0.95;

/// Means over the runs that differ in nothing but the parameters that are averaged over.
pub struct Means {
    script: String,
    /// How many runs the grid has.
    runs: usize,
    unfinished: Vec<String>,
    /// The parameters that are averaged over, and the others.
    over: Vec<String>,
    by: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    of: Quantity,
    /// The values of the other parameters.
    point: Point,
    /// By the names of the runs.
    values: Vec<(String, f64)>,
    /// `None` where a value is not finite.
    mean: Option<Mean>,
}

/// The means over the runs of the sweep in `folder` that have finished.
///
/// # Errors
/// `Invalid` for a parameter to average over that the grid lacks, and for damaged runs.
pub fn means(plan: &Plan, folder: &Path) -> Result<Means> {
    let names = plan.grid.iter().map(|axis| axis.name.as_str());
    for name in &plan.over {
        ensure!(
            names.clone().any(|it| it == name),
            "--over {name}: the grid has no parameter `{name}`, only {}",
            names.collect::<Vec<_>>().join(", ")
        );
    }
    let (mut finished, mut unfinished) = (Vec::new(), Vec::new());
    for run in plan.runs()? {
        let place = folder.join(&run.name);
        match Recorded::read(&place) {
            Ok(recorded) if recorded.status == Status::Finished => {
                let names: Vec<&str> = names.clone().collect();
                let numbers = plain_conditions(measured(&place)?, &names, &recorded.parameters);
                finished.push((run, numbers));
            }
            _ => unfinished.push(run.name),
        }
    }
    let (over, by) = names
        .map(str::to_owned)
        .partition(|it| plan.over.contains(it));
    Ok(Means {
        script: plan.script.display().to_string(),
        runs: finished.len() + unfinished.len(),
        unfinished,
        rows: rows(finished, &plan.over)?,
        over,
        by,
    })
}

/// Leaves out of conditions what says the value of a parameter of the grid, as in `pgd, eps 0.03`:
/// so that the runs of all values have one name for it, and the table says the value.
fn plain_conditions(
    mut numbers: Vec<Measured>,
    names: &[&str],
    parameters: &Map<String, Value>,
) -> Vec<Measured> {
    let said = |part: &&str| {
        let Some((name, text)) = part.rsplit_once(' ') else {
            return false;
        };
        let value = parameters.get(name).and_then(Value::as_f64);
        let number = text.parse::<f64>().ok();
        // Conditions round.
        let same = value
            .zip(number)
            .is_some_and(|(a, b)| (a - b).abs() <= 1e-4 * a.abs());
        names.contains(&name) && same
    };
    let plain = |condition: &str| {
        let parts = condition.split(", ").filter(|part| !said(part));
        parts.collect::<Vec<_>>().join(", ")
    };
    let conditions: BTreeSet<String> = numbers.iter().map(|it| it.of.condition.clone()).collect();
    for Measured { of, .. } in &mut numbers {
        let shorter = plain(&of.condition);
        // A run may evaluate at this value by another name, at that of another parameter, or under
        // nothing else.
        let alike = conditions.iter().filter(|it| plain(it) == shorter);
        if !shorter.is_empty() && alike.count() == 1 {
            of.condition = shorter;
        }
    }
    numbers
}

/// A row for each quantity and point, in the order of first mention.
fn rows(runs: Vec<(Run, Vec<Measured>)>, over: &[String]) -> Result<Vec<Row>> {
    let mut quantities: Vec<(Quantity, Vec<Row>)> = Vec::new();
    for (run, numbers) in runs {
        let of_run = run.point.into_iter();
        let point: Point = of_run.filter(|(name, _)| !over.contains(name)).collect();
        for Measured { of, value } in numbers {
            let at = quantities.iter().position(|it| it.0 == of);
            let at = at.unwrap_or_else(|| {
                quantities.push((of.clone(), Vec::new()));
                quantities.len() - 1
            });
            let rows = &mut quantities[at].1;
            let value = (run.name.clone(), value);
            match rows.iter_mut().find(|row| row.point == point) {
                Some(row) => row.values.push(value),
                None => rows.push(Row {
                    of,
                    point: point.clone(),
                    values: vec![value],
                    mean: None,
                }),
            }
        }
    }
    let mut rows: Vec<Row> = quantities.into_iter().flat_map(|it| it.1).collect();
    for row in &mut rows {
        let values: Vec<f64> = row.values.iter().map(|it| it.1).collect();
        if values.iter().all(|value| value.is_finite()) {
            row.mean = mean_interval(&values, LEVEL)?;
        }
    }
    Ok(rows)
}

impl Row {
    /// Mean, deviation and the two limits.
    fn numbers(&self) -> [Option<f64>; 4] {
        let mean = self.mean.as_ref();
        let limits = mean.and_then(|it| it.limits);
        [
            mean.map(|it| it.mean),
            mean.and_then(|it| it.deviation),
            limits.map(|it| it.low),
            limits.map(|it| it.high),
        ]
    }
}

impl Means {
    /// Writes `table.txt`, `table.csv` and `table.json` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let text = self.table()?.to_string();
        write_whole(&folder.join("table.txt"), text.as_bytes())?;
        write_whole(&folder.join("table.csv"), &self.csv()?)?;
        let json = serde_json::to_string_pretty(&self.json());
        let json = json.map_err(|error| Error::invalid(error.to_string()))?;
        write_whole(&folder.join("table.json"), (json + "\n").as_bytes())
    }

    /// For people: what is summed up by other numbers is left out.
    pub fn table(&self) -> Result<Table> {
        let columns = ["n", "mean", "deviation", "95 % from", "to"].map(str::to_owned);
        let done = self.runs - self.unfinished.len();
        let over = match self.over.is_empty() {
            true => String::new(),
            false => format!(", means over {}", self.over.join(", ")),
        };
        let title = format!("{}: {done} of {} runs{over}", self.script, self.runs);
        let mut table = Table::new(title, columns.to_vec());
        let mut before = None;
        for row in self.rows.iter().filter(|row| !row.of.detail) {
            if before != Some(&row.of) {
                table.heading(heading(&row.of));
                before = Some(&row.of);
            }
            let format = if row.of.share {
                Format::Percent
            } else {
                Format::Plain
            };
            let n = Cell::plain(Some(row.values.len() as f64));
            let numbers = row.numbers().map(|number| Cell::number(number, format));
            table.row(label(&row.point), [n].into_iter().chain(numbers).collect())?;
        }
        if self.rows.is_empty() {
            table.note("No run that finished has logged anything or evaluated a model.");
        } else {
            table.note(
                "n runs; their mean; their sample deviation (n - 1); and where the mean of \
                 endlessly many such runs lies, by Student's t with n - 1 degrees of freedom. It \
                 says how far the runs move, not how far other test images would move them.",
            );
        }
        if !self.unfinished.is_empty() {
            let names = self.unfinished.join(", ");
            table.note(format!("Not finished, and not counted: {names}."));
        }
        Ok(table)
    }

    fn csv(&self) -> Result<Vec<u8>> {
        let by = self.by.iter().map(String::as_str);
        let header: Vec<&str> = ["model", "condition", "metric"]
            .into_iter()
            .chain(by)
            .chain(["n", "mean", "deviation", "low", "high"])
            .collect();
        let rows = self.rows.iter().map(|row| {
            let Quantity {
                model,
                condition,
                metric,
                ..
            } = &row.of;
            let of = [model, condition, metric].into_iter().cloned();
            let point = row.point.iter().map(|(_, value)| value.clone());
            let n = [row.values.len().to_string()];
            let numbers = row.numbers().map(csv::number);
            of.chain(point).chain(n).chain(numbers).collect()
        });
        csv::encode(&header, rows)
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let text = |(name, value): &(String, String)| (name.clone(), value.clone().into());
            let parameters: Map<String, Value> = row.point.iter().map(text).collect();
            let number = |(name, value): &(String, f64)| (name.clone(), (*value).into());
            let runs: Map<String, Value> = row.values.iter().map(number).collect();
            let [mean, deviation, low, high] = row.numbers();
            json!({
                "model": row.of.model,
                "condition": row.of.condition,
                "metric": row.of.metric,
                "parameters": parameters,
                "n": row.values.len(),
                "mean": mean,
                "deviation": deviation,
                "low": low,
                "high": high,
                "runs": runs,
            })
        });
        json!({
            "script": self.script,
            "over": self.over,
            "level": LEVEL,
            "unfinished": self.unfinished,
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// `Adv: error, clean, in %`
fn heading(of: &Quantity) -> String {
    let model = match of.model.is_empty() {
        true => String::new(),
        false => format!("{}: ", of.model),
    };
    let unit = if of.share { ", in %" } else { "" };
    format!("{model}{}, {}{unit}", of.metric, of.condition)
}

fn label(point: &Point) -> String {
    let parts = point.iter().map(|(name, value)| format!("{name} {value}"));
    match point.is_empty() {
        true => "all runs".to_owned(),
        false => parts.collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Manifest, Measurement, Record};
    use std::fs;

    /// A sweep whose runs logged `numbers`, in the order of the grid; `None` did not finish.
    fn sweep(grid: &[&str], over: &[&str], numbers: &[Option<f64>]) -> (Plan, tempfile::TempDir) {
        let grid = grid.iter().map(|text| text.parse().unwrap()).collect();
        let plan = Plan {
            over: over.iter().map(|it| (*it).to_owned()).collect(),
            ..Plan::new("s.rhai".into(), "/".into(), grid)
        };
        let folder = tempfile::tempdir().unwrap();
        for (run, number) in plan.runs().unwrap().iter().zip(numbers) {
            let place = folder.path().join(&run.name);
            let mut record = Record::create(&place, Manifest::default()).unwrap();
            let Some(number) = number else { continue };
            let measurement = Measurement {
                kind: "final".into(),
                model: "a".into(),
                values: vec![("loss".into(), *number)],
                ..Measurement::default()
            };
            record.log(measurement).unwrap();
            record.end(crate::run::Ending::Finished).unwrap();
        }
        (plan, folder)
    }

    #[test]
    fn means_over_seeds_by_the_other_parameters() {
        let numbers = [1.0, 3.0, 2.0, 2.0].map(Some);
        let (plan, folder) = sweep(&["delta=0.1,0.2", "seed=0..2"], &["seed"], &numbers);
        let means = means(&plan, folder.path()).unwrap();
        means.save(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        // For two values t is tan(0.95 pi / 2) = 12.7062, times s / sqrt(2) = 1.
        let text = read("table.txt");
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[0], "s.rhai: 4 of 4 runs, means over seed");
        for line in [
            "a: loss, final",
            "delta 0.1 2 2 1.414 -10.71 14.71",
            "delta 0.2 2 2 0 2 2",
        ] {
            assert!(
                lines.iter().any(|it| it == line),
                "{line:?} is not in\n{text}"
            );
        }
        let table = read("table.csv");
        let mut lines = table.lines();
        assert_eq!(
            lines.next(),
            Some("model,condition,metric,delta,n,mean,deviation,low,high")
        );
        let first: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(
            first[..7],
            [
                "a",
                "final",
                "loss",
                "0.1",
                "2",
                "2.0",
                "1.4142135623730951"
            ]
        );
        assert_eq!(lines.next(), Some("a,final,loss,0.2,2,2.0,0.0,2.0,2.0"));
        let json: Value = serde_json::from_str(&read("table.json")).unwrap();
        let row = &json["rows"][0];
        assert_eq!(row["parameters"]["delta"], "0.1");
        assert_eq!(row["runs"]["delta=0.1_seed=1"], 3.0);
        assert!((row["high"].as_f64().unwrap() - 14.706_204_736_174_7).abs() < 1e-9);
    }

    #[test]
    fn a_condition_does_not_repeat_a_parameter_of_the_grid() {
        let parameters = json!({ "eps": 8.0 / 255.0, "steps": 5 });
        let short_by = |names: &[&str], conditions: &[&str]| {
            let all = conditions.iter().map(|condition| Measured {
                of: Quantity {
                    model: "a".into(),
                    condition: (*condition).into(),
                    metric: "error".into(),
                    share: true,
                    detail: false,
                },
                value: 0.5,
            });
            let all = plain_conditions(all.collect(), names, parameters.as_object().unwrap());
            let all = all.into_iter().map(|it| it.of.condition);
            all.collect::<Vec<_>>().join("; ")
        };
        let short = |conditions: &[&str]| short_by(&["eps"], conditions);
        assert_eq!(
            short(&[
                "clean",
                "pgd, eps 0.03137254901960784, ReaL",
                "PGD-5, eps 0.031373"
            ]),
            "clean; pgd, ReaL; PGD-5"
        );
        assert_eq!(short(&["pgd, eps 0.03, steps 5"]), "pgd, eps 0.03, steps 5");
        assert_eq!(
            short(&["pgd", "pgd, eps 0.031373"]),
            "pgd; pgd, eps 0.031373"
        );
        // Two conditions do not become one.
        let two = ["pgd, eps 0.031373", "pgd, steps 5"];
        assert_eq!(short_by(&["eps", "steps"], &two), two.join("; "));
    }

    #[test]
    fn one_run_has_no_deviation_and_an_unfinished_one_is_named() {
        let numbers = [Some(1.0), None, Some(f64::NAN)];
        let (plan, folder) = sweep(&["lr=1,2,3"], &[], &numbers);
        let means = means(&plan, folder.path()).unwrap();
        assert_eq!(
            String::from_utf8(means.csv().unwrap()).unwrap(),
            "model,condition,metric,lr,n,mean,deviation,low,high\n\
             a,final,loss,1,1,1.0,,,\na,final,loss,3,1,,,,\n"
        );
        let text = means.table().unwrap().to_string();
        assert!(text.contains("s.rhai: 2 of 3 runs\n"), "{text}");
        assert!(text.contains("not counted: lr=2."), "{text}");
    }

    #[test]
    fn all_parameters_may_be_averaged_over_and_only_those() {
        let numbers = [1.0, 3.0].map(Some);
        let (mut plan, folder) = sweep(&["seed=0..2"], &["seed"], &numbers);
        let text = means(&plan, folder.path()).unwrap().table().unwrap();
        assert!(text.to_string().contains("all runs"), "{text}");
        plan.over = vec!["sead".into()];
        let error = means(&plan, folder.path()).err().unwrap().to_string();
        assert_eq!(
            error,
            "--over sead: the grid has no parameter `sead`, only seed"
        );
    }
}
