use crate::Result;
use serde::{Deserialize, Serialize};

/// What a user may say, with every default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The radius whose number is in question, L-infinity, in pixels of [0, 1].
    pub eps: f64,
    /// Of the attack whose number is in question.
    pub steps: i64,
    /// Of the attack that takes more.
    pub many_steps: i64,
    pub restarts: i64,
    /// So many images, evenly by class.
    pub images: usize,
    pub batch_size: usize,
    /// Of each black-box attack.
    pub queries: i64,
    /// Of Auto-PGD and of AutoAttack.
    pub autoattack_steps: i64,
    pub targets: i64,
    /// By name; all of them where empty.
    pub checks: Vec<String>,
    pub name: String,
    /// What attacks are transferred from, where there is something.
    pub source: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            eps: 0.03,
            steps: 40,
            many_steps: 100,
            restarts: 5,
            images: 100,
            batch_size: 64,
            queries: 500,
            autoattack_steps: 50,
            targets: 3,
            checks: Vec::new(),
            name: "model".into(),
            source: None,
        }
    }
}

/// Fewer images can show nothing: six that one attack alone breaks are the fewest that are no
/// chance (see `compare`), and most models get some of the images wrong anyway.
pub const FEWEST_IMAGES: usize = 20;

impl Options {
    /// # Errors
    /// `Invalid` for a radius that is none, counts below 1, too few images, unknown checks.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        let eps = self.eps;
        ensure!(
            eps > 0.0 && eps.is_finite(),
            "diagnose: `eps` must be above 0, got {eps}"
        );
        ensure!(
            (0.0..1.0).contains(&eps),
            "diagnose: `eps` must be below 1, pixels lie in [0, 1], got {eps}; did you mean \
             {eps:?}/255.0, that is px({eps})?"
        );
        for (name, count) in [
            ("steps", self.steps),
            ("many_steps", self.many_steps),
            ("restarts", self.restarts),
            ("queries", self.queries),
            ("autoattack_steps", self.autoattack_steps),
            ("targets", self.targets),
        ] {
            ensure!(
                count >= 1,
                "diagnose: `{name}` must be at least 1, got {count}"
            );
        }
        ensure!(
            self.batch_size >= 1,
            "diagnose: `batch_size` must be at least 1, got 0"
        );
        ensure!(
            self.images >= FEWEST_IMAGES,
            "diagnose: `images` must be at least {FEWEST_IMAGES}, fewer show nothing; got {}",
            self.images
        );
        for name in &self.checks {
            ensure!(
                known.contains(&name.as_str()),
                "diagnose: there is no check {name:?}; there are {}",
                known.join(", ")
            );
        }
        Ok(())
    }
}
