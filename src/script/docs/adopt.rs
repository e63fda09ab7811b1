//! Options that a comment leaves to that of another function: `` as for `pgd` ``.

use super::collect::Draft;
use super::{Entry, OptionDoc};

/// The entries, with all their options.
pub(super) fn adopted(drafts: Vec<Draft>) -> Vec<Entry> {
    let listed = Listed::by(&drafts);
    // What is adopted may be adopted itself.
    let once = Listed(drafts.iter().map(|draft| listed.fill(draft)).collect());
    drafts.iter().map(|draft| once.fill(draft)).collect()
}

/// The options that comments list in full.
struct Listed(Vec<Entry>);

impl Listed {
    fn by(drafts: &[Draft]) -> Self {
        let lists = |entry: &&Entry| entry.options.as_ref().is_some_and(|all| !all.is_empty());
        let complete = drafts.iter().filter(|draft| draft.options_of.is_none());
        let entries = complete.map(|draft| &draft.entry).filter(lists);
        Listed(entries.cloned().collect())
    }

    /// The options of a function, of the same topic if it has one of the name.
    fn options(&self, topic: &str, function: &str) -> &[OptionDoc] {
        let lists = |entry: &&Entry| entry.options.as_ref().is_some_and(|all| !all.is_empty());
        let named = || {
            self.0
                .iter()
                .filter(lists)
                .filter(|it| it.is_called(function))
        };
        let here = named().find(|entry| entry.topic == topic);
        let found = here.or_else(|| named().next());
        found
            .and_then(|entry| entry.options.as_deref())
            .unwrap_or_default()
    }

    fn fill(&self, draft: &Draft) -> Entry {
        let mut entry = draft.entry.clone();
        let Some(own) = &mut entry.options else {
            return entry;
        };
        for option in own.iter_mut() {
            let Some(function) = option.as_for() else {
                continue;
            };
            let mut theirs = self.options(&entry.topic, function).iter();
            if let Some(theirs) = theirs.find(|it| it.name == option.name) {
                option.text = theirs.text.clone();
                // `` `normalize` (default `"none"`): as for `resnet50` `` keeps its default.
                if option.default.is_none() {
                    option.default = theirs.default.clone();
                    option.required = theirs.required;
                }
            }
        }
        if let Some(function) = &draft.options_of {
            let theirs = self.options(&entry.topic, function);
            let listed: Vec<_> = own.iter().map(|it| it.name.clone()).collect();
            let others = theirs.iter().filter(|it| !listed.contains(&it.name));
            own.extend(others.cloned());
        }
        entry
    }
}

impl OptionDoc {
    /// The function whose comment says what this option is.
    fn as_for(&self) -> Option<&str> {
        self.text.strip_prefix("as for `")?.strip_suffix('`')
    }
}
