//! A record made up for tests.

use super::{Machine, Recorded, Status};
use serde_json::{Map, json};

pub fn recorded() -> Recorded {
    Recorded {
        sources: Default::default(),
        format: 1,
        status: Status::Finished,
        error: None,
        script: Some("scripts/paper.rhai".into()),
        script_copy: None,
        directory: None,
        resumed: Vec::new(),
        command_line: ["rhobust", "run", "scripts/paper.rhai"]
            .map(Into::into)
            .into(),
        opens: None,
        parameters: Map::from_iter([("eps".to_owned(), json!(0.03))]),
        seed: 0,
        device: "cpu".into(),
        threads: 2,
        versions: [("rhobust".to_owned(), "0.1.0".to_owned())].into(),
        machine: Machine::default(),
        notes: Map::from_iter([("frost".to_owned(), json!("drawn <crystals>"))]),
        results: Default::default(),
        warnings: Vec::new(),
        changes: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        started: "2026-01-02T03:04:05Z".into(),
        ended: None,
        wall_seconds: Some(90.0),
        timings: Default::default(),
    }
}
