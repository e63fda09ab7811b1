//! All that a report is about: the runs, and the models in them.

use super::condition::Condition;
use super::name::{rank, run_names};
use super::read::RunFolder;
use crate::Result;
use crate::ledger::Kind;
use crate::metrics::{
    CORRUPTIONS, CorruptionError, CorruptionTable, SEVERITIES, corruption_table,
    mean_corruption_error,
};
use std::cmp::Reverse;
use std::mem;

pub struct Study {
    pub runs: Vec<RunFolder>,
    /// What each run is called.
    pub run_names: Vec<String>,
    pub models: Vec<Model>,
    pub class_names: Vec<String>,
}

/// A model of one run.
pub struct Model {
    /// As its run calls it, and where another run has one of that name, with the run's.
    pub name: String,
    /// As its run calls it.
    pub own_name: String,
    pub run: usize,
    /// Its colour.
    pub slot: usize,
    pub conditions: Vec<Condition>,
}

/// Up to so many models are each compared with each.
const ALL_PAIRS: usize = 4;

impl Study {
    /// # Errors
    /// `Invalid` where a run comes twice, or runs differ in their classes.
    pub fn new(mut runs: Vec<RunFolder>) -> Result<Self> {
        let folders: Vec<_> = runs.iter().map(|it| it.folder.clone()).collect();
        let names = run_names(&folders);
        for (at, name) in names.iter().enumerate() {
            ensure!(
                !names[..at].contains(name),
                "the run {} must be given once",
                folders[at].display()
            );
        }
        let class_names = same_classes(&runs)?;
        let mut models = Vec::new();
        for (run, folder) in runs.iter_mut().enumerate() {
            add_models(&mut models, run, mem::take(&mut folder.conditions));
        }
        models.sort_by_key(|it: &Model| rank(&it.own_name));
        let own: Vec<String> = models.iter().map(|it| it.own_name.clone()).collect();
        for (slot, model) in models.iter_mut().enumerate() {
            model.slot = slot;
            if own.iter().filter(|it| **it == model.own_name).count() > 1 {
                model.name = format!("{} ({})", model.own_name, names[model.run]);
            }
        }
        Ok(Study {
            runs,
            run_names: names,
            models,
            class_names,
        })
    }

    /// The models that were measured under a condition, with it.
    pub fn under(&self, condition: &str) -> Vec<(&Model, &Condition)> {
        let models = self.models.iter();
        models
            .filter_map(|it| Some((it, it.condition(condition)?)))
            .collect()
    }

    /// The names of conditions besides corruptions: clean, then the attacks, those that are alike
    /// by their radius.
    pub fn conditions(&self) -> Vec<&str> {
        let all = self.models.iter().flat_map(|it| &it.conditions);
        let mut all: Vec<&Condition> = all.filter(|it| it.about.kind != Kind::Corruption).collect();
        let key = |it: &Condition| {
            let attack = it.about.attack.as_ref();
            let option = |key: &str| attack.and_then(|it| it.get(key));
            let text = |key: &str| option(key).and_then(|it| it.as_str()).map(str::to_owned);
            let steps = option("steps").and_then(|it| it.as_u64());
            let attacked = it.about.kind != Kind::Clean;
            (attacked, text("attack"), text("norm"), steps)
        };
        let eps = |it: &Condition| it.about.eps.unwrap_or(f64::INFINITY);
        all.sort_by(|x, y| key(x).cmp(&key(y)).then(eps(x).total_cmp(&eps(y))));
        let mut names: Vec<&str> = Vec::new();
        for it in all {
            if !names.contains(&it.name()) {
                names.push(it.name());
            }
        }
        names
    }

    /// The clean condition, where there is one.
    pub fn clean(&self) -> Option<&str> {
        self.of_kind(Kind::Clean).first().copied()
    }

    /// The attack that the page shows in detail: the paper's, else the one that most models
    /// were measured under, of several that of the shortest name: a sweep over radii has longer
    /// ones.
    pub fn attack(&self) -> Option<&str> {
        let attacks = self.of_kind(Kind::Attack);
        let published = attacks.iter().find(|it| **it == "PGD-40").copied();
        let key = |name: &&&str| (self.under(name).len(), Reverse(name.len()));
        published.or_else(|| attacks.iter().max_by_key(key).copied())
    }

    /// Those of `clean` and `attack` that there are.
    pub fn main_conditions(&self) -> Vec<&str> {
        self.clean().into_iter().chain(self.attack()).collect()
    }

    /// The models to compare, B after A in their order: each with each, or where that is too
    /// much, each with the one before it.
    pub fn pairs(&self) -> Vec<(&Model, &Model)> {
        let n = self.models.len();
        let all = (0..n).flat_map(|b| (0..b).map(move |a| (a, b)));
        let some = all.filter(|(a, b)| n <= ALL_PAIRS || b - a == 1);
        some.map(|(a, b)| (&self.models[a], &self.models[b]))
            .collect()
    }

    fn of_kind(&self, kind: Kind) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for it in self.models.iter().flat_map(|it| &it.conditions) {
            if it.about.kind == kind && !names.contains(&it.name()) {
                names.push(it.name());
            }
        }
        names
    }
}

impl Model {
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.name() == name)
    }

    /// The errors under each corruption by severity, as far as they were measured.
    pub fn corruption_errors(&self) -> Vec<(String, [Option<f64>; SEVERITIES])> {
        let mut rows: Vec<(String, [Option<f64>; SEVERITIES])> = Vec::new();
        for it in &self.conditions {
            let about = &it.about;
            let (Some(name), Some(severity)) = (&about.corruption, about.severity) else {
                continue;
            };
            let Some(column) = usize::from(severity)
                .checked_sub(1)
                .filter(|at| *at < SEVERITIES)
            else {
                continue;
            };
            let at = rows.iter().position(|row| row.0 == *name);
            let at = at.unwrap_or_else(|| {
                rows.push((name.clone(), [None; SEVERITIES]));
                rows.len() - 1
            });
            rows[at].1[column] = it.evaluation.error();
        }
        rows
    }

    /// The mCE and the plain mean, where all 15 corruptions have all severities.
    ///
    /// # Errors
    /// As `mean_corruption_error`.
    pub fn corruption_error(&self) -> Result<Option<CorruptionError>> {
        let errors = self.corruption_errors();
        let row = |name: &str| -> Option<Vec<f64>> {
            let row = errors.iter().find(|it| it.0 == name)?.1;
            row.into_iter().collect()
        };
        let rows: Option<Vec<Vec<f64>>> = CORRUPTIONS.iter().map(|it| row(it.0)).collect();
        rows.map(|rows| mean_corruption_error(&rows)).transpose()
    }

    /// The table of the corruptions that have all severities; `None` where no one has.
    ///
    /// # Errors
    /// As `corruption_table`.
    pub fn corruption_table(&self, clean: Option<&str>) -> Result<Option<CorruptionTable>> {
        let whole = |(name, row): (String, [Option<f64>; SEVERITIES])| {
            let row: Option<Vec<f64>> = row.into_iter().collect();
            Some((name, row?))
        };
        let errors: Vec<(String, Vec<f64>)> = self
            .corruption_errors()
            .into_iter()
            .filter_map(whole)
            .collect();
        if errors.is_empty() {
            return Ok(None);
        }
        let clean = clean.and_then(|it| self.clean_error_of_corrupted(it));
        corruption_table(&errors, clean).map(Some)
    }

    /// The clean error of the examples that were corrupted, which may be a part of all; `None`
    /// where none of them was looked at clean.
    fn clean_error_of_corrupted(&self, clean: &str) -> Option<f64> {
        let corrupted = self.conditions.iter();
        let corrupted = corrupted.filter(|it| it.about.kind == Kind::Corruption);
        let examples = corrupted.flat_map(|it| &it.examples).copied().collect();
        let (wrong, all) = self.condition(clean)?.errors_among(&examples);
        (all > 0).then(|| wrong as f64 / all as f64)
    }
}

fn add_models(models: &mut Vec<Model>, run: usize, conditions: Vec<Condition>) {
    for condition in conditions {
        let name = condition.about.model.clone();
        let known = models
            .iter_mut()
            .find(|it| it.run == run && it.own_name == name);
        match known {
            Some(model) => model.conditions.push(condition),
            None => models.push(Model {
                name: name.clone(),
                own_name: name,
                run,
                slot: 0,
                conditions: vec![condition],
            }),
        }
    }
}

/// The classes that all ledgers have.
fn same_classes<'a>(runs: &'a [RunFolder]) -> Result<Vec<String>> {
    let all = || {
        let of_run = |run: &'a RunFolder| {
            let RunFolder {
                folder, conditions, ..
            } = run;
            conditions
                .iter()
                .map(move |it| (folder, &it.about.class_names))
        };
        runs.iter().flat_map(of_run)
    };
    let Some((first, names)) = all().next() else {
        return Ok(Vec::new());
    };
    if let Some((other, others)) = all().find(|it| it.1 != names) {
        let differs = names.iter().zip(others).find(|(a, b)| a != b);
        let how = match differs {
            _ if names.len() != others.len() => {
                format!("{} and {} classes", names.len(), others.len())
            }
            Some((a, b)) => format!("`{a}` in the place of `{b}`"),
            None => "other names".to_owned(),
        };
        bail!(
            "runs must have the same classes to stand on one page, {} and {} have {how}; report \
             on them one by one",
            first.display(),
            other.display()
        );
    }
    Ok(names.clone())
}
