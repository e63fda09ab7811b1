//! Variables as they were before an input, to go back to if it fails.
//!
//! Models, optimizers and other objects of the host are shared, not copied: what an input
//! changed inside them stays changed.

use rhai::{Dynamic, Scope};

pub struct Snapshot(Vec<Variable>);

struct Variable {
    name: String,
    constant: bool,
    value: Dynamic,
    /// What a variable that closures captured held: they share one cell.
    inner: Option<Dynamic>,
}

impl Snapshot {
    pub fn take(scope: &Scope) -> Self {
        // Rhai gives the newest first.
        let mut variables: Vec<_> = scope
            .iter_raw()
            .map(|(name, constant, value)| Variable {
                name: name.to_owned(),
                constant,
                value: value.clone(),
                inner: value.is_shared().then(|| value.flatten_clone()),
            })
            .collect();
        variables.reverse();
        Snapshot(variables)
    }

    pub fn restore(self) -> Scope<'static> {
        let mut scope = Scope::new();
        for mut variable in self.0 {
            if let Some(inner) = variable.inner
                && let Some(mut cell) = variable.value.write_lock::<Dynamic>()
            {
                *cell = inner;
            }
            match variable.constant {
                true => scope.push_constant_dynamic(variable.name, variable.value),
                false => scope.push_dynamic(variable.name, variable.value),
            };
        }
        scope
    }
}
