//! How far a long loop is: a bar on a terminal, a line now and then elsewhere.

use super::numbers::{duration, short};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Where progress is shown. Clones show it in the same place.
#[derive(Clone)]
pub struct Screen(Kind);

#[derive(Clone)]
enum Kind {
    Terminal(MultiProgress),
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
    Silent,
}

impl Screen {
    /// Standard error: bars if it is a terminal, else lines.
    pub fn stderr() -> Self {
        if std::io::stderr().is_terminal() {
            return Screen(Kind::Terminal(MultiProgress::new()));
        }
        Screen(Kind::Lines(Arc::new(to_stderr)))
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Screen(Kind::Silent)
    }

    /// Runs `print` while no bar is in its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Kind::Terminal(bars) => bars.suspend(print),
            Kind::Lines(_) | Kind::Silent => print(),
        }
    }

    /// Begins to show how many of `images` a loop named `title` has done.
    pub fn progress(&self, title: impl Into<String>, images: u64) -> Progress {
        let title = title.into();
        let bar = match &self.0 {
            Kind::Terminal(bars) => {
                let bar = bars.add(ProgressBar::new(images).with_style(style()));
                bar.set_prefix(title.clone());
                Some(bar)
            }
            Kind::Lines(_) | Kind::Silent => None,
        };
        Progress {
            screen: self.clone(),
            bar,
            state: State {
                title,
                total: images,
                done: 0,
                before: 0,
                values: Vec::new(),
            },
            started: Instant::now(),
            last_line: None,
        }
    }

    fn line(&self, text: &str) {
        match &self.0 {
            Kind::Terminal(bars) => bars.suspend(|| to_stderr(text)),
            Kind::Lines(line) => line(text),
            Kind::Silent => {}
        }
    }
}

fn to_stderr(text: &str) {
    // A reader who went away is no reason to stop a run.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A loop over images. Dropped without `finish`, as by an error or Ctrl-C, it leaves no bar.
pub struct Progress {
    screen: Screen,
    bar: Option<ProgressBar>,
    state: State,
    started: Instant,
    last_line: Option<Instant>,
}

impl Progress {
    /// Counts `images` that were done before: they took none of the time.
    pub fn skip(&mut self, images: u64) {
        self.state.done = self.state.done.saturating_add(images);
        self.state.before = self.state.before.saturating_add(images);
    }

    /// Counts `images` more as done and shows `values`, such as the loss of the last batch.
    pub fn advance(&mut self, images: u64, values: &[(&str, f64)]) {
        self.state.done = self.state.done.saturating_add(images);
        self.state.values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        if let Some(bar) = &self.bar {
            bar.set_message(self.state.going(self.started.elapsed()));
            bar.set_position(self.state.done);
            return;
        }
        // The last one is `finish`'s.
        let due = self
            .last_line
            .is_none_or(|at| at.elapsed() >= BETWEEN_LINES);
        if due && self.state.done < self.state.total {
            let going = self.state.going(self.started.elapsed());
            self.screen.line(&format!("{}: {going}", self.state.title));
            self.last_line = Some(Instant::now());
        }
    }

    /// Puts one line in the place of the bar: what was done and how fast. Returns the title and
    /// how long it took.
    pub fn finish(mut self) -> (String, Duration) {
        self.clear();
        let took = self.started.elapsed();
        let done = self.state.finished(took);
        self.screen.line(&format!("{}: {done}", self.state.title));
        (std::mem::take(&mut self.state.title), took)
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let State {
            title, total, done, ..
        } = &self.state;
        write!(f, "{title}: {done}/{total} images")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {bar:16} {wide_msg}")
        .expect("the template is a constant and valid")
        .progress_chars("━╸ ")
}

struct State {
    title: String,
    total: u64,
    done: u64,
    /// Of them, before it was begun.
    before: u64,
    values: Vec<(String, f64)>,
}

impl State {
    /// `640/2000, 153 images/s, 9 s left, loss 1.234`
    fn going(&self, elapsed: Duration) -> String {
        let mut parts = vec![format!("{}/{}", self.done, self.total)];
        let speed = self.speed(elapsed);
        if let Some(speed) = speed {
            parts.push(in_words(speed));
            let left = self.total.saturating_sub(self.done) as f64 / speed;
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            parts.push(format!("{} left", duration(left)));
        }
        // Last, because a narrow terminal cuts the end off.
        parts.extend(self.values());
        parts.join(", ")
    }

    /// `2000 images in 13 s, 153 images/s, loss 1.234`
    fn finished(&self, elapsed: Duration) -> String {
        let mut parts = vec![format!("{} images in {}", self.done, duration(elapsed))];
        parts.extend(self.speed(elapsed).map(in_words));
        parts.extend(self.values());
        parts.join(", ")
    }

    fn values(&self) -> impl Iterator<Item = String> {
        let values = self.values.iter();
        values.map(|(name, value)| format!("{name} {}", short(*value)))
    }

    /// In images per second, once there is one.
    fn speed(&self, elapsed: Duration) -> Option<f64> {
        let speed = (self.done - self.before) as f64 / elapsed.as_secs_f64();
        (speed.is_finite() && speed > 0.0).then_some(speed)
    }
}

fn in_words(speed: f64) -> String {
    match speed {
        10.0.. => format!("{speed:.0} images/s"),
        _ => format!("{} images/s", short(speed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn state(done: u64) -> State {
        State {
            title: "adv".into(),
            total: 2000,
            done,
            before: 0,
            values: vec![("loss".into(), 1.23456)],
        }
    }

    #[test]
    fn says_speed_loss_and_time_left() {
        let after = Duration::from_secs(4);
        assert_eq!(
            state(500).going(after),
            "500/2000, 125 images/s, 12 s left, loss 1.235"
        );
        assert_eq!(
            state(2000).finished(after),
            "2000 images in 4 s, 500 images/s, loss 1.235"
        );
        assert_eq!(state(0).going(after), "0/2000, loss 1.235");
        assert_eq!(
            state(1).going(after),
            "1/2000, 0.2500 images/s, 2 h 13 min left, loss 1.235"
        );
        let resumed = State {
            before: 400,
            ..state(500)
        };
        assert_eq!(
            resumed.going(after),
            "500/2000, 25 images/s, 1 min 00 s left, loss 1.235"
        );
        // More images than announced, or no time at all, are no reason to fail.
        assert!(state(3000).going(after).contains(" 0 s left"));
        assert_eq!(state(5).going(Duration::ZERO), "5/2000, loss 1.235");
    }

    fn lines_of(run: impl FnOnce(&Screen)) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let line = move |text: &str| sink.lock().unwrap().push(text.to_owned());
        run(&Screen(Kind::Lines(Arc::new(line))));
        lines.lock().unwrap().clone()
    }

    #[test]
    fn elsewhere_the_first_line_and_the_last() {
        let lines = lines_of(|screen| {
            let mut progress = screen.progress("adv, epoch 1/2", 2000);
            for _ in 0..20 {
                progress.advance(100, &[("loss", 0.5)]);
            }
            progress.finish();
        });
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with("adv, epoch 1/2: 100/2000, "),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with("adv, epoch 1/2: 2000 images in 0 s, "),
            "{}",
            lines[1]
        );
        assert!(lines[1].ends_with(", loss 0.5000"));
    }

    #[test]
    fn a_line_is_due_after_a_while() {
        let lines = lines_of(|screen| {
            let mut progress = screen.progress("adv", 300);
            progress.advance(100, &[]);
            progress.last_line = Instant::now().checked_sub(BETWEEN_LINES);
            progress.advance(100, &[]);
            // Not finished: an error or Ctrl-C came.
        });
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("adv: 200/300,"));
    }

    #[test]
    fn a_loop_of_one_batch_has_one_line() {
        let lines = lines_of(|screen| {
            let mut progress = screen.progress("adv", 100);
            progress.advance(100, &[]);
            progress.finish();
        });
        assert_eq!(lines.len(), 1);
    }
}
