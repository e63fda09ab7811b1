//! A run in a temporary folder that goes over a few batches of each loop only, to tell what the
//! whole run will take.

use super::launch::{Ending, Left, compile_and_run, recorded};
use super::{Host, Settings, engine, errors, thread};
use crate::estimate::{Circumstances, Cost, Estimate, Probe};
use crate::torch::{self, Device};
use crate::{Error, Result, interrupt};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// What a host has while its script is only probed.
pub(super) struct Probing {
    pub probe: Probe,
    /// Where files lie that a run would write out of its folder.
    moved: RefCell<HashMap<PathBuf, PathBuf>>,
}

impl Probing {
    /// The place in the run folder for what a run would write to `real`, if that lies elsewhere.
    pub fn place_for(&self, real: &Path, run: &Path) -> Result<Option<PathBuf>> {
        if real.starts_with(run) {
            return Ok(None);
        }
        let mut moved = self.moved.borrow_mut();
        let folder = run.join(format!("elsewhere-{}", moved.len()));
        let place = match moved.get(real) {
            Some(place) => place.clone(),
            None => {
                std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, &error))?;
                folder.join(real.file_name().unwrap_or_default())
            }
        };
        moved.insert(real.to_owned(), place.clone());
        Ok(Some(place))
    }

    /// Where the probe wrote what a run would have written to `real`.
    pub fn moved(&self, real: &Path) -> Option<PathBuf> {
        self.moved.borrow().get(real).cloned()
    }
}

/// Probes the script that `settings` name. There is no estimate where it did not begin; where
/// it did not reach its end, the estimate is of what came before.
pub fn estimate(settings: Settings, verbose: bool) -> (Option<Estimate>, Ending) {
    torch::cuda::load();
    torch::keep_memory();
    let probed = thread::with_large_stack(move || match probe(settings, verbose) {
        Ok(probed) => probed,
        Err(error) => (None, Ending::Failed(format!("error: {error}\n"))),
    });
    probed.unwrap_or_else(|message| (None, Ending::Failed(format!("error: {message}\n"))))
}

fn probe(settings: Settings, verbose: bool) -> Result<(Option<Estimate>, Ending)> {
    let folder = tempfile::tempdir()
        .map_err(|error| Error::invalid(format!("no temporary folder can be made: {error}")))?;
    let run = folder.path().join("run");
    let host = Host::new(Settings {
        out: Some(run.clone()),
        ..settings
    })?;
    torch::use_threads(host.settings().threads);
    torch::cuda::set_modes(&host.settings().cuda)?;
    let circumstances = Circumstances {
        script: shown_script(&host),
        device: host.find_device("auto")?.to_string(),
        threads: torch::num_threads(),
    };
    let probe = Probe::new(Cost::so_far, free_cores(host.find_device("auto")?));
    host.begin_probing(Probing {
        probe: probe.clone(),
        moved: RefCell::default(),
    });
    host.set_printer(move |text| {
        if verbose {
            aside(text);
        }
    });
    let engine = engine(host.clone());
    let watch = host.watch();
    let ran = compile_and_run(&host, &engine);
    drop(watch);
    let ending = match ran {
        Ok(()) => Ending::Finished,
        Err(stopped) if interrupt::limit().is_some() => {
            Ending::Limited(errors::report(&engine, &stopped), Left::default())
        }
        Err(_) if interrupt::requested() => Ending::Interrupted(Left::default()),
        Err(error) => Ending::Failed(errors::report(&engine, &error)),
    };
    if host.run_folder().is_none() {
        return Ok((None, ending));
    }
    // Rows that wait are written.
    host.end_record(recorded(&ending))?;
    let stopped = match &ending {
        Ending::Finished => None,
        Ending::Interrupted(_) => Some("interrupted".to_owned()),
        Ending::Failed(report) | Ending::Limited(report, _) => Some(report.trim_end().to_owned()),
    };
    let estimate = Estimate::new(&probe, &run, circumstances, stopped);
    Ok((Some(estimate), ending))
}

fn shown_script(host: &Host) -> String {
    let script = host.settings().script.as_deref();
    script.map_or(String::new(), |path| path.display().to_string())
}

/// Cores that loader threads have for themselves; models on a GPU leave them all.
fn free_cores(device: Device) -> usize {
    match device {
        Device::Cpu => {
            let cores = available_parallelism().map_or(1, usize::from);
            cores.saturating_sub(torch::num_threads())
        }
        Device::Cuda(_) => usize::MAX,
    }
}

/// What the script prints, beside the estimate.
fn aside(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = match out.is_terminal() {
        true => writeln!(out, "\x1b[2m{text}\x1b[0m"),
        false => writeln!(out, "{text}"),
    };
}
