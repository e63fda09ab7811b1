use serde::{Deserialize, Serialize};

/// When an attack is done with an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// As soon as it is broken: the image is kept as it is there.
    #[default]
    Broken,
    /// After all steps.
    Never,
}

impl Stop {
    /// What is usual for PGD, whose last image counts.
    pub fn never() -> Self {
        Stop::Never
    }
}
