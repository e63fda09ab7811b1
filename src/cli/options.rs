//! Options that several commands have.

use crate::Error;
use crate::limits::{self, Limits};
use crate::recipe::is_recipe;
use crate::run::loops::{Every, Policy, Saving};
use crate::script::{Settings, paths_in};
use crate::torch::cuda;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::path::PathBuf;
use std::time::Duration;

/// What scripts and sessions are given alike.
#[derive(Args)]
pub(super) struct Common {
    /// Give a parameter of the script another value than its default
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,

    /// Data to read, by the name of the parameter that says where it is
    #[arg(long, value_name = "NAME=PATH", value_parser = key_and_value)]
    pub data: Vec<(String, String)>,

    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long)]
    pub device: Option<String>,

    /// The seed that all random draws are derived from
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// How many CPU threads to compute with [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub threads: Option<u64>,

    /// What a GPU may do: tf32 (float32 products with fewer bits), benchmark (cuDNN tries out its
    /// algorithms), deterministic (the same bits each time; what cannot is an error)
    #[arg(long, value_name = "MODE", value_parser = cuda_mode)]
    pub cuda: Vec<cuda::Mode>,

    /// Let the script read a file or folder besides its own folder and those given with --set or --data
    #[arg(long, value_name = "PATH")]
    pub allow_read: Vec<PathBuf>,

    /// Let the script write a file or into a folder besides its run folder
    #[arg(long, value_name = "PATH")]
    pub allow_write: Vec<PathBuf>,

    #[command(flatten)]
    pub bounds: Bounds,
}

impl Common {
    /// All values of parameters: for a script, data is one of them.
    pub fn values(&self) -> Vec<(String, String)> {
        [self.set.as_slice(), &self.data].concat()
    }

    /// What a script may read because it is in the value of a parameter.
    pub fn given(&self) -> Vec<String> {
        let values = self.values().into_iter();
        values.flat_map(|(_, value)| paths_in(&value)).collect()
    }

    /// The words of a command line that say what it may open.
    pub fn allowed(&self) -> Vec<String> {
        let all = [
            ("--allow-read", &self.allow_read),
            ("--allow-write", &self.allow_write),
        ];
        let words = all.into_iter().flat_map(|(option, paths)| {
            let each = paths.iter();
            each.flat_map(move |it| [option.to_owned(), it.display().to_string()])
        });
        words.collect()
    }

    pub fn settings(self, script: Option<PathBuf>) -> Settings {
        Settings {
            script,
            interactive: false,
            set: self.values(),
            opens: None,
            seed: self.seed,
            device: self.device,
            threads: self.threads.map(|n| n as usize),
            cuda: self.cuda,
            out: None,
            resume: None,
            command_line: None,
            allow_read: self.allow_read,
            allow_write: self.allow_write,
            limits: self.bounds.limits(),
            checkpoints: Policy::default(),
            profile: false,
        }
    }
}

/// What loops keep, to go on from.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Checkpoints {
    /// How often a loop writes a checkpoint: a number of steps, a time such as 30s, 10m or 2h, or
    /// never [default: 10m]
    #[arg(long, value_name = "STEPS_OR_TIME", value_parser = every)]
    pub checkpoint_every: Option<Every>,

    /// So many of the last checkpoints of each loop stay [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_checkpoints: Option<u64>,
}

impl From<Saving> for Checkpoints {
    fn from(saving: Saving) -> Self {
        Checkpoints {
            checkpoint_every: saving.every,
            keep_checkpoints: saving.keep,
        }
    }
}

impl Checkpoints {
    pub fn saving(self) -> Saving {
        Saving {
            every: self.checkpoint_every,
            keep: self.keep_checkpoints,
        }
    }
}

/// What a script may take. It ends there as at a Ctrl-C: what was computed is kept.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bounds {
    /// Stop the script (in a session each input, in a test each test) after this time: 90s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = limits::duration)]
    pub max_time: Option<Duration>,

    /// Stop it when the program takes more memory than this: 512M, 8G [default: nine tenths of what
    /// is free]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub max_memory: Option<u64>,

    /// Stop it after so many steps, those of native functions not counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_operations: Option<u64>,
}

impl From<Limits> for Bounds {
    fn from(limits: Limits) -> Self {
        Bounds {
            max_time: limits.time,
            max_memory: limits.memory,
            max_operations: limits.operations,
        }
    }
}

impl Bounds {
    pub fn limits(self) -> Limits {
        Limits {
            time: self.max_time,
            memory: self.max_memory,
            operations: self.max_operations,
        }
    }
}

/// A script where a recipe will not do.
pub(super) fn script_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match is_recipe(&path) {
        false => Ok(path),
        true => Err(format!(
            "this is a recipe: `rhobust run` and `rhobust replay` run it, `rhobust inspect {} \
             --extract DIR` gives its script",
            path.display()
        )),
    })
}

fn cuda_mode(text: &str) -> Result<cuda::Mode, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn memory(text: &str) -> Result<u64, String> {
    /// The program itself takes more.
    const LEAST: u64 = 64 << 20;
    match limits::size(text)? {
        size if size >= LEAST => Ok(size),
        _ => Err("the program itself takes some 100M; write a unit, as in 8G".to_owned()),
    }
}

fn every(text: &str) -> Result<Every, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.into())),
        _ => Err("write NAME=VALUE, for example --set epochs=3".into()),
    }
}
