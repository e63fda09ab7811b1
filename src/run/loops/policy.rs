//! When checkpoints are taken, and how many stay.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How often a loop writes a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    Steps(u64),
    Seconds(u64),
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub every: Every,
    /// So many of the last ones of each loop stay.
    pub keep: usize,
    /// Whether those that belong to other parameters are used.
    pub changed: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            every: Every::Seconds(600),
            keep: 2,
            changed: false,
        }
    }
}

/// What somebody says of it; the rest is as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    pub every: Option<Every>,
    pub keep: Option<u64>,
}

impl Saving {
    /// This, and of what it leaves open what `other` says.
    pub fn or(self, other: Saving) -> Saving {
        Saving {
            every: self.every.or(other.every),
            keep: self.keep.or(other.keep),
        }
    }

    /// The words of a command line that say it.
    pub fn words(self) -> Vec<String> {
        let options = [
            ("--checkpoint-every", self.every.map(|it| it.to_string())),
            ("--keep-checkpoints", self.keep.map(|it| it.to_string())),
        ];
        let given = options.into_iter();
        let given = given.filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }
}

impl From<Saving> for Policy {
    fn from(saving: Saving) -> Policy {
        let usual = Policy::default();
        Policy {
            every: saving.every.unwrap_or(usual.every),
            keep: saving.keep.map_or(usual.keep, |n| n as usize),
            ..usual
        }
    }
}

impl Every {
    /// Whether one is due, so many steps and so long after the last one.
    pub(super) fn is_due(self, steps: u64, since: Duration) -> bool {
        match self {
            Every::Steps(every) => steps >= every,
            Every::Seconds(every) => since >= Duration::from_secs(every),
            Every::Never => false,
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Every::Steps(steps) => write!(f, "{steps}"),
            Every::Seconds(seconds) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            Every::Seconds(seconds) => write!(f, "{seconds}s"),
            Every::Never => f.write_str("never"),
        }
    }
}

impl From<Every> for String {
    fn from(every: Every) -> String {
        every.to_string()
    }
}

impl TryFrom<String> for Every {
    type Error = Error;

    fn try_from(text: String) -> Result<Every> {
        text.parse()
    }
}

impl FromStr for Every {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "never" {
            return Ok(Every::Never);
        }
        let number = text.trim_end_matches(['s', 'm', 'h']);
        let each = match &text[number.len()..] {
            "" => None,
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            _ => bail!("{}", wrong(text)),
        };
        let count: u64 = match number.parse() {
            Ok(count) if count > 0 => count,
            _ => bail!("{}", wrong(text)),
        };
        let seconds = each.map(|each: u64| count.saturating_mul(each));
        Ok(seconds.map_or(Every::Steps(count), Every::Seconds))
    }
}

fn wrong(text: &str) -> String {
    format!(
        "write a number of steps, such as 500, a time, such as 30s, 10m or 2h, or never; got {text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_times_are_read() {
        let read = |text: &str| text.parse::<Every>();
        assert_eq!(read("500").unwrap(), Every::Steps(500));
        assert_eq!(read("90s").unwrap(), Every::Seconds(90));
        assert_eq!(read("10m").unwrap(), Every::Seconds(600));
        assert_eq!(read("2h").unwrap(), Every::Seconds(7200));
        assert_eq!(read("never").unwrap(), Every::Never);
        for text in ["500", "90s", "10m", "never"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in ["", "0", "0m", "m", "10ms", "-3", "1.5m", "often"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
