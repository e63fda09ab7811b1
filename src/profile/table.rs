use super::{Profile, Work};
use std::fmt;

/// One row for each kind of work of the script's thread; what no span covers is the script.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let whole = self.whole.as_secs_f64();
        let row = |f: &mut fmt::Formatter, name: &str, seconds: f64, count: String| {
            let share = 100.0 * seconds / whole.max(f64::MIN_POSITIVE);
            writeln!(f, "{name:22} {seconds:10.2} s {share:6.1} % {count:>10}")
        };
        writeln!(f, "where the time went             took   share      times")?;
        let mut covered = 0.0;
        for work in Work::ALL {
            let sum = self.record.on_main[work as usize];
            if sum.count > 0 {
                let seconds = sum.own.as_secs_f64();
                covered += seconds;
                row(f, work.name(), seconds, sum.count.to_string())?;
            }
        }
        row(f, "script and the rest", whole - covered, String::new())?;
        row(f, "the whole run", whole, String::new())?;
        let beside = self.record.beside;
        if beside.count > 0 {
            let threads = self.record.threads.len() - 1;
            writeln!(
                f,
                "loading beside it, by {threads} threads in turn: {:.2} s of work, {} batches",
                beside.own.as_secs_f64(),
                beside.count
            )?;
        }
        Ok(())
    }
}
