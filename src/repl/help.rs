//! `?pgd`, `pgd?` and `?word`.

use super::session::Session;
use crate::script::docs::{Style, docs};
use crate::script::names::{did_you_mean, type_word};

/// What an input asks about, if it is a question.
pub fn asked(input: &str) -> Option<&str> {
    let topic = match input.strip_prefix('?') {
        Some(topic) => topic,
        None => input.strip_suffix('?')?,
    };
    Some(topic.trim().trim_end_matches("()"))
}

/// What is known of the topic: a variable, a documented name, or what a search finds.
pub fn answer(session: &Session, topic: &str) -> String {
    let style = Style::of_stdout();
    if topic.is_empty() {
        return docs().overview(&style);
    }
    if let Some(value) = session.value(topic) {
        let word = type_word(session.engine().map_type_name(value.type_name()));
        return format!("{topic}: {word}\n{}\n", session.shown(&value));
    }
    let name = session.documented(topic);
    if let Some(page) = docs().page(&name, &style) {
        return page;
    }
    match docs().found(topic, &style) {
        nothing if nothing.is_empty() => {
            let near = did_you_mean(topic, docs().nearest(topic));
            format!("error: nothing is about `{topic}`{near}\n")
        }
        found => found,
    }
}
