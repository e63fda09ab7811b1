//! What a script's text says about its parameters, for `rhobust run SCRIPT --help`: the map
//! literal that `params` is called with, read without running anything.

use super::constant::constant;
use super::host::Host;
use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, Position, Stmt};
use std::iter::once;

/// The names in the script's call of `params`: `None` if they are computed, empty if the
/// script does not call it.
pub(super) fn parameter_names(ast: &AST) -> Option<Vec<String>> {
    let parameters = parameters(ast)?.into_iter();
    Some(parameters.map(|(name, _)| name).collect())
}

/// The same with their defaults, as far as the text tells these.
pub(super) fn parameters(ast: &AST) -> Option<Vec<(String, Option<Dynamic>)>> {
    let Some(call) = find_call(ast) else {
        return Some(Vec::new());
    };
    let Some(Expr::Map(map, _)) = call.args.first() else {
        return None;
    };
    let parameters = map.0.iter();
    Some(
        parameters
            .map(|(key, default)| (key.name.to_string(), constant(default)))
            .collect(),
    )
}

/// The script's first comment and a table of its parameters.
pub(super) fn describe(host: &Host, ast: &AST) -> String {
    let sources = host.sources();
    let source = sources.first().map_or("", |source| source.text.as_str());
    let mut text = leading_comment(source);
    if !text.is_empty() {
        text.push('\n');
    }
    let Some(call) = find_call(ast) else {
        return text + "The script has no parameters.\n";
    };
    let Some(Expr::Map(map, _)) = call.args.first() else {
        return text + "The script computes its parameters, so they cannot be listed here.\n";
    };
    let rows: Vec<_> = map
        .0
        .iter()
        .map(|(key, value)| {
            let default = match constant(value) {
                Some(value) => shown(&value),
                None => "(computed by the script)".into(),
            };
            (key.as_str(), default, comment_at(host, key.pos, &map.0))
        })
        .collect();
    let width =
        |part: fn(&(&str, String, String)) -> usize| rows.iter().map(part).max().unwrap_or(0);
    let (key_width, default_width) = (
        width(|row| row.0.chars().count()),
        width(|row| row.1.chars().count()),
    );
    text += "Parameters, with their defaults (--set NAME=VALUE):\n";
    for (key, default, comment) in &rows {
        let mut lines = comment.lines();
        let first = lines.next().unwrap_or("");
        let row = format!("  {key:key_width$}  {default:default_width$}  {first}");
        text += row.trim_end();
        text.push('\n');
        for line in lines {
            let column = key_width + default_width + 6;
            text += &format!("{:column$}{line}\n", "");
        }
    }
    text
}

/// The first call of `params` in the text; there should be one.
fn find_call(ast: &AST) -> Option<FnCallExpr> {
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode]| {
        let call = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _))) => call,
            Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => call,
            _ => return true,
        };
        if call.name == "params" && call.namespace.is_empty() && call.args.len() == 1 {
            found = Some(call.as_ref().clone());
        }
        found.is_none()
    });
    found
}

fn shown(value: &Dynamic) -> String {
    match value {
        value if value.is_string() => format!("{:?}", value.to_string()),
        value if value.is_unit() => "()".into(),
        value if value.is_float() => {
            let x = value.as_float().unwrap_or_default();
            // 0.03137254901960784 says less than its first digits.
            let short = format!("{x:.6}").parse::<f64>().unwrap_or(x);
            match (short - x).abs() <= 1e-6 * x.abs() || short == x {
                true => format!("{short:?}"),
                false => format!("{x:?}"),
            }
        }
        value => value.to_string(),
    }
}

/// The comment at the end of a parameter's line, if the line has no other parameter, and what goes
/// on with it: comments in lines of their own below, in its column.
fn comment_at(host: &Host, position: Position, all: &[(rhai::Ident, Expr)]) -> String {
    let alone = all
        .iter()
        .filter(|(key, _)| key.pos.line() == position.line())
        .count()
        == 1;
    let Some(place) = host.place(position).filter(|_| alone) else {
        return String::new();
    };
    let Some((column, first)) = comment_of_line(place.text()) else {
        return String::new();
    };
    let goes_on = |line| match comment_of_line(line) {
        Some((at, more)) if at == column && line[..at].trim().is_empty() => Some(more),
        _ => None,
    };
    let below = place.source.text.lines().skip(place.line);
    let lines: Vec<&str> = once(first).chain(below.map_while(goes_on)).collect();
    lines.join("\n")
}

/// Where the first `//` that is not within a string stands, in bytes, and what stands behind it.
fn comment_of_line(line: &str) -> Option<(usize, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted && line[index..].starts_with("//") => {
                return Some((index, line[index..].trim_start_matches('/').trim()));
            }
            _ => {}
        }
    }
    None
}

fn leading_comment(source: &str) -> String {
    source
        .lines()
        .skip_while(|line| line.starts_with("#!") || line.trim().is_empty())
        .map_while(|line| line.strip_prefix("//"))
        .map(|line| format!("{}\n", line.trim_start_matches(['/', '!']).trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Settings, compile, engine};

    fn describe_text(text: &str) -> String {
        let host = Host::new(Settings::default()).unwrap();
        let engine = engine(host.clone());
        let ast = compile(&host, &engine, "x.rhai", None, text.into()).unwrap();
        describe(&host, &ast)
    }

    #[test]
    fn parameters_are_listed_with_defaults_and_comments() {
        let text = describe_text(
            "// Adv: adversarial training.\n// Second line.\n\nlet p = params(#{\n    \
             epochs: 10, // passes over\n                // the data\n    // no part of it\n    data: \"a//b\",\n    eps: 8.0/255.0, // radius\n    \
             lr: -0.5, steps: 2 * 3,\n    radii: [px(2), px(4)],\n    n: [1, 2].len(),\n});\n",
        );
        let expected = "Adv: adversarial training.\nSecond line.\n\n\
            Parameters, with their defaults (--set NAME=VALUE):\n  \
            epochs  10                        passes over\n    the data\n  \
            data    \"a//b\"\n  \
            eps     0.03137254901960784       radius\n  \
            lr      -0.5\n  \
            steps   6\n  \
            radii   [0.00784313725490196, 0.01568627450980392]\n  \
            n       (computed by the script)\n";
        let squeeze = |text: &str| -> Vec<String> {
            text.lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(squeeze(&text), squeeze(expected), "{text}");
    }

    #[test]
    fn scripts_without_parameters_say_so() {
        assert_eq!(
            describe_text("let x = 1;"),
            "The script has no parameters.\n"
        );
        assert!(describe_text("let m = #{}; params(m);").contains("computes its parameters"));
    }
}
