//! Where a loop is, inner loops included.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One level of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place {
    /// Which loop of its level it is, from 0: one may follow another.
    lap: u64,
    /// How many of its steps are done.
    step: u64,
}

/// How far the loops of one object are, outermost first. Later positions are greater.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position(Vec<Place>);

impl Position {
    /// The steps that are done on each level.
    pub fn steps(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|place| place.step)
    }

    /// The same with the numbers of the loops, for generators.
    pub fn counters(&self) -> Vec<u64> {
        let each = self.0.iter();
        each.flat_map(|place| [place.lap, place.step]).collect()
    }

    /// Whether what happened here was part of a step that is done at `other`. What belongs to a
    /// step under way happens again when a run goes on at `other`.
    pub fn is_done_at(&self, other: &Position) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        let differing = pairs.into_iter().find(|(own, other)| own != other);
        differing.is_some_and(|(own, other)| own < other)
    }
}

/// `000003_000017`: in step 3, 17 steps of the inner loop are done. A second loop of a level is
/// `1.000017`. Files that are named so are listed in their order.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (at, Place { lap, step }) in self.0.iter().enumerate() {
            let dash = if at == 0 { "" } else { "_" };
            match lap {
                0 => write!(f, "{dash}{step:06}")?,
                _ => write!(f, "{dash}{lap}.{step:06}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        let place = |text: &str| match text.split_once('.') {
            Some((lap, step)) => Ok(Place {
                lap: number(lap)?,
                step: number(step)?,
            }),
            None => Ok(Place {
                lap: 0,
                step: number(text)?,
            }),
        };
        text.split('_')
            .map(place)
            .collect::<Result<_, _>>()
            .map(Position)
    }
}

/// Follows loops as they are run through, and leads them to where they were before.
#[derive(Default)]
pub(super) struct Course {
    /// The loops under way.
    here: Vec<Place>,
    /// How many loops were begun on each level; one more than there are loops under way.
    laps: Vec<u64>,
    /// Where to go on, until it is reached.
    goal: Option<Vec<Place>>,
}

impl Course {
    pub fn to(goal: Option<Position>) -> Self {
        Course {
            here: Vec::new(),
            laps: vec![0],
            goal: goal.map(|it| it.0),
        }
    }

    pub fn position(&self) -> Position {
        Position(self.here.clone())
    }

    pub fn depth(&self) -> usize {
        self.here.len()
    }

    /// Begins the next loop of the innermost level; returns how many of its steps are done, and
    /// the largest number for a loop that lies wholly before.
    pub fn begin(&mut self) -> u64 {
        let depth = self.here.len();
        let lap = self.laps[depth];
        self.laps[depth] += 1;
        self.laps.push(0);
        let step = match &self.goal {
            Some(goal) if goal.len() > depth && goal[..depth] == self.here[..] => {
                let target = goal[depth];
                if lap < target.lap {
                    u64::MAX
                } else {
                    if goal.len() == depth + 1 {
                        self.goal = None;
                    }
                    target.step
                }
            }
            _ => 0,
        };
        self.here.push(Place { lap, step });
        step
    }

    /// Which of all loops the innermost one is, whatever step it is in.
    pub fn laps(&self) -> Vec<u64> {
        self.here.iter().map(|place| place.lap).collect()
    }

    /// One more step of the innermost loop is done.
    pub fn advance(&mut self) {
        if let Some(place) = self.here.last_mut() {
            place.step += 1;
        }
        if let Some(inner) = self.laps.last_mut() {
            *inner = 0;
        }
    }

    /// All steps of the innermost loop are done, however many there were to be.
    pub fn finish(&mut self, steps: u64) {
        if let Some(place) = self.here.last_mut() {
            place.step = steps;
        }
    }

    /// Whether the loops are still on the way to where they were before.
    pub fn seeks(&self) -> bool {
        self.goal.is_some()
    }

    /// Leaves the innermost loop.
    pub fn end(&mut self) {
        self.here.pop();
        self.laps.pop();
    }

    /// Whether `tag` lies in the steps of the innermost loop that are done.
    pub fn holds(&self, tag: &Position) -> bool {
        let Some((own, outer)) = self.here.split_last() else {
            return false;
        };
        let depth = outer.len();
        let same = tag.0.len() > depth && tag.0[..depth] == *outer;
        same && tag.0[depth].lap == own.lap && tag.0[depth].step < own.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    /// Goes through three epochs of four batches and a second loop of two steps, from `goal`.
    fn walked(goal: Option<&str>) -> Vec<String> {
        let mut course = Course::to(goal.map(at));
        let mut seen = Vec::new();
        let mut epoch = course.begin();
        while epoch < 3 {
            let mut batch = course.begin();
            while batch < 4 {
                seen.push(course.position().to_string());
                course.advance();
                batch += 1;
            }
            course.end();
            course.advance();
            epoch += 1;
        }
        course.end();
        let mut step = course.begin();
        while step < 2 {
            seen.push(course.position().to_string());
            course.advance();
            step += 1;
        }
        seen
    }

    #[test]
    fn whatever_the_goal_the_rest_follows() {
        let all = walked(None);
        assert_eq!(all.len(), 14);
        assert_eq!(all[5], "000001_000001");
        assert_eq!(all[12], "1.000000");
        for (done, position) in all.iter().enumerate() {
            assert_eq!(walked(Some(position)), all[done..], "{position}");
        }
        // Ends of loops.
        assert_eq!(walked(Some("000001_000004")), all[8..]);
        assert_eq!(walked(Some("000002")), all[8..]);
        assert_eq!(walked(Some("000003")), all[12..]);
        assert_eq!(walked(Some("1.000002")), [""; 0]);
    }

    #[test]
    fn what_a_step_under_way_did_is_not_done() {
        let done = |tag, other| at(tag).is_done_at(&at(other));
        assert!(done("000002", "000003") && done("000002_000001", "000003"));
        assert!(done("000003_000001", "000003_000002"));
        assert!(!done("000003", "000003_000002") && !done("000003", "000003"));
        assert!(done("000009", "1.000000") && !done("1.000000", "000009"));
    }

    #[test]
    fn names_keep_the_order() {
        let order = [
            "000003",
            "000003_000000",
            "000003_1.000002",
            "000004",
            "1.000000",
        ];
        for pair in order.windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
        }
        for name in order {
            assert_eq!(at(name).to_string(), name);
        }
        assert!("x".parse::<Position>().is_err() && "1_".parse::<Position>().is_err());
    }
}
