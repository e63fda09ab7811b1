//! The values of expressions that the text alone tells.

use rhai::{Dynamic, Expr, Map};

/// The value of an expression of literals, arithmetic and `px`.
pub(super) fn constant(expression: &Expr) -> Option<Dynamic> {
    constant_with(expression, &|_| None)
}

/// The same, where `variable` tells what variables stand for.
pub(super) fn constant_with(
    expression: &Expr,
    variable: &dyn Fn(&str) -> Option<Dynamic>,
) -> Option<Dynamic> {
    let constant = |expression: &Expr| constant_with(expression, variable);
    match expression {
        Expr::Array(items, _) => Some(Dynamic::from_array(
            items.iter().map(constant).collect::<Option<_>>()?,
        )),
        Expr::Map(map, _) => {
            let entries = map
                .0
                .iter()
                .map(|(key, value)| Some((key.as_str().into(), constant(value)?)));
            Some(Dynamic::from_map(entries.collect::<Option<Map>>()?))
        }
        Expr::FnCall(call, _) => {
            let args: Vec<_> = call.args.iter().map(constant).collect::<Option<_>>()?;
            match (call.name.as_str(), args.as_slice()) {
                ("px", [n]) => Some((number(n)? / 255.0).into()),
                ("-", [n]) => match n.as_int() {
                    Ok(n) => n.checked_neg().map(Dynamic::from),
                    Err(_) => Some((-n.as_float().ok()?).into()),
                },
                (operator, [a, b]) => match (a.as_int(), b.as_int()) {
                    (Ok(a), Ok(b)) => int_operation(operator, a, b).map(Dynamic::from),
                    _ => float_operation(operator, number(a)?, number(b)?).map(Dynamic::from),
                },
                _ => None,
            }
        }
        Expr::Variable(named, ..) if named.2.is_empty() => variable(&named.1),
        Expr::Variable(..) | Expr::InterpolatedString(..) => None,
        other => other
            .get_literal_value(None)
            .filter(|value| !value.is_fnptr()),
    }
}

fn number(value: &Dynamic) -> Option<f64> {
    value
        .as_float()
        .ok()
        .or_else(|| value.as_int().ok().map(|n| n as f64))
}

fn int_operation(operator: &str, a: i64, b: i64) -> Option<i64> {
    match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        _ => None,
    }
}

fn float_operation(operator: &str, a: f64, b: f64) -> Option<f64> {
    match operator {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" => Some(a / b),
        _ => None,
    }
}
