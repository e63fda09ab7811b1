//! Entries from the functions that are registered and from the library's scripts.

use super::adopt::adopted;
use super::comment::{Comment, Item, examples, unmarked};
use super::{ArgDoc, Entry, Kind, LANGUAGE, OptionDoc, Signature, Topic};
use crate::script::functions::name_and_type;
use crate::script::names::type_word;
use crate::script::{domains, stdlib};
use rhai::module_resolvers::DummyModuleResolver;
use rhai::{Engine, FnAccess};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(super) fn everything() -> (Vec<Topic>, Vec<Entry>) {
    let mut topics = Vec::new();
    let mut drafts = Vec::new();
    for (name, module) in domains() {
        let module = module();
        topics.push(topic(name, module.doc()));
        let mut engine = Engine::new_raw();
        engine.register_global_module(module.into());
        drafts.extend(self::drafts(name, native(&engine, false)));
    }
    let mut engine = Engine::new();
    engine.set_max_expr_depths(0, 0);
    engine.set_module_resolver(DummyModuleResolver::new());
    for (name, text) in stdlib() {
        // A module that does not compile has no documentation; the tests compile each.
        if let Ok(ast) = engine.compile(text) {
            topics.push(topic(name, ast.doc()));
            drafts.extend(self::drafts(name, library(name, &ast)));
        }
    }
    topics.push(topic(
        LANGUAGE,
        "//! What the language itself offers for numbers, strings, arrays and maps.",
    ));
    let language = [native(&engine, true), built_in(&engine)].concat();
    drafts.extend(with_examples(self::drafts(LANGUAGE, language)));
    (topics, adopted(drafts))
}

/// Rhai's comments, with an example for those names that have none.
fn with_examples(mut drafts: Vec<Draft>) -> Vec<Draft> {
    const EXAMPLES: &str = include_str!("language.md");
    for section in EXAMPLES.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap_or("");
        let same = |draft: &&mut Draft| draft.entry.name == name;
        if let Some(draft) = drafts.iter_mut().find(same) {
            draft.entry.examples.extend(examples(section));
        }
    }
    drafts
}

fn topic(name: &str, doc: &str) -> Topic {
    let comment = Comment::read(&unmarked(doc));
    Topic {
        name: name.to_owned(),
        summary: comment.summary,
        description: comment.description,
    }
}

/// A registered form with its comment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    name: String,
    kind: Kind,
    comment: String,
    signature: Signature,
}

fn native(engine: &Engine, standard: bool) -> Vec<Form> {
    engine.collect_fn_metadata(
        None,
        |info| {
            let data = info.metadata;
            let (name, kind) = script_name(&data.name)?;
            let params = (0..data.num_params).map(|at| match data.params_info.get(at) {
                Some(text) => name_and_type(text),
                None => ("_".into(), "any".into()),
            });
            Some(Form {
                name,
                kind,
                comment: unmarked(&data.comments.join("\n")),
                signature: Signature {
                    params: params.collect(),
                    returns: return_type(&data.return_type),
                },
            })
        },
        standard,
    )
}

/// What Rhai's parser knows by itself, such as `print` and `type_of`, from its definitions for
/// editors.
fn built_in(engine: &Engine) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut comment = String::new();
    for line in engine.definitions().builtin_functions().lines() {
        if line.starts_with("///") {
            comment += line;
            comment.push('\n');
        } else if let Some((name, rest)) =
            line.strip_prefix("fn ").and_then(|it| it.split_once('('))
        {
            let (params, returns) = rest.rsplit_once(')').unwrap_or((rest, ""));
            let params = params.split(", ").map(name_and_type).collect();
            let returns = return_type(returns.trim_start_matches(" ->").trim_end_matches(';'));
            forms.push(Form {
                name: name.to_owned(),
                kind: Kind::Function,
                comment: unmarked(&std::mem::take(&mut comment)),
                signature: Signature { params, returns },
            });
        }
    }
    // The host does without it.
    forms.retain(|form| form.name != "eval");
    forms
}

fn library(module: &str, ast: &rhai::AST) -> Vec<Form> {
    let alias = module.rsplit('/').next().unwrap_or(module);
    let public = ast.iter_functions().filter(|function| {
        function.access == FnAccess::Public && !function.name.starts_with("anon$")
    });
    public
        .map(|function| Form {
            name: format!("{alias}::{}", function.name),
            kind: Kind::LibraryFunction,
            comment: unmarked(&function.comments.join("\n")),
            signature: Signature {
                params: function
                    .params
                    .iter()
                    .map(|name| (name.to_string(), "any".to_owned()))
                    .collect(),
                returns: "any".into(),
            },
        })
        .collect()
}

/// `get$shape` is the property `shape`; none for what scripts do not call by name.
fn script_name(registered: &str) -> Option<(String, Kind)> {
    if let Some(name) = registered
        .strip_prefix("get$")
        .or(registered.strip_prefix("set$"))
    {
        return Some((name.to_owned(), Kind::Property));
    }
    if registered.starts_with("index$") {
        return Some(("[]".to_owned(), Kind::Operator));
    }
    let is_word = registered.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let kind = if is_word {
        Kind::Function
    } else {
        Kind::Operator
    };
    // What Rhai shows a value with; `to_string` stands for all of them.
    let display = ["to_debug", "print", "debug"].contains(&registered);
    let shown = !display && !registered.contains('$');
    shown.then(|| (registered.to_owned(), kind))
}

/// `RhaiResultOf<Tensor>` is `tensor`.
fn return_type(text: &str) -> String {
    let inner = ["RhaiResultOf<", "Result<"]
        .iter()
        .find_map(|wrapper| text.trim().strip_prefix(wrapper)?.strip_suffix('>'));
    let ok = inner.map_or(text, |inner| inner.split(", Box").next().unwrap_or(inner));
    match ok.trim() {
        "" => "()".into(),
        ok => type_word(ok),
    }
}

/// One entry for each comment. Forms without one belong to the entry of their name: to that
/// for the same type of receiver, if there are several.
fn drafts(topic: &str, mut forms: Vec<Form>) -> Vec<Draft> {
    // The engine's own order differs from run to run.
    forms.sort();
    let mut by_name: BTreeMap<(Kind, String), Vec<Form>> = BTreeMap::new();
    for form in forms {
        let name = (form.kind, form.name.clone());
        by_name.entry(name).or_default().push(form);
    }
    let mut drafts = Vec::new();
    for ((kind, name), forms) in by_name {
        let (bare, documented): (Vec<Form>, Vec<Form>) =
            forms.into_iter().partition(|form| form.comment.is_empty());
        let mut groups: Vec<(String, Vec<Signature>)> = Vec::new();
        for form in documented {
            match groups.last_mut() {
                Some((comment, signatures)) if *comment == form.comment => {
                    signatures.push(form.signature);
                }
                _ => groups.push((form.comment, vec![form.signature])),
            }
        }
        for form in bare {
            let receiver = |it: &Signature| it.params.first().map(|(_, of_type)| of_type.clone());
            let own = receiver(&form.signature);
            let at = groups
                .iter()
                .position(|(_, signatures)| signatures.iter().any(|it| receiver(it) == own));
            if let Some((_, signatures)) = groups.get_mut(at.unwrap_or(0)) {
                signatures.push(form.signature);
            }
        }
        for (comment, mut signatures) in groups {
            signatures.sort_by_key(|it| (it.params.len(), it.params.clone()));
            // Rhai's integers of all sizes are `int` in scripts.
            signatures.dedup();
            drafts.push(draft(topic, name.clone(), kind, signatures, &comment));
        }
    }
    // Of several under one name, that with most to say comes first.
    drafts.sort_by_key(|Draft { entry, .. }| {
        let details = entry.arguments.len() + entry.options.as_ref().map_or(0, Vec::len);
        (entry.name.to_lowercase(), Reverse(details))
    });
    drafts
}

/// An entry whose options may be left to the comment of another function.
pub(super) struct Draft {
    pub entry: Entry,
    /// The function whose options it has besides those that it lists.
    pub options_of: Option<String>,
}

fn draft(
    topic: &str,
    name: String,
    kind: Kind,
    signatures: Vec<Signature>,
    comment: &str,
) -> Draft {
    let comment = Comment::read(comment);
    let takes_options = signatures.iter().any(Signature::takes_options);
    let is_param = |item: &Item| {
        let mut all = signatures.iter().flat_map(|it| &it.params);
        all.any(|(param, _)| *param == item.name)
    };
    let options_of = comment.options_as_for().map(str::to_owned);
    let (arguments, others): (Vec<Item>, Vec<Item>) =
        (comment.items.into_iter()).partition(|item| !takes_options || is_param(item));
    let entry = Entry {
        topic: topic.to_owned(),
        name,
        kind,
        arguments: arguments.into_iter().map(ArgDoc::from).collect(),
        options: takes_options.then(|| others.into_iter().map(OptionDoc::from).collect()),
        signatures,
        summary: comment.summary,
        description: comment.description,
        errors: comment.errors,
        source: comment.source,
        examples: comment.examples,
    };
    Draft { entry, options_of }
}

impl From<Item> for ArgDoc {
    fn from(item: Item) -> Self {
        ArgDoc {
            name: item.name,
            default: item.default,
            text: item.text,
        }
    }
}

impl From<Item> for OptionDoc {
    fn from(item: Item) -> Self {
        OptionDoc {
            required: item.default.is_none(),
            name: item.name,
            default: item.default,
            text: item.text,
        }
    }
}
