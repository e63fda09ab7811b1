//! How far a run of a sweep is.

use super::texts::Texts;
use crate::run::{Recorded, Status};
use crate::{Error, Result, info};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is nothing yet.
    New,
    /// It was stopped, or failed, and can be gone on with.
    Stopped,
    Finished,
}

/// How far the run in `folder` is, whose parameters have to be `expected`.
///
/// # Errors
/// `Invalid` for a folder that is not of this run: of other parameters, another version of the
/// program or another text of the script; and for one that is no run's.
pub fn state(folder: &Path, expected: &[(String, Value)], texts: &mut Texts) -> Result<State> {
    let empty = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(Error::io(folder, &error)),
        Ok(mut entries) => entries.next().is_none(),
    };
    if empty {
        return Ok(State::New);
    }
    let shown = folder.display();
    let recorded = Recorded::read(folder)
        .map_err(|error| Error::invalid(format!("{error}; remove {shown} to do the run again")))?;
    for (name, now) in expected {
        // A script that was stopped early has not declared them.
        if let Some(then) = recorded.parameters.get(name) {
            ensure!(
                then == now,
                "{shown}: this run had `{name}` {then}, not {now}; begin another sweep with --out, or \
                 remove that folder"
            );
        }
    }
    for (what, now) in &info::versions() {
        let then = recorded
            .versions
            .get(what)
            .map_or("another", String::as_str);
        ensure!(
            then == now,
            "{shown}: this run was made with {what} {then}, this is {now}; the numbers would not go \
             together: begin another sweep with --out"
        );
    }
    texts.learn(folder, &recorded)?;
    Ok(match recorded.status {
        Status::Finished => State::Finished,
        Status::Running | Status::Failed | Status::Interrupted => State::Stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Ending, Manifest, Record, Source};
    use serde_json::json;

    fn manifest(script: &Path) -> Manifest {
        let source = Source {
            path: script.to_owned(),
            text: fs::read_to_string(script).unwrap(),
        };
        Manifest {
            sources: vec![source],
            parameters: json!({ "eps": 0.1 }).as_object().unwrap().clone(),
            versions: info::versions(),
            ..Manifest::default()
        }
    }

    #[test]
    fn a_run_is_new_stopped_or_finished() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.rhai");
        fs::write(&script, "1").unwrap();
        let run = folder.path().join("run");
        let mut texts = Texts::now(&script);
        let mut now = || state(&run, &[], &mut texts).unwrap();
        assert_eq!(now(), State::New);
        fs::create_dir(&run).unwrap();
        assert_eq!(now(), State::New);
        let mut record = Record::create(&run, manifest(&script)).unwrap();
        assert_eq!(now(), State::Stopped);
        record.end(Ending::Finished).unwrap();
        assert_eq!(now(), State::Finished);
    }

    #[test]
    fn a_run_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.rhai");
        fs::write(&script, "1").unwrap();
        let place = |name: &str| folder.path().join(name);
        let refused = |run: &str, expected: &[(String, Value)]| {
            let now = state(&place(run), expected, &mut Texts::now(&script));
            now.map_err(|error| error.to_string())
        };
        Record::create(&place("run"), manifest(&script)).unwrap();
        let eps = |value: f64| [("eps".to_owned(), value.into())];
        assert_eq!(refused("run", &eps(0.1)), Ok(State::Stopped));
        let error = refused("run", &eps(0.2)).unwrap_err();
        assert!(error.contains("this run had `eps` 0.1, not 0.2"), "{error}");

        let mut older = manifest(&script);
        older.versions.insert("libtorch".into(), "1.0.0".into());
        Record::create(&place("older"), older).unwrap();
        let error = refused("older", &[]).unwrap_err();
        assert!(error.contains("made with libtorch 1.0.0"), "{error}");

        fs::write(&script, "2").unwrap();
        let error = refused("run", &[]).unwrap_err();
        assert!(error.contains("s.rhai is not what "), "{error}");

        fs::create_dir(place("other")).unwrap();
        fs::write(place("other").join("notes.txt"), "mine").unwrap();
        let error = refused("other", &[]).unwrap_err();
        assert!(error.contains("is not the folder of a run"), "{error}");
    }
}
