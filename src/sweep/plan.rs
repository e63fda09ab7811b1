//! What a sweep runs: `sweep.json`.

use super::grid::{Axis, Point, points};
use crate::files::{plain_name, write_whole};
use crate::limits::Limits;
use crate::run::loops::Saving;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;

const FILE: &str = "sweep.json";
/// The number of the layout, raised when a reader has to know.
const FORMAT: u32 = 1;

/// A script, the points that it is run at, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    pub script: PathBuf,
    /// The folder that the program was started in, which paths are relative to.
    pub directory: PathBuf,
    pub grid: Vec<Axis>,
    /// What all runs are given, as `rhobust run` takes it.
    pub set: Vec<(String, String)>,
    pub seed: Option<u64>,
    pub cuda: Vec<String>,
    pub allow_read: Vec<PathBuf>,
    pub allow_write: Vec<PathBuf>,
    /// Of each run.
    #[serde(default)]
    pub limits: Limits,
    /// Of each run.
    #[serde(default)]
    pub checkpoints: Saving,
    /// The parameters that the table averages over.
    pub over: Vec<String>,
    /// So many runs at once.
    pub jobs: usize,
    /// What the runs that go on at once compute on, in turn; if empty, nothing is said to them.
    pub devices: Vec<String>,
    /// CPU threads of each run; by default the runs share the cores.
    pub threads: Option<usize>,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The name of its folder.
    pub name: String,
    pub point: Point,
}

impl Plan {
    pub fn new(script: PathBuf, directory: PathBuf, grid: Vec<Axis>) -> Self {
        Plan {
            format: FORMAT,
            script,
            directory,
            grid,
            set: Vec::new(),
            seed: None,
            cuda: Vec::new(),
            allow_read: Vec::new(),
            allow_write: Vec::new(),
            limits: Limits::default(),
            checkpoints: Saving::default(),
            over: Vec::new(),
            jobs: 1,
            devices: Vec::new(),
            threads: None,
        }
    }

    /// The plan of the sweep in `folder`, if there is one.
    ///
    /// # Errors
    /// `Invalid` for a file that is damaged or of another version of the program.
    pub fn read(folder: &Path) -> Result<Option<Plan>> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, &error)),
        };
        let damaged = |error| Error::invalid(format!("{} is damaged ({error})", path.display()));
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
        ensure!(
            format == FORMAT,
            "{} has format {format}, this program reads {FORMAT}",
            path.display()
        );
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Error::invalid(error.to_string()))?;
        write_whole(&folder.join(FILE), (text + "\n").as_bytes())
    }

    /// Refuses to go on with `earlier` as this plan, unless it is the same or has more values.
    ///
    /// # Errors
    /// `Invalid` with what differs.
    pub fn check_goes_on(&self, earlier: &Plan, folder: &Path) -> Result<()> {
        let shown = folder.display();
        let same = |what: &str, then: String, now: String| {
            ensure!(
                then == now,
                "{shown}: this sweep was begun with {what} {then}, now it is {now}; give the same, \
                 or another --out"
            );
            Ok(())
        };
        let directory = |plan: &Plan| plan.directory.display().to_string();
        same("the current folder", directory(earlier), directory(self))?;
        let script = |plan: &Plan| plan.script.display().to_string();
        same("the script", script(earlier), script(self))?;
        same("--set", set(earlier), set(self))?;
        let seed = |plan: &Plan| plan.seed.map_or("of none".to_owned(), |it| it.to_string());
        same("--seed", seed(earlier), seed(self))?;
        let cuda = |plan: &Plan| format!("{:?}", plan.cuda);
        same("--cuda", cuda(earlier), cuda(self))?;
        same("a grid of", names(earlier), names(self))?;
        for (then, now) in earlier.grid.iter().zip(&self.grid) {
            let lacks = then.values.iter().find(|it| !now.values.contains(it));
            if let Some(value) = lacks {
                bail!(
                    "{shown}: this sweep has `{}` {value}, which the grid lacks now; values can be \
                     added, none left out",
                    then.name
                );
            }
        }
        Ok(())
    }

    /// All runs, in the order of the grid.
    ///
    /// # Errors
    /// `Invalid` for a grid that is none, and for points whose folders would have one name.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let mut seen = HashSet::new();
        points(&self.grid)?
            .into_iter()
            .map(|point| {
                let name = name(&point);
                ensure!(
                    seen.insert(name.clone()),
                    "two runs would have the folder {name}; write their values in another way"
                );
                Ok(Run { name, point })
            })
            .collect()
    }

    /// What `rhobust` is given to start a run: `run SCRIPT ... --out FOLDER`.
    pub fn start(&self, run: &Run, sweep: &Path) -> Vec<String> {
        let mut words = vec!["run".to_owned(), shown(&self.script)];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        for (name, value) in &self.set {
            option("set", format!("{name}={value}"));
        }
        for (name, value) in &run.point {
            match name.as_str() {
                // That sets the parameter of this name too, where the script has one.
                "seed" => option("seed", value.clone()),
                _ => option("set", format!("{name}={value}")),
            }
        }
        if let Some(seed) = self.seed {
            option("seed", seed.to_string());
        }
        for mode in &self.cuda {
            option("cuda", mode.clone());
        }
        option("out", shown(&sweep.join(&run.name)));
        words.extend(self.means());
        words
    }

    /// What `rhobust` is given to go on with a run that did not finish.
    pub fn go_on(&self, run: &Run, sweep: &Path) -> Vec<String> {
        let folder = shown(&sweep.join(&run.name));
        let mut words = vec!["run".to_owned(), "--resume".to_owned(), folder];
        words.extend(self.means());
        words
    }

    /// What a run may open and take, which can be another thing when it goes on.
    fn means(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (option, paths) in [
            ("--allow-read", &self.allow_read),
            ("--allow-write", &self.allow_write),
        ] {
            words.extend(paths.iter().flat_map(|it| [option.to_owned(), shown(it)]));
        }
        words.extend(self.limits.words());
        words.extend(self.checkpoints.words());
        words.extend(self.threads());
        words
    }

    /// Runs that go on at once share the cores, unless it is said how many threads each has.
    fn threads(&self) -> Vec<String> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = (self.jobs > 1).then(|| (cores / self.jobs).max(1));
        let threads = self.threads.or(share).into_iter();
        threads
            .flat_map(|n| ["--threads".to_owned(), n.to_string()])
            .collect()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn set(plan: &Plan) -> String {
    let mut set: Vec<String> = plan.set.iter().map(|(k, v)| format!("{k}={v}")).collect();
    set.sort();
    match set.is_empty() {
        true => "of nothing".to_owned(),
        false => set.join(" "),
    }
}

fn names(plan: &Plan) -> String {
    let names = plan.grid.iter().map(|axis| axis.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// `delta=0.01_eps=8-255_seed=0`: without what shells or lists of folders take for their own.
fn name(point: &Point) -> String {
    let plain = |value: &str| -> String {
        let letters = value.chars().filter(|c| !"[]\"' ".contains(*c));
        letters
            .map(|c| match c {
                '/' => '-',
                ',' => '+',
                c => c,
            })
            .collect()
    };
    let parts = point
        .iter()
        .map(|(name, value)| format!("{name}={}", plain(value)));
    plain_name(&parts.collect::<Vec<_>>().join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::loops::Every;

    fn plan(grid: &[&str]) -> Plan {
        let grid = grid.iter().map(|text| text.parse().unwrap()).collect();
        Plan {
            set: vec![("epochs".into(), "2".into())],
            threads: Some(3),
            limits: Limits {
                memory: Some(1 << 20),
                ..Limits::default()
            },
            checkpoints: Saving {
                every: Some(Every::Steps(5)),
                keep: None,
            },
            allow_read: vec!["/data".into()],
            ..Plan::new("s.rhai".into(), "/home".into(), grid)
        }
    }

    #[test]
    fn a_plan_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), None);
        let plan = plan(&["delta=0.1,0.2", "seed=0..3"]);
        plan.write(folder.path()).unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), Some(plan));
        let file = folder.path().join(FILE);
        fs::write(&file, "{\"format\": 2}").unwrap();
        let refused = || Plan::read(folder.path()).unwrap_err().to_string();
        assert!(refused().contains("has format 2, this program reads 1"));
        fs::write(&file, "{\"form").unwrap();
        assert!(refused().contains("is damaged"));
    }

    #[test]
    fn runs_have_names_and_commands() {
        let plan = plan(&["delta=0.1,8/255", "seed=0..2"]);
        let runs = plan.runs().unwrap();
        assert_eq!(runs[1].name, "delta=0.1_seed=1");
        assert_eq!(runs[2].name, "delta=8-255_seed=0");
        assert_eq!(
            plan.start(&runs[1], Path::new("sweeps/x")).join(" "),
            "run s.rhai --set epochs=2 --set delta=0.1 --seed 1 \
             --out sweeps/x/delta=0.1_seed=1 --allow-read /data --max-memory 1048576 \
             --checkpoint-every 5 --threads 3"
        );
        assert_eq!(
            plan.go_on(&runs[0], Path::new("x")).join(" "),
            "run --resume x/delta=0.1_seed=0 --allow-read /data --max-memory 1048576 \
             --checkpoint-every 5 --threads 3"
        );
    }

    #[test]
    fn names_are_plain_and_do_not_meet() {
        let name = |grid: &[&str]| Ok::<_, Error>(plan(grid).runs()?[0].name.clone());
        assert_eq!(name(&["radii=[1, 2]"]).unwrap(), "radii=1+2");
        assert!(name(&["a=x_b=1,x", "b=1,1_b=1"]).is_err());
        assert!(name(&["eps=8/255,8-255"]).is_err());
    }

    #[test]
    fn a_sweep_may_grow_and_nothing_else() {
        let earlier = plan(&["a=1,2", "b=1"]);
        let goes_on = |now: &Plan| {
            let checked = now.check_goes_on(&earlier, Path::new("x"));
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(goes_on(&earlier), Ok(()));
        assert_eq!(goes_on(&plan(&["a=0..4", "b=2,1"])), Ok(()));
        let refused = |now: &Plan, part: &str| {
            let error = goes_on(now).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused(&plan(&["a=1,3", "b=1"]), "has `a` 2, which the grid lacks");
        refused(&plan(&["a=1,2"]), "a grid of a, b, now it is a;");
        let mut other = earlier.clone();
        other.set = vec![("epochs".into(), "3".into())];
        refused(&other, "--set epochs=2, now it is epochs=3");
        other = earlier.clone();
        other.script = "t.rhai".into();
        refused(&other, "the script s.rhai, now it is t.rhai");
        other = earlier.clone();
        other.directory = "/".into();
        refused(&other, "the current folder /home, now it is /");
        other = earlier.clone();
        other.seed = Some(1);
        refused(&other, "--seed of none, now it is 1");
        // How fast it goes is another matter.
        other = earlier.clone();
        other.jobs = 9;
        assert_eq!(goes_on(&other), Ok(()));
    }
}
