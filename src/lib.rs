//! rhobust: a scripting host for adversarial-robustness experiments.
//!
//! The modules stand in the order of the layers: each knows only those above it.
//! `torch` is the only one that names tch; `script`, `repl` and `cli` are the only
//! ones that name rhai.

#[macro_use]
mod error;
pub mod interrupt;
pub mod notice;
pub mod panics;
pub mod seed;

pub mod files;
pub mod limits;
pub mod memory;
pub mod profile;

pub mod torch;

pub mod attack;
pub mod data;
pub mod diagnose;
pub mod label;
pub mod ledger;
pub mod metrics;
pub mod nn;
pub mod recipe;
pub mod report;
pub mod run;
pub mod train;

pub mod estimate;
pub mod info;
pub mod sweep;

pub mod script;

pub mod repl;

pub mod cli;

pub use error::{Error, Result};
