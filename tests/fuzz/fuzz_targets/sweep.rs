#![no_main]
//! `sweep.json`, the plan of a sweep.

use libfuzzer_sys::fuzz_target;
use rhobust::sweep::Plan;
use rhobust_fuzz::{folder, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(folder());
}

fuzz_target!(|data: &[u8]| {
    FOLDER.with_borrow(|folder| {
        write(folder, "sweep.json", data);
        if let Ok(Some(plan)) = Plan::read(folder.path())
            && let Ok(runs) = plan.runs()
        {
            for run in runs.iter().take(10) {
                let _ = (plan.start(run, folder.path()), plan.go_on(run, folder.path()));
            }
        }
    });
});
