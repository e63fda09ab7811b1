//! All such objects of a run.

use super::about::About;
use super::file::{Checkpoint, Entry, Others, Values, fingerprint};
use super::kept::{Journal, Kept};
use super::policy::{Every, Policy};
use super::position::{Course, Position};
use super::snapshot::Snapshot;
use crate::Result;
use crate::files::plain_name;
use serde_json::Map;
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};

/// A checkpoint to be written.
pub struct Due {
    pub position: Position,
    pub bytes: Vec<u8>,
}

#[derive(Default)]
pub struct Loops {
    /// None where no checkpoints are written.
    policy: Option<Policy>,
    all: Vec<Weak<Kept>>,
    /// Those with a loop under way, outermost first.
    open: Vec<Rc<Kept>>,
    /// Those whose loop ended before its time, by an error or on purpose, and where that was.
    left: Vec<(Rc<Kept>, String)>,
    keys: HashSet<String>,
    /// How often a name was given since the seed was set.
    names: HashMap<String, u64>,
    /// What checkpoints hold of objects that are not made again yet, by their keys.
    unclaimed: HashMap<String, Rc<Others>>,
}

impl Loops {
    /// From now on checkpoints are written.
    pub fn keep(&mut self, policy: Policy) {
        self.policy = (policy.every != Every::Never).then_some(policy);
    }

    pub fn policy(&self) -> Option<Policy> {
        self.policy
    }

    /// The seed of the run was set: what is drawn from here on repeats what followed it before.
    pub fn seeded(&mut self) {
        self.names.clear();
    }

    /// A new object. Its name may have come before; the folder of its checkpoints is its own, and
    /// one within the step of an outer loop belongs to that step.
    pub fn add(
        &mut self,
        name: &str,
        values: Values,
        seed: u64,
        parameters: Map<String, serde_json::Value>,
    ) -> Result<Rc<Kept>> {
        let (folder, purpose) = match self.open.last() {
            Some(outer) => {
                let at = outer.course.borrow().position();
                (
                    format!("{}/{at}/", outer.key),
                    format!("{} {at}: ", outer.purpose),
                )
            }
            None => (String::new(), String::new()),
        };
        let plain = format!("{folder}{}", plain_name(name));
        let mut key = plain.clone();
        let mut number = 1;
        while !self.keys.insert(key.clone()) {
            number += 1;
            key = format!("{plain} ({number})");
        }
        let named = format!("{purpose}{name}");
        let times = self.names.entry(named.clone()).or_default();
        *times += 1;
        let mut kept = Kept::new(name.to_owned(), key, format!("{named} {times}"), values);
        if self.policy.is_some() {
            kept.about = Some(About {
                seed,
                parameters,
                start: fingerprint(&kept.values.borrow())?,
            });
        }
        if let Some(others) = self.unclaimed.remove(&kept.key) {
            let values = others.values(&kept.key, &kept.values.borrow())?;
            if let Some(values) = values {
                kept.values.replace(values);
            }
        }
        let kept = Rc::new(kept);
        self.all.retain(|it| it.strong_count() > 0);
        self.all.push(Rc::downgrade(&kept));
        Ok(kept)
    }

    /// Takes up what a checkpoint holds; what it is of other objects goes to those that have no
    /// loop under way, at once or when they are made.
    pub fn restore(&mut self, kept: &Rc<Kept>, checkpoint: Checkpoint) -> Result<()> {
        let values = checkpoint.own(&kept.values.borrow())?;
        *kept.values.borrow_mut() = values;
        let Checkpoint {
            position,
            journal,
            data,
            others,
            ..
        } = checkpoint;
        for other in self.idle(kept) {
            let restored = others.values(&other.key, &other.values.borrow())?;
            if let Some(values) = restored {
                *other.values.borrow_mut() = values;
            }
        }
        let others = Rc::new(others);
        for key in others.keys().filter(|key| !self.keys.contains(*key)) {
            self.unclaimed.insert(key.to_owned(), others.clone());
        }
        let done = journal.into_iter();
        let done = done.filter(|(tag, _)| tag.is_done_at(&position));
        *kept.pending.borrow_mut() = done.collect();
        *kept.data.borrow_mut() = data;
        *kept.course.borrow_mut() = Course::to(Some(position.clone()));
        kept.written(position);
        Ok(())
    }

    /// Begins a loop of an object, whose steps are called `word`. Returns how many of them are
    /// done, and what they added to the record.
    pub fn enter(&mut self, kept: &Rc<Kept>, word: &str) -> (u64, Journal) {
        for (left, _) in self.left.drain(..) {
            *left.snapshot.borrow_mut() = None;
        }
        // A stop may come into force between the steps of this loop.
        for outer in &self.open {
            *outer.guard.borrow_mut() = None;
        }
        if !kept.is_under_way() {
            self.open.push(kept.clone());
        }
        kept.ends.set(false);
        kept.words.borrow_mut().push(word.to_owned());
        let mut course = kept.course.borrow_mut();
        let done = course.begin();
        let mut pending = kept.pending.borrow_mut();
        let (own, later) = pending.drain(..).partition(|(tag, _)| course.holds(tag));
        *pending = later;
        (done, own)
    }

    /// Notes what is added to the record; `again` by a loop that did it before a stop.
    pub fn note(&self, entry: &Entry, again: Option<(&Rc<Kept>, &Position)>) {
        if self.policy.is_none() {
            return;
        }
        for open in &self.open {
            let tag = match again {
                Some((kept, tag)) if Rc::ptr_eq(kept, open) => tag.clone(),
                _ => open.course.borrow().position(),
            };
            open.journal.borrow_mut().push((tag, entry.clone()));
        }
    }

    /// A step of the innermost loop is done.
    pub fn advance(&mut self, kept: &Kept) {
        kept.course.borrow_mut().advance();
        kept.clock.borrow_mut().steps += 1;
        // Names within the step that is done do not come again.
        let inner = format!("{} ", kept.purpose);
        self.names.retain(|name, _| !name.starts_with(&inner));
    }

    /// Between two steps, `last` after all of them. Everything is as a checkpoint is to find it;
    /// one that is due comes back.
    pub fn rest(&self, kept: &Rc<Kept>, last: bool) -> Result<Option<Due>> {
        *kept.guard.borrow_mut() = None;
        let Some(policy) = self.policy else {
            return Ok(None);
        };
        let idle = self.idle(kept);
        let course = kept.course.borrow();
        if course.seeks() {
            return Ok(None);
        }
        let position = course.position();
        let due = {
            let clock = kept.clock.borrow();
            let final_one = last && course.depth() == 1;
            clock.steps > 0
                && (final_one || policy.every.is_due(clock.steps, clock.since.elapsed()))
        };
        let snapshot = Snapshot::new(position.clone(), kept, &idle)?;
        *kept.snapshot.borrow_mut() = Some(snapshot);
        match due {
            true => encoded(kept, position, &idle),
            false => Ok(None),
        }
    }

    /// Ends the innermost loop after its last step.
    pub fn end(&mut self, kept: &Rc<Kept>) {
        kept.ends.set(false);
        kept.words.borrow_mut().pop();
        kept.course.borrow_mut().end();
        if !kept.is_under_way() {
            *kept.snapshot.borrow_mut() = None;
            self.open.retain(|it| !Rc::ptr_eq(it, kept));
        }
    }

    /// The innermost loop was left before its end.
    pub fn leave(&mut self, kept: &Rc<Kept>) {
        *kept.guard.borrow_mut() = None;
        if self.left.iter().all(|(it, _)| !Rc::ptr_eq(it, kept)) {
            self.left.push((kept.clone(), kept.describe()));
        }
        kept.words.borrow_mut().pop();
        kept.course.borrow_mut().end();
        if !kept.is_under_way() {
            self.open.retain(|it| !Rc::ptr_eq(it, kept));
        }
    }

    /// The loops that an error left, innermost first, with the place where each was.
    pub fn left(&mut self) -> Vec<(Rc<Kept>, String)> {
        std::mem::take(&mut self.left)
    }

    /// A checkpoint of a loop that was left, from before the step that was under way; none where
    /// there is one already, or where that step has changed weights.
    pub fn rescue(&self, kept: &Rc<Kept>) -> Result<Option<Due>> {
        let Some(snapshot) = kept.snapshot.borrow_mut().take() else {
            return Ok(None);
        };
        let written = kept.clock.borrow().written.as_ref() == Some(&snapshot.position);
        if written || kept.clock.borrow().steps == 0 || !snapshot.restore(kept)? {
            return Ok(None);
        }
        let beside: Vec<_> = snapshot.beside.iter().map(|(it, _)| it.clone()).collect();
        encoded(kept, snapshot.position, &beside)
    }

    /// The objects besides `kept` that have no loop under way: closures keep what they remember
    /// in such ones.
    fn idle(&self, kept: &Rc<Kept>) -> Vec<Rc<Kept>> {
        let all = self.all.iter().filter_map(Weak::upgrade);
        let idle = |it: &Rc<Kept>| !it.is_under_way() && !Rc::ptr_eq(it, kept);
        all.filter(idle).collect()
    }
}

/// A checkpoint with the values of other objects beside its own.
fn encoded(kept: &Kept, position: Position, beside: &[Rc<Kept>]) -> Result<Option<Due>> {
    let others = beside.iter();
    let others: Vec<(String, Values)> = others
        .map(|it| (it.key.clone(), it.values.borrow().clone()))
        .collect();
    let bytes = kept.encode(&position, &others)?;
    Ok(bytes.map(|bytes| Due { position, bytes }))
}
