#![no_main]
//! Inputs of a session: completion at each place of the text, and whether it goes on.

use libfuzzer_sys::fuzz_target;
use rhobust::repl::{Session, complete, is_unfinished, scan};
use rhobust::script::Settings;
use std::cell::RefCell;

thread_local! {
    static SESSION: RefCell<Session> =
        RefCell::new(Session::new(Settings::default()).expect("a session begins"));
}

fuzz_target!(|text: &str| {
    for piece in scan(text) {
        let _ = piece.text(text);
    }
    let _ = is_unfinished(text);
    SESSION.with_borrow(|session| {
        let places = (0..=text.len()).filter(|&at| text.is_char_boundary(at));
        for cursor in places.step_by(1 + text.len() / 8) {
            complete(session, text, cursor);
        }
    });
});
