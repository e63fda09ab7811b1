//! Options: the keys of a literal map that a function takes as its options.

use super::super::docs::{Kind, OptionDoc, docs};
use super::super::options::unknown_key;
use super::super::resolver::Location;
use super::calls::{Call, modules};
use super::files::{Checker, File, Problem, function_alone};
use super::{Severity, threats};
use rhai::{AST, ASTNode, Expr, Ident, Stmt};

/// A literal map as it stands in a script.
pub(super) type Entries = [(Ident, Expr)];

pub(super) fn check(checker: &Checker, file: &File, call: &Call, found: &mut Vec<Problem>) {
    let Some(last) = call.call.args.last() else {
        return;
    };
    let Expr::Map(map, _) = file.constants.declaration(last).unwrap_or(last) else {
        return;
    };
    let entries = map.0.as_slice();
    if call.name() == "params" && call.module().is_empty() {
        return threats::check_parameters(entries, &file.constants, found);
    }
    let Some(known) = known_options(checker, file, call) else {
        return;
    };
    let before = found.len();
    let name = call.name();
    for (key, _) in entries {
        if !known.keys.iter().any(|known| *known == key.name.as_str()) {
            let keys: Vec<_> = known.keys.iter().map(String::as_str).collect();
            let hint = unknown_key(&key.name, &keys);
            found.push(Problem {
                position: key.pos,
                severity: Severity::Error,
                code: "unknown-option",
                message: format!("`{name}` has no option `{}`{hint}", key.name),
            });
        }
    }
    for required in &known.required {
        if !entries.iter().any(|(key, _)| key.name == required.as_str()) {
            found.push(Problem {
                position: call.position,
                severity: Severity::Error,
                code: "missing-option",
                message: format!("`{name}` needs the option `{required}`"),
            });
        }
    }
    if found.len() == before && known.keys.iter().any(|key| key == "eps") {
        let kind = threats::Kind {
            native: known.native_attack,
            linf: known.linf,
            random_step: known.native_attack && name == "rfgsm",
        };
        threats::check_options(checker, call, entries, &file.constants, kind, found);
    }
}

/// What the option map of a function may and must hold.
struct Known {
    keys: Vec<String>,
    required: Vec<String>,
    /// A function of the domain `attack`, which makes a value of its options.
    native_attack: bool,
    /// Its `eps` is an L-infinity radius unless `norm` says otherwise.
    linf: bool,
}

/// None where the text does not tell: then anything may be right.
fn known_options(checker: &Checker, file: &File, call: &Call) -> Option<Known> {
    let (name, count) = (call.name(), call.call.args.len());
    let scripts = modules(checker, file, call)?;
    let defines = |file: &&File| {
        let mut functions = file.ast.iter().flat_map(AST::iter_functions);
        functions.any(|f| f.name == name && f.params.len() == count)
    };
    if scripts.iter().any(defines) {
        let mut keys = Vec::new();
        for defining in scripts.into_iter().filter(defines) {
            let merged = merged_options(defining.ast.as_ref()?, name, count);
            keys.extend(merged.or_else(|| documented_options(file, call))?);
        }
        return Some(Known {
            keys,
            required: Vec::new(),
            native_attack: false,
            linf: true,
        });
    }
    match call.module().is_empty() {
        true => native_options(name, count + usize::from(call.method)),
        false => None,
    }
}

/// What the documentation of the library says of one of its functions.
fn documented_options(file: &File, call: &Call) -> Option<Vec<String>> {
    let module = call.module();
    let [alias] = module.as_slice() else {
        return None;
    };
    let [Some(Location::Library(path))] = file.imports.get(*alias)?.as_slice() else {
        return None;
    };
    let library = path.rsplit('/').next()?;
    let options = docs().options(&format!("{library}::{}", call.name()))?;
    Some(options.iter().map(|it| it.name.clone()).collect())
}

/// What the documentation of native functions of a name and a number of arguments says.
fn native_options(name: &str, count: usize) -> Option<Known> {
    let entries = docs().find(name).into_iter();
    let entries: Vec<_> = entries
        .filter(|entry| entry.kind == Kind::Function)
        .filter(|entry| entry.signatures.iter().any(|it| it.params.len() == count))
        .collect();
    let mut known = Known {
        keys: Vec::new(),
        required: Vec::new(),
        native_attack: entries.iter().any(|entry| entry.topic == "attack"),
        linf: true,
    };
    for entry in &entries {
        let mut forms = entry
            .signatures
            .iter()
            .filter(|it| it.params.len() == count);
        if !forms.all(|form| form.takes_options()) {
            return None;
        }
        let options: &[OptionDoc] = entry.options.as_deref()?;
        known.keys.extend(options.iter().map(|it| it.name.clone()));
        if known.native_attack {
            let norm = options.iter().find(|it| it.name == "norm");
            let default = norm.and_then(|it| it.default.as_deref());
            known.linf = default.is_some_and(|it| it.contains("linf"));
        }
        // Of several functions of a name, nobody knows here which is called.
        if entries.len() == 1 {
            let required = options.iter().filter(|it| it.required);
            known.required.extend(required.map(|it| it.name.clone()));
        }
    }
    (!known.keys.is_empty()).then_some(known)
}

/// The defaults that a function in a script merges its last parameter over, in
/// `options(given, #{ ... })`; none if it does something else with the parameter before.
fn merged_options(ast: &AST, name: &str, count: usize) -> Option<Vec<String>> {
    let function = function_alone(ast, name, count);
    let info = function.iter_functions().next()?;
    let given = info.params.last()?;
    let is_given = |expr: &Expr| matches!(expr, Expr::Variable(variable, ..) if variable.1 == *given && variable.2.is_empty());
    let mut keys = None;
    let mut changed = false;
    function.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..))) => {
                changed |= is_given(&parts.lhs);
            }
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => changed |= is_given(&parts.1.lhs),
            last => {
                if let Some(call) = Call::of(last)
                    && call.name() == "options"
                    && call.module().is_empty()
                    && let [first, Expr::Map(defaults, _)] = call.call.args.as_slice()
                    && is_given(first)
                {
                    let names = defaults.0.iter().map(|(key, _)| key.name.to_string());
                    keys.get_or_insert(names.collect::<Vec<_>>());
                }
            }
        }
        true
    });
    keys.filter(|_| !changed)
}
