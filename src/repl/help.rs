//! `?pgd`, `pgd?` and `?word`.

use super::session::Session;
use crate::script::docs::{Style, docs};
use crate::script::names::did_you_mean;

/// What an input asks about, if it is a question.
pub fn asked(input: &str) -> Option<&str> {
    let is_name = |text: &&str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || "_:.()".contains(c))
    };
    let topic = match input.strip_prefix('?') {
        Some(topic) => topic,
        None => input.strip_suffix('?').filter(is_name)?,
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
        let word = session.type_word(&value);
        return format!("{topic}: {word}\n{}\n", session.shown(&value));
    }
    let own: String = session
        .own_functions()
        .into_iter()
        .filter(|(name, _)| name == topic)
        .map(|(name, params)| {
            format!(
                "{name}({}), a function of this session\n",
                params.join(", ")
            )
        })
        .collect();
    if !own.is_empty() {
        return own;
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
        found => shortened(&found, topic),
    }
}

/// The best of what a search found: it stands first.
fn shortened(found: &str, topic: &str) -> String {
    const SHOWN: usize = 20;
    let lines: Vec<&str> = found.lines().collect();
    if lines.len() <= SHOWN {
        return found.to_owned();
    }
    let shown = lines[..SHOWN].join("\n");
    let more = lines.len() - SHOWN;
    format!("{shown}\n... {more} lines more: rhobust doc --search {topic}\n")
}
