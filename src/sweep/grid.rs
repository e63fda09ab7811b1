//! The values that a sweep goes through.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::str::FromStr;

/// More runs than this are a mistake in a range.
const MOST_RUNS: usize = 100_000;

/// A parameter and its values, as texts that `--set` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    pub name: String,
    pub values: Vec<String>,
}

/// One value for each parameter of a grid, in the order of the parameters.
pub type Point = Vec<(String, String)>;

/// `NAME=V1,V2,...`: a value is a range of integers as Rhai writes it, `0..4` without its end and
/// `0..=4` with it; an array in brackets; or any other text without a comma.
impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, values) = match text.split_once('=') {
            Some((name, values)) if !name.trim().is_empty() => (name.trim(), values),
            _ => bail!("write NAME=V1,V2,... or NAME=0..5, got {text:?}"),
        };
        ensure!(!values.trim().is_empty(), "`{name}` has no values");
        let mut axis = Axis {
            name: name.to_owned(),
            values: Vec::new(),
        };
        for value in split(values) {
            ensure!(
                !value.is_empty(),
                "`{name}` has an empty value in {values:?}"
            );
            match range(value) {
                Some(range) => axis.values.extend(integers(name, value, range)?),
                None => axis.values.push(value.to_owned()),
            }
        }
        let mut seen = HashSet::new();
        if let Some(twice) = axis.values.iter().find(|value| !seen.insert(*value)) {
            bail!("`{name}` has the value {twice} twice");
        }
        Ok(axis)
    }
}

/// At the commas outside of brackets.
fn split(values: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let at_comma = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    values.split(at_comma).map(str::trim).collect()
}

/// The first integer and the one after the last.
fn range(value: &str) -> Option<(i64, i64)> {
    let (from, to) = value.split_once("..")?;
    let from = from.trim().parse().ok()?;
    match to.strip_prefix('=') {
        Some(last) => Some((from, last.trim().parse::<i64>().ok()?.checked_add(1)?)),
        None => Some((from, to.trim().parse().ok()?)),
    }
}

fn integers(
    name: &str,
    value: &str,
    (from, end): (i64, i64),
) -> Result<impl Iterator<Item = String>> {
    ensure!(
        from < end,
        "`{name}`: the range {value} is empty; `0..4` is 0, 1, 2, 3, and `0..=4` has 4 too"
    );
    ensure!(
        end.abs_diff(from) <= MOST_RUNS as u64,
        "`{name}`: the range {value} is too long; a sweep has at most {MOST_RUNS} runs"
    );
    Ok((from..end).map(|n| n.to_string()))
}

/// All combinations; the last parameter varies fastest.
///
/// # Errors
/// `Invalid` for no parameters, one that is there twice, and too many combinations.
pub fn points(grid: &[Axis]) -> Result<Vec<Point>> {
    ensure!(
        !grid.is_empty(),
        "a sweep needs a grid: --grid NAME=V1,V2,..."
    );
    let mut seen = HashSet::new();
    if let Some(twice) = grid.iter().find(|axis| !seen.insert(&axis.name)) {
        bail!(
            "--grid {} is given twice; give all its values at once",
            twice.name
        );
    }
    let counts = grid.iter().map(|axis| axis.values.len());
    let runs = counts.fold(1_usize, usize::saturating_mul);
    ensure!(
        runs <= MOST_RUNS,
        "a sweep has at most {MOST_RUNS} runs, this grid asks for {runs}"
    );
    let mut points = vec![Point::new()];
    for Axis { name, values } in grid {
        let longer = points.iter().flat_map(|point| {
            values.iter().map(move |value| {
                let mut point = point.clone();
                point.push((name.clone(), value.clone()));
                point
            })
        });
        points = longer.collect();
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        text.parse::<Axis>().unwrap().values
    }

    #[test]
    fn values_are_lists_ranges_and_arrays() {
        assert_eq!(values("delta=0.01, 8/255,x=y"), ["0.01", "8/255", "x=y"]);
        assert_eq!(values("seed=0..4"), ["0", "1", "2", "3"]);
        assert_eq!(values("seed=-1..=1,7"), ["-1", "0", "1", "7"]);
        assert_eq!(
            values("radii=[0.1,0.2],[0.3],[]"),
            ["[0.1,0.2]", "[0.3]", "[]"]
        );
        // Paths are no ranges.
        assert_eq!(values("data=../a,0..b,1.."), ["../a", "0..b", "1.."]);
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        for (text, part) in [
            ("seed", "write NAME=V1,V2,..."),
            ("=1", "write NAME=V1,V2,..."),
            ("seed=", "`seed` has no values"),
            ("seed=1,,2", "an empty value"),
            ("seed=4..0", "the range 4..0 is empty"),
            ("seed=4..4", "the range 4..4 is empty"),
            ("seed=1..=0", "the range 1..=0 is empty"),
            ("seed=0..1000000000", "is too long"),
            (
                "seed=-9223372036854775808..=9223372036854775806",
                "is too long",
            ),
            ("seed=0..3,2", "has the value 2 twice"),
        ] {
            let error = text.parse::<Axis>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_last_parameter_varies_fastest() {
        let grid = ["a=1,2", "b=x,y,z"].map(|text| text.parse().unwrap());
        let shown: Vec<String> = points(&grid)
            .unwrap()
            .iter()
            .map(|point| format!("{}{}", point[0].1, point[1].1))
            .collect();
        assert_eq!(shown, ["1x", "1y", "1z", "2x", "2y", "2z"]);
    }

    #[test]
    fn grids_of_nothing_or_of_too_much_are_refused() {
        let refused = |grid: &[&str]| {
            let grid: Vec<Axis> = grid.iter().map(|text| text.parse().unwrap()).collect();
            points(&grid).unwrap_err().to_string()
        };
        assert!(refused(&[]).contains("needs a grid"));
        assert!(refused(&["a=1", "a=2"]).contains("--grid a is given twice"));
        assert!(refused(&["a=0..1000", "b=0..1000"]).contains("asks for 1000000"));
    }
}
