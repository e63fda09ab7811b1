//! How often what grows is written.

use std::time::{Duration, Instant};

/// So long it usually waits.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Writing takes at most this part of a run's time.
const SHARE: u32 = 100;

/// When something was last written, if it was, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(Option<(Instant, Duration)>);

impl Pace {
    /// Written at a moment, in no time.
    #[cfg(test)]
    pub fn at(moment: Instant) -> Self {
        Pace(Some((moment, Duration::ZERO)))
    }

    /// One that has just ended writing what it `began` to.
    pub fn since(began: Instant) -> Self {
        Pace(Some((Instant::now(), began.elapsed())))
    }

    /// Whether it may be written again: after `patience` at least.
    pub fn is_due(&self, patience: Duration) -> bool {
        self.0
            .is_none_or(|(at, took)| at.elapsed() >= patience.max(took * SHARE))
    }
}
