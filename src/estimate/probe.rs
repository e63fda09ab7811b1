//! A run in which every loop over batches ends after the first few, while the cost of the rest
//! is added up.
//!
//! The probe has a clock that runs ahead: at the end of a loop it jumps to where the whole loop
//! would have ended. What a loop within a loop costs is so part of the outer one's batches.

use super::cost::Cost;
use super::marks;
use crate::report::Table;
use crate::torch;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The first loop of a kind goes on for so many batches, the first of which warms up ...
const BATCHES: usize = 3;
/// ... and for so long, in seconds, as one small batch says little.
const AT_LEAST: f64 = 0.5;
/// Slow batches are long enough to be steady: after so many seconds the second is the last ...
const SLOW: f64 = 10.0;
/// ... and after so many the first.
const VERY_SLOW: f64 = 30.0;
/// A later loop of the same kind has one batch, and more while they are quick.
const LATER_AT_LEAST: f64 = 0.05;

/// What is learnt in the course of a probe. Clones share it.
#[derive(Clone)]
pub struct Probe(Rc<RefCell<State>>);

struct State {
    meter: Box<dyn Fn() -> Cost>,
    /// What the meter does not see.
    noted: Cost,
    began: Cost,
    free_cores: usize,
    /// How far the clock is ahead of the meter.
    ahead: Cost,
    /// The progress bars that are shown, the innermost last.
    titles: Vec<String>,
    /// The kinds of loops met so far, and whether their first batch has other passes than the
    /// rest: an evaluation keeps pictures of some images.
    kinds: HashMap<String, bool>,
    /// How many loops are under way, one inside the other.
    depth: usize,
    loops: Vec<Probed>,
    tables: Vec<Table>,
}

/// A loop over batches, as it would have been.
#[derive(Clone, Debug)]
pub struct Probed {
    pub title: String,
    pub kind: String,
    pub images: usize,
    pub batches: usize,
    /// How many of the batches were computed.
    pub probed: usize,
    /// Of the whole loop.
    pub cost: Cost,
}

/// What is known of a loop before it begins.
pub struct Length {
    pub images: usize,
    pub batch_size: usize,
    /// Threads that load ahead of use; without any, loading and computing take turns. The probe
    /// loads each batch when it is asked for, so that the two can be told apart.
    pub loader_threads: usize,
}

/// Loading a batch and computing on it, with as many seconds as both take together.
fn together(load: Cost, body: Cost, threads: usize, free_cores: usize) -> Cost {
    let share = load.seconds / threads.max(1) as f64;
    let seconds = match (1..=free_cores).contains(&threads) {
        true => body.seconds.max(share),
        false => body.seconds + share,
    };
    Cost {
        seconds,
        ..load + body
    }
}

impl Probe {
    /// `meter` tells all that was spent so far; `free_cores` are those that loader threads do not
    /// take from the models.
    pub fn new(meter: impl Fn() -> Cost + 'static, free_cores: usize) -> Self {
        Probe(Rc::new(RefCell::new(State {
            began: meter(),
            meter: Box::new(meter),
            free_cores,
            noted: Cost::default(),
            ahead: Cost::default(),
            titles: Vec::new(),
            kinds: HashMap::new(),
            depth: 0,
            loops: Vec::new(),
            tables: Vec::new(),
        })))
    }

    /// The loop that begins next is called `title`.
    pub fn begin_title(&self, title: &str) {
        self.0.borrow_mut().titles.push(title.to_owned());
    }

    pub fn end_title(&self, title: &str) {
        let titles = &mut self.0.borrow_mut().titles;
        if let Some(at) = titles.iter().rposition(|it| it == title) {
            titles.remove(at);
        }
    }

    /// Notes a row of `metrics.csv`.
    pub fn count_logged(&self) {
        self.0.borrow_mut().noted.logged += 1.0;
    }

    /// Notes images whose predictions were counted, each a row of a ledger.
    pub fn count_evaluated(&self, images: usize) {
        self.0.borrow_mut().noted.counted += images as f64;
    }

    /// Keeps of a table which cells have something in them.
    pub fn report(&self, table: &Table) {
        self.0.borrow_mut().tables.push(marks::marked(table));
    }

    /// Begins a loop; `what` says what it goes over.
    pub fn begin(&self, what: &str, length: Length) -> Loop {
        let mut state = self.0.borrow_mut();
        let title = state.titles.last().map_or(what, |title| title).to_owned();
        let kind = numberless(&format!("{title} {what}"));
        let began = state.now();
        state.depth += 1;
        let known = state.kinds.get(&kind).copied();
        Loop {
            probe: self.clone(),
            first: known.is_none(),
            uneven: known.unwrap_or(false),
            title,
            kind,
            length,
            began,
            batches: Vec::new(),
            given: None,
            ended: false,
        }
    }

    /// What the whole run costs.
    pub fn total(&self) -> Cost {
        let state = self.0.borrow();
        state.now() - state.began
    }

    /// What the probe itself has taken so far.
    pub fn measured(&self) -> Cost {
        let state = self.0.borrow();
        (state.meter)() + state.noted - state.began
    }

    /// The loops that ended, in order; one inside another is part of that.
    pub fn loops(&self) -> Vec<Probed> {
        self.0.borrow().loops.clone()
    }

    pub fn tables(&self) -> Vec<Table> {
        self.0.borrow().tables.clone()
    }
}

impl State {
    fn now(&self) -> Cost {
        (self.meter)() + self.noted + self.ahead
    }
}

/// Numbers in a title count epochs or severities.
fn numberless(title: &str) -> String {
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let words = words(title).into_iter();
    words
        .map(|word| if is_number(word) { "#" } else { word })
        .collect()
}

/// A title cut where numbers begin and end; a `*` stands for a number.
pub(super) fn words(title: &str) -> Vec<&str> {
    let is_number = |c: char| c.is_ascii_digit() || c == '*';
    let mut words = Vec::new();
    let mut rest = title;
    while let Some(first) = rest.chars().next() {
        let other = |c: char| is_number(c) != is_number(first);
        let (word, after) = rest.split_at(rest.find(other).unwrap_or(rest.len()));
        words.push(word);
        rest = after;
    }
    words
}

/// A loop under way. Dropped before its end, it was left by the script.
pub struct Loop {
    probe: Probe,
    title: String,
    kind: String,
    /// Whether this is the first loop of its kind.
    first: bool,
    /// Whether the first batch is known to be another than the rest.
    uneven: bool,
    length: Length,
    began: Cost,
    batches: Vec<Batch>,
    /// The batch that the script works on: its images, what loading it cost, and since when.
    given: Option<(usize, Cost, Cost)>,
    ended: bool,
}

struct Batch {
    images: usize,
    cost: Cost,
}

impl Loop {
    /// The next batch as `load` gives it; none once enough were seen.
    pub fn next<T>(&mut self, load: impl FnOnce() -> Option<T>) -> Option<T> {
        self.close_batch();
        if self.ended || self.is_enough() {
            self.end(true);
            return None;
        }
        // What the last batch left undone is none of this one's.
        torch::forget_recorded();
        let before = self.probe.0.borrow().now();
        let batch = load();
        let after = self.probe.0.borrow().now();
        match batch {
            Some(_) => {
                let images = self.length.batch_size.min(self.length.images - self.seen());
                self.given = Some((images, after - before, after));
            }
            None => self.end(true),
        }
        batch
    }

    fn seen(&self) -> usize {
        self.batches.iter().map(|it| it.images).sum()
    }

    fn close_batch(&mut self) {
        if let Some((images, load, since)) = self.given.take() {
            let state = self.probe.0.borrow();
            let (body, threads) = (state.now() - since, self.length.loader_threads);
            let cost = together(load, body, threads, state.free_cores);
            drop(state);
            self.batches.push(Batch { images, cost });
        }
    }

    fn is_enough(&self) -> bool {
        let took = (self.probe.0.borrow().now() - self.began).seconds;
        let (batches, seconds) = match self.first {
            true => (BATCHES, AT_LEAST),
            false => (1 + usize::from(self.uneven), LATER_AT_LEAST),
        };
        let n = self.batches.len();
        self.seen() >= self.length.images
            || (n >= batches && took >= seconds)
            || (n >= 2 && took >= SLOW)
            || (n >= 1 && took >= VERY_SLOW)
    }

    /// The batches that the rest of the loop is like.
    fn steady(&self) -> &[Batch] {
        match (self.first || self.uneven) && self.batches.len() > 1 {
            true => &self.batches[1..],
            false => &self.batches,
        }
    }

    fn first_is_another(&self) -> bool {
        let passes = |it: &Batch| (it.cost.forward + it.cost.backward) / it.images as f64;
        match &self.batches[..] {
            [first, second, ..] => passes(first) != passes(second),
            _ => false,
        }
    }

    /// Sets the clock to the end of the loop: of the whole of it, or where the script left it.
    fn end(&mut self, whole: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let seen = self.seen();
        let left = match whole {
            true => self.length.images - seen,
            false => 0,
        };
        let mut cost: Cost = self.batches.iter().map(|it| it.cost).sum();
        if left > 0 && seen > 0 {
            let steady = self.steady();
            let images: usize = steady.iter().map(|it| it.images).sum();
            let measured: Cost = steady.iter().map(|it| it.cost).sum();
            cost += measured * (left as f64 / images as f64);
        }
        let uneven = self.first && self.first_is_another();
        let state = &mut *self.probe.0.borrow_mut();
        *state.kinds.entry(self.kind.clone()).or_default() |= uneven;
        state.depth -= 1;
        let spent = state.now() - self.began;
        state.ahead += cost - spent;
        if state.depth == 0 {
            let size = self.length.batch_size.max(1);
            state.loops.push(Probed {
                title: std::mem::take(&mut self.title),
                kind: std::mem::take(&mut self.kind),
                images: seen + left,
                batches: (seen + left).div_ceil(size),
                probed: self.batches.len(),
                cost,
            });
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.close_batch();
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A probe whose meter the test moves.
    fn probe() -> (Probe, Rc<Cell<Cost>>) {
        let meter = Rc::new(Cell::new(Cost::default()));
        let reading = meter.clone();
        (Probe::new(move || reading.get(), 4), meter)
    }

    fn spend(meter: &Cell<Cost>, seconds: f64, forward: f64) {
        let now = meter.get();
        meter.set(Cost {
            seconds: now.seconds + seconds,
            forward: now.forward + forward,
            ..now
        });
    }

    fn length(images: usize, loader_threads: usize) -> Length {
        Length {
            images,
            batch_size: 10,
            loader_threads,
        }
    }

    fn walk(all: &mut Loop, load: impl Fn(), mut body: impl FnMut(usize)) -> usize {
        let mut n = 0;
        while all
            .next(|| {
                load();
                Some(())
            })
            .is_some()
        {
            body(n);
            n += 1;
        }
        n
    }

    #[test]
    fn the_first_batch_warms_up_and_later_epochs_have_one() {
        let (probe, meter) = probe();
        let epoch = |title: &str| {
            probe.begin_title(title);
            let mut all = probe.begin("train", length(95, 0));
            let n = walk(
                &mut all,
                || (),
                |n| {
                    let warm = if title.contains("epoch 1/") && n == 0 {
                        5.0
                    } else {
                        1.0
                    };
                    spend(&meter, warm, 20.0);
                },
            );
            probe.end_title(title);
            n
        };
        assert_eq!(epoch("epoch 1/2"), 3);
        assert_eq!(epoch("epoch 2/2"), 1);
        spend(&meter, 7.0, 0.0);
        let loops = probe.loops();
        // 5 s for the first ten images, 1 s for each ten after that.
        assert_eq!(
            (loops[0].cost.seconds, loops[0].cost.forward),
            (13.5, 190.0)
        );
        assert_eq!((loops[1].cost.seconds, loops[1].cost.forward), (9.5, 190.0));
        assert_eq!(
            (loops[0].batches, loops[0].probed, loops[0].images),
            (10, 3, 95)
        );
        assert_eq!(loops[0].kind, loops[1].kind);
        assert_eq!(probe.total().seconds, 30.0);
        assert_eq!(probe.measured().seconds, 15.0);
    }

    #[test]
    fn what_only_the_first_batch_does_is_not_extrapolated() {
        let (probe, meter) = probe();
        for (epoch, batches) in [(1, 3), (2, 2), (3, 2)] {
            let mut all = probe.begin(&format!("epoch {epoch}"), length(100, 0));
            let body = |n| spend(&meter, 1.0, if n == 0 { 30.0 } else { 10.0 });
            assert_eq!(walk(&mut all, || (), body), batches);
            let done = probe.loops().pop().unwrap();
            assert_eq!(done.cost.forward, 120.0);
        }
    }

    #[test]
    fn quick_batches_go_on_and_slow_ones_do_not() {
        let (probe, meter) = probe();
        let batches = |what: &str, seconds: f64| {
            let mut all = probe.begin(what, length(1000, 0));
            walk(&mut all, || (), |_| spend(&meter, seconds, 10.0))
        };
        assert_eq!(batches("quick", 0.125), 4);
        assert_eq!(batches("quick", 0.125), 1);
        assert_eq!(batches("slow", 6.0), 2);
        assert_eq!(batches("very slow", 40.0), 1);
        assert_eq!(batches("nothing", 0.0), 100);
    }

    #[test]
    fn a_loop_within_a_loop_is_part_of_its_batches() {
        let (probe, meter) = probe();
        let mut outer = probe.begin("outer", length(100, 0));
        walk(
            &mut outer,
            || (),
            |_| {
                spend(&meter, 1.0, 10.0);
                let mut inner = probe.begin("inner", length(50, 0));
                walk(&mut inner, || (), |_| spend(&meter, 2.0, 10.0));
            },
        );
        let loops = probe.loops();
        assert_eq!(loops.len(), 1);
        assert_eq!(
            (loops[0].cost.seconds, loops[0].cost.forward),
            (110.0, 600.0)
        );
        assert_eq!(probe.total(), loops[0].cost);
    }

    #[test]
    fn a_loop_that_the_script_leaves_is_what_it_was() {
        let (probe, meter) = probe();
        let mut all = probe.begin("some", length(100, 0));
        all.next(|| Some(()));
        spend(&meter, 2.0, 10.0);
        drop(all);
        let loops = probe.loops();
        assert_eq!((loops[0].cost.seconds, loops[0].images), (2.0, 10));
        let mut none = probe.begin("none", length(0, 0));
        assert!(none.next(|| Some(())).is_none());
        assert_eq!(probe.total().seconds, 2.0);
    }

    #[test]
    fn loading_ahead_hides_what_it_can() {
        let seconds = |threads| {
            let (probe, meter) = probe();
            let mut all = probe.begin("some", length(40, threads));
            let load = || spend(&meter, 24.0, 0.0);
            walk(&mut all, load, |_| spend(&meter, 5.0, 0.0));
            probe.total().seconds
        };
        assert_eq!(seconds(0), 4.0 * 29.0);
        assert_eq!(seconds(2), 4.0 * 12.0);
        assert_eq!(seconds(4), 4.0 * 6.0);
        // They take time from the models.
        assert_eq!(seconds(6), 4.0 * 9.0);
    }
}
