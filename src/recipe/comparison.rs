//! What one run gave beside another: number by number.

use super::results::{Numbers, Results};
use crate::report::thousands;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// How far results are from those that were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// To the last bit.
    Identical,
    /// Numbers are within the tolerance.
    Within,
    Different,
}

#[derive(Clone, Debug)]
pub struct Comparison {
    pub rows: Vec<Row>,
    pub files: Vec<FileRow>,
    tolerance: f64,
}

/// One metric of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Such as `step a loss`.
    pub name: String,
    pub values: usize,
    pub identical: usize,
    /// Expected values without a counterpart, and the other way round.
    pub missing: usize,
    pub more: usize,
    /// Where the two are farthest apart: the place, what was expected, what came.
    pub farthest: Option<(String, String, String)>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    pub path: String,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Identical,
    Other,
    Missing,
    More,
}

impl Comparison {
    /// A number may be apart from the expected one by `tolerance`, times that one where it is
    /// larger than 1.
    pub fn new(expected: &Results, found: &Results, tolerance: f64) -> Comparison {
        let key = |it: &Numbers| (it.kind.clone(), it.model.clone(), it.metric.clone());
        // Two tables can have a metric of one name; they go in order.
        let mut others: BTreeMap<_, VecDeque<&Numbers>> = BTreeMap::new();
        for numbers in &found.numbers {
            others.entry(key(numbers)).or_default().push_back(numbers);
        }
        let mut rows = Vec::new();
        for numbers in &expected.numbers {
            let of_key = others.get_mut(&key(numbers));
            let other = of_key.and_then(VecDeque::pop_front);
            rows.push(row(Some(numbers), other, tolerance));
        }
        let more = others.into_values().flatten();
        rows.extend(more.map(|it| row(None, Some(it), tolerance)));

        let mut files = Vec::new();
        for (path, hash) in &expected.files {
            let state = match found.files.get(path) {
                Some(other) if other == hash => State::Identical,
                Some(_) => State::Other,
                None => State::Missing,
            };
            let path = path.clone();
            files.push(FileRow { path, state });
        }
        let more = found
            .files
            .keys()
            .filter(|it| !expected.files.contains_key(*it));
        files.extend(more.map(|path| FileRow {
            path: path.clone(),
            state: State::More,
        }));
        Comparison {
            rows,
            files,
            tolerance,
        }
    }

    /// Files count only where numbers must be identical: one other bit of a weight makes another
    /// file.
    pub fn verdict(&self) -> Verdict {
        let numbers = self.rows.iter().map(|it| it.verdict).max();
        let numbers = numbers.unwrap_or(Verdict::Identical);
        let lost = |it: &FileRow| matches!(it.state, State::Missing | State::More);
        if self.files.iter().any(lost) {
            return Verdict::Different;
        }
        let same_files = self.files.iter().all(|it| it.state == State::Identical);
        match (numbers, same_files) {
            (numbers, true) => numbers,
            (Verdict::Different, false) => Verdict::Different,
            (_, false) if self.tolerance > 0.0 => Verdict::Within,
            (_, false) => Verdict::Different,
        }
    }
}

fn row(expected: Option<&Numbers>, found: Option<&Numbers>, tolerance: f64) -> Row {
    let named = expected
        .or(found)
        .map(|it| [&it.kind, &it.model, &it.metric]);
    let words = named.into_iter().flatten().filter(|it| !it.is_empty());
    let words: Vec<&str> = words.map(String::as_str).collect();
    let values = |it: Option<&Numbers>| it.map_or(Vec::new(), |it| it.values.clone());
    // A place can have several values; they go in order.
    let mut others: BTreeMap<String, VecDeque<String>> = BTreeMap::new();
    for (place, value) in values(found) {
        others.entry(place).or_default().push_back(value);
    }
    let mut row = Row {
        name: words.join(" "),
        values: 0,
        identical: 0,
        missing: 0,
        more: 0,
        farthest: None,
        verdict: Verdict::Identical,
    };
    let mut largest = 0.0;
    for (place, wanted) in values(expected) {
        let Some(came) = others.get_mut(&place).and_then(VecDeque::pop_front) else {
            row.missing += 1;
            continue;
        };
        row.values += 1;
        if wanted == came {
            row.identical += 1;
            continue;
        }
        let apart = apart(&wanted, &came);
        row.verdict = row.verdict.max(match apart <= tolerance {
            true => Verdict::Within,
            false => Verdict::Different,
        });
        if row.farthest.is_none() || apart > largest {
            largest = apart;
            row.farthest = Some((place, wanted, came));
        }
    }
    row.more = others.values().map(VecDeque::len).sum();
    if row.missing + row.more > 0 {
        row.verdict = Verdict::Different;
    }
    row
}

/// In units of the expected number where that is larger than 1.
fn apart(wanted: &str, came: &str) -> f64 {
    match (wanted.parse::<f64>(), came.parse::<f64>()) {
        (Ok(wanted), Ok(came)) => {
            let apart = (wanted - came).abs() / wanted.abs().max(1.0);
            if apart.is_nan() { f64::INFINITY } else { apart }
        }
        _ => f64::INFINITY,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Verdict::Identical => "identical",
            Verdict::Within => "within the tolerance",
            Verdict::Different => "different",
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        if let Some((place, wanted, came)) = &self.farthest {
            let others = self.values - self.identical;
            let of = thousands(self.values);
            write!(
                f,
                ", {} of {of} differ: expected {wanted}, got {came}",
                thousands(others)
            )?;
            if !place.is_empty() {
                write!(f, " ({place})")?;
            }
        }
        if self.missing > 0 {
            write!(f, ", {} are missing", thousands(self.missing))?;
        }
        if self.more > 0 {
            write!(f, ", {} were not expected", thousands(self.more))?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let files = self.files.iter().map(|it| {
            let state = match it.state {
                State::Identical => "identical",
                State::Other => "other content",
                State::Missing => "missing",
                State::More => "was not expected",
            };
            (it.path.clone(), state.to_owned())
        });
        let numbers = self.rows.iter().map(|it| {
            let count = thousands(it.values.max(it.missing).max(it.more));
            let values = if count == "1" { "value" } else { "values" };
            (it.name.clone(), format!("{count} {values}, {it}"))
        });
        let lines: Vec<(String, String)> = numbers.chain(files).collect();
        let width = lines.iter().map(|(name, _)| name.chars().count()).max();
        let width = width.unwrap_or(0);
        for (name, text) in &lines {
            writeln!(f, "{name:width$}  {text}")?;
        }
        match (self.verdict(), lines.is_empty()) {
            (_, true) => writeln!(f, "there are no results to compare"),
            (Verdict::Identical, _) => writeln!(f, "all results are identical"),
            (Verdict::Within, _) => writeln!(
                f,
                "all numbers are within the tolerance of {:?}",
                self.tolerance
            ),
            (Verdict::Different, _) => writeln!(f, "the results are different"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(values: &[(&str, &str)], file: &str) -> Results {
        let values = values.iter().map(|(a, b)| ((*a).into(), (*b).into()));
        Results {
            numbers: vec![Numbers {
                kind: "clean".into(),
                model: "adv".into(),
                metric: "error".into(),
                values: values.collect(),
            }],
            files: [("model.safetensors".into(), file.into())].into(),
        }
    }

    #[test]
    fn numbers_are_identical_within_or_different() {
        let one = results(&[("step 1", "0.5"), ("step 2", "200.0")], "h");
        let compared = |other: &Results, tolerance| {
            let comparison = Comparison::new(&one, other, tolerance);
            (comparison.verdict(), comparison.to_string())
        };
        let (verdict, text) = compared(&one, 0.0);
        assert_eq!(verdict, Verdict::Identical);
        assert_eq!(
            text,
            "clean adv error    2 values, identical\nmodel.safetensors  identical\n\
             all results are identical\n"
        );
        // 1 of 200 is 0.005 of it.
        let near = results(&[("step 1", "0.504"), ("step 2", "201.0")], "h");
        assert_eq!(compared(&near, 0.01).0, Verdict::Within);
        let (verdict, text) = compared(&near, 0.0045);
        assert_eq!(verdict, Verdict::Different);
        assert!(
            text.contains("different, 2 of 2 differ: expected 200.0, got 201.0 (step 2)"),
            "{text}"
        );
        // Weights are other bytes as soon as anything differs.
        let other = results(&[("step 1", "0.5"), ("step 2", "200.0")], "other");
        assert_eq!(compared(&other, 0.0).0, Verdict::Different);
        assert_eq!(compared(&other, 1e-9).0, Verdict::Within);
        let nan = results(&[("step 1", "NaN"), ("step 2", "200.0")], "h");
        assert_eq!(compared(&nan, 1e9).0, Verdict::Different);
        assert_eq!(
            Comparison::new(&nan, &nan, 0.0).verdict(),
            Verdict::Identical
        );
    }

    #[test]
    fn a_run_with_two_metrics_of_one_name_is_itself() {
        let mut twice = results(&[("step 1", "0.5")], "h");
        let by_class = results(&[("name cat", "0.25")], "h");
        twice.numbers.extend(by_class.numbers);
        let comparison = Comparison::new(&twice, &twice, 0.0);
        assert_eq!(comparison.verdict(), Verdict::Identical);
        let one = results(&[("step 1", "0.5")], "h");
        assert_eq!(
            Comparison::new(&one, &twice, 0.0).verdict(),
            Verdict::Different
        );
    }

    #[test]
    fn what_is_missing_or_new_is_told() {
        let one = results(&[("step 1", "0.5"), ("step 2", "0.25")], "h");
        let fewer = results(&[("step 1", "0.5")], "h");
        let text = Comparison::new(&one, &fewer, 1.0).to_string();
        assert!(text.contains("1 value, different, 1 are missing"), "{text}");
        let text = Comparison::new(&fewer, &one, 1.0).to_string();
        assert!(text.contains("1 were not expected"), "{text}");
        let comparison = Comparison::new(&Results::default(), &one, 1.0);
        assert_eq!(comparison.verdict(), Verdict::Different);
        assert_eq!(comparison.files[0].state, State::More);
    }
}
