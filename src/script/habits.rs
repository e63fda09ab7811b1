//! Names that people bring along from Python and PyTorch, and what stands for them here.

/// A function or method that scripts do not have.
const CALLS: &[(&str, &str)] = &[
    ("view", "`x.reshape([2, 3])` gives a tensor another shape"),
    (
        "view_as",
        "`x.reshape(y.shape)` gives a tensor another shape",
    ),
    ("numpy", "`x.to_array()` gives the numbers"),
    ("tolist", "`x.to_array()` gives the numbers"),
    ("cuda", "`x.to(\"cuda\")` moves a tensor or a model"),
    ("cpu", "`x.to(\"cpu\")` moves a tensor or a model"),
    ("half", "`x.to(\"float16\")` converts a tensor or a model"),
    ("clip", "`x.clamp(0.0, 1.0)` limits the values"),
    ("concat", "`cat([x, y], 0)` joins tensors"),
    ("concatenate", "`cat([x, y], 0)` joins tensors"),
    ("mm", "`x.matmul(y)` multiplies matrices"),
    ("bmm", "`x.matmul(y)` multiplies batches of matrices"),
    (
        "zero_grad",
        "`optimizer.step(loss)` computes new gradients and needs no zeroing; a single tensor's \
         are forgotten with `x.zero_grad_()`",
    ),
    (
        "load_state_dict",
        "`model.load(\"weights.safetensors\")` loads weights",
    ),
    ("adam", "the optimizer is `sgd(model, #{ lr: 0.01 })`"),
    ("adamw", "the optimizer is `sgd(model, #{ lr: 0.01 })`"),
    (
        "crossentropyloss",
        "`cross_entropy(logits, y)` computes the loss",
    ),
    (
        "dataloader",
        "`data.train.batches(#{ batch_size: 64 })` gives the batches of an epoch",
    ),
    (
        "isinstance",
        "`type_of(x) == \"tensor\"` asks for the type of a value",
    ),
    ("eq", "`x == y` compares entry by entry"),
    ("ne", "`x != y` compares entry by entry"),
    ("lt", "`x < y` compares entry by entry"),
    ("le", "`x <= y` compares entry by entry"),
    ("gt", "`x > y` compares entry by entry"),
    ("ge", "`x >= y` compares entry by entry"),
    ("str", "`x.to_string()` gives the text of a value"),
];

/// A word that is no variable.
const WORDS: &[(&str, &str)] = &[
    ("None", "nothing is written `()`"),
    ("True", "it is written `true`"),
    ("False", "it is written `false`"),
    ("not", "it is written `!x`"),
    ("and", "it is written `&&`"),
    ("or", "it is written `||`"),
    ("def", "a function is written `fn name(x) { ... }`"),
    ("lambda", "a closure is written `|x| x + 1`"),
    ("elif", "it is written `else if`"),
    ("with", "`no_grad(|| ...)` takes a closure"),
    ("@", "matrices are multiplied by `a.matmul(b)`"),
    ("self", "it is written `this`"),
    (
        "from",
        "a module is imported by `import \"std/train\" as train;`",
    ),
    (
        "std",
        "a module is imported by `import \"std/train\" as train;`",
    ),
    ("torch", "functions stand alone, as `zeros([2, 3])`"),
    ("np", "functions stand alone, as `zeros([2, 3])`"),
    ("nn", "layers stand alone, as `Conv2d(3, 16, 3)`"),
    ("F", "functions stand alone, as `relu(x)`"),
];

/// What to write in place of a call of `name`.
pub(super) fn call(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    find(CALLS, &name)
}

/// What to write in place of the word `name`.
pub(super) fn word(name: &str) -> Option<&'static str> {
    find(WORDS, name)
}

fn find(table: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    let found = table.iter().find(|(habit, _)| *habit == name);
    found.map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::docs::docs;
    use crate::script::functions::Functions;
    use crate::script::{Host, Settings, engine};

    /// What stands before the first `(` of the advice.
    fn advised(advice: &str) -> Option<&str> {
        let code = advice.split('`').nth(1)?;
        let name = code.split('(').next()?.rsplit('.').next()?;
        (code.contains('(') && !name.is_empty()).then_some(name)
    }

    #[test]
    fn the_names_do_not_exist_and_what_is_advised_does() {
        let functions = Functions::of(&engine(Host::new(Settings::default()).unwrap()));
        for (name, advice) in CALLS {
            assert_eq!(functions.forms(name).len(), 0, "{name}");
            if let Some(advised) = advised(advice) {
                assert!(!docs().find(advised).is_empty(), "{advised}");
            }
        }
        assert_eq!(advised(call("view").unwrap()), Some("reshape"));
    }
}
