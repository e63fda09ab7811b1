//! Where the time of a run goes: long pieces of work are marked where they are done, and cost next
//! to nothing unless somebody measures.

mod table;
mod trace;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading, decoding and changing images.
    Load,
    /// Waiting for images that other threads load.
    Wait,
    /// An attack besides its passes: steps, projections, freezing the model.
    Attack,
    AttackForward,
    AttackBackward,
    TrainForward,
    TrainBackward,
    Update,
    /// Passes of which nothing is recorded.
    Evaluate,
    Write,
}

impl Work {
    const ALL: [Work; 10] = [
        Work::Wait,
        Work::Load,
        Work::AttackForward,
        Work::AttackBackward,
        Work::Attack,
        Work::TrainForward,
        Work::TrainBackward,
        Work::Update,
        Work::Evaluate,
        Work::Write,
    ];

    fn name(self) -> &'static str {
        match self {
            Work::Load => "loading",
            Work::Wait => "waiting for images",
            Work::Attack => "attack, the rest",
            Work::AttackForward => "attack, forward",
            Work::AttackBackward => "attack, backward",
            Work::TrainForward => "training, forward",
            Work::TrainBackward => "training, backward",
            Work::Update => "training, update",
            Work::Evaluate => "evaluation, forward",
            Work::Write => "writing files",
        }
    }
}

static MEASURED: AtomicBool = AtomicBool::new(false);
static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// Waits for work that goes on after the call that began it has returned, as on a GPU.
static SETTLE: OnceLock<fn()> = OnceLock::new();

/// Spans that are kept for the trace, about 64 bytes each; the sums go on after that.
const KEPT: usize = 1_000_000;

struct Record {
    began: Instant,
    main: ThreadId,
    threads: Vec<ThreadId>,
    spans: Vec<Kept>,
    left_out: usize,
    on_main: [Sum; Work::ALL.len()],
    beside: Sum,
}

/// A span as the trace shows it.
struct Kept {
    work: Work,
    /// Its number, 0 being the script's.
    thread: usize,
    start: Duration,
    length: Duration,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    /// Without the spans within.
    own: Duration,
}

thread_local! {
    /// The spans that are open on this thread, the innermost last.
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

struct Open {
    work: Work,
    start: Instant,
    within: Duration,
}

/// Marks work until it is dropped.
#[must_use]
pub struct Span(bool);

/// Begins a piece of work.
pub fn span(work: Work) -> Span {
    let measured = MEASURED.load(Ordering::Relaxed);
    if measured {
        settle(work);
        let start = Instant::now();
        let within = Duration::ZERO;
        OPEN.with_borrow_mut(|open| {
            open.push(Open {
                work,
                start,
                within,
            })
        });
    }
    Span(measured)
}

/// Begins a forward pass, of an attack, of training or of an evaluation.
pub fn forward(recorded: bool) -> Span {
    span(match (in_attack(), recorded) {
        (true, _) => Work::AttackForward,
        (false, true) => Work::TrainForward,
        (false, false) => Work::Evaluate,
    })
}

pub fn backward() -> Span {
    span(match in_attack() {
        true => Work::AttackBackward,
        false => Work::TrainBackward,
    })
}

fn in_attack() -> bool {
    MEASURED.load(Ordering::Relaxed)
        && OPEN.with_borrow(|open| open.iter().any(|span| span.work == Work::Attack))
}

/// Loading has nothing to do with a GPU, and goes on beside it.
fn settle(work: Work) {
    if let Some(settle) = SETTLE.get()
        && !matches!(work, Work::Load | Work::Wait)
    {
        settle();
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.0 {
            return;
        }
        if let Some(work) = OPEN.with_borrow(|open| open.last().map(|span| span.work)) {
            settle(work);
        }
        let ended = OPEN.with_borrow_mut(|open| {
            let span = open.pop()?;
            let length = span.start.elapsed();
            if let Some(around) = open.last_mut() {
                around.within += length;
            }
            Some((span, length))
        });
        let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((span, length)), Some(record)) = (ended, record.as_mut()) {
            record.add(&span, length);
        }
    }
}

impl Record {
    fn add(&mut self, span: &Open, length: Duration) {
        let own = length.saturating_sub(span.within);
        let id = thread::current().id();
        let sum = match id == self.main {
            true => &mut self.on_main[span.work as usize],
            false => &mut self.beside,
        };
        sum.count += 1;
        sum.own += own;
        if self.spans.len() == KEPT {
            self.left_out += 1;
            return;
        }
        let known = self.threads.iter().position(|it| *it == id);
        let thread = known.unwrap_or_else(|| {
            self.threads.push(id);
            self.threads.len() - 1
        });
        self.spans.push(Kept {
            work: span.work,
            thread,
            start: span.start.saturating_duration_since(self.began),
            length,
        });
    }
}

/// What was measured.
pub struct Profile {
    record: Record,
    whole: Duration,
}

/// Begins to measure; this thread is the script's. `settle` waits for what a GPU has begun.
pub fn start(settle: fn()) {
    SETTLE.get_or_init(|| settle);
    let main = thread::current().id();
    let record = Record {
        began: Instant::now(),
        main,
        threads: vec![main],
        spans: Vec::new(),
        left_out: 0,
        on_main: Default::default(),
        beside: Sum::default(),
    };
    *RECORD.lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
    MEASURED.store(true, Ordering::Relaxed);
}

/// Ends measuring; nothing where it was not begun.
pub fn finish() -> Option<Profile> {
    MEASURED.store(false, Ordering::Relaxed);
    let record = RECORD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()?;
    let whole = record.began.elapsed();
    Some(Profile { record, whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of a run is in one of the rows, once; what is within a span is not counted again.
    #[test]
    fn the_rows_add_up_to_the_whole() {
        // Other tests may be among what is measured; they are on threads of their own.
        start(|| ());
        {
            let _attack = span(Work::Attack);
            for _ in 0..3 {
                let _pass = forward(true);
                thread::sleep(Duration::from_millis(2));
            }
            let _back = backward();
        }
        drop(forward(true));
        drop(forward(false));
        let loader = thread::spawn(|| drop(span(Work::Load)));
        loader.join().unwrap();
        let profile = finish().unwrap();
        let sum = |work: Work| profile.record.on_main[work as usize];
        assert_eq!(sum(Work::AttackForward).count, 3);
        assert_eq!(sum(Work::AttackBackward).count, 1);
        assert_eq!(
            (sum(Work::TrainForward).count, sum(Work::Evaluate).count),
            (1, 1)
        );
        assert_eq!(sum(Work::Load).count, 0);
        assert!(profile.record.beside.count >= 1);
        assert!(sum(Work::AttackForward).own >= Duration::from_millis(6));
        let text = profile.to_string();
        assert!(
            text.contains("attack, forward") && text.contains("script"),
            "{text}"
        );
        let trace: serde_json::Value = serde_json::from_str(&profile.chrome_trace()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let ours = |it: &&serde_json::Value| it["ph"] == "X" && it["tid"] == 0;
        assert_eq!(events.iter().filter(ours).count(), 7);
        let inner = events
            .iter()
            .find(|it| ours(it) && it["name"] == "attack, forward")
            .unwrap();
        let outer = events
            .iter()
            .find(|it| ours(it) && it["name"] == "attack, the rest")
            .unwrap();
        let end = |it: &serde_json::Value| it["ts"].as_f64().unwrap() + it["dur"].as_f64().unwrap();
        assert!(inner["ts"].as_f64() >= outer["ts"].as_f64() && end(inner) <= end(outer));
        // Nothing is measured any more.
        drop(span(Work::Load));
        assert!(finish().is_none());
    }
}
