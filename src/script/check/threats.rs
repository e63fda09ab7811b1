//! Threat models: values of `eps`, `steps` and `step_size` that are not what was meant.

use super::super::errors::message;
use super::super::options::wrong_kind;
use super::Severity;
use super::calls::Call;
use super::constants::Constants;
use super::files::{Checker, Problem};
use super::options::Entries;
use rhai::{AST, Dynamic, FnPtr, Map, Position};

/// What kind of function takes the options.
pub(super) struct Kind {
    /// An attack of the host, which can be asked.
    pub native: bool,
    /// `eps` is an L-infinity radius unless `norm` says otherwise.
    pub linf: bool,
    /// A random step comes before the others.
    pub random_step: bool,
}

/// The defaults of a script's parameters.
pub(super) fn check_parameters(entries: &Entries, constants: &Constants, found: &mut Vec<Problem>) {
    let threat = Threat {
        entries,
        constants,
        kind: Kind {
            native: false,
            linf: true,
            random_step: false,
        },
    };
    found.extend(threat.integer_eps(Severity::Warning));
    found.extend(threat.suspicious());
}

/// The options of a function that has an `eps`.
pub(super) fn check_options(
    checker: &Checker,
    call: &Call,
    entries: &Entries,
    constants: &Constants,
    kind: Kind,
    found: &mut Vec<Problem>,
) {
    let threat = Threat {
        entries,
        constants,
        kind,
    };
    let native = threat.kind.native;
    if native && let Some(message) = threat.refusal(checker, call) {
        let named = entries
            .iter()
            .find(|(key, _)| message.contains(&format!("`{}`", key.name)));
        found.push(Problem {
            position: named.map_or(call.position, |(key, _)| key.pos),
            severity: Severity::Error,
            code: "option-value",
            message,
        });
        return;
    }
    let severity = if native {
        Severity::Error
    } else {
        Severity::Warning
    };
    found.extend(threat.integer_eps(severity));
    found.extend(threat.suspicious());
}

/// A literal map that may state a threat model.
struct Threat<'a> {
    entries: &'a Entries,
    constants: &'a Constants,
    kind: Kind,
}

impl Threat<'_> {
    /// The value of an option and its place, if the text tells it.
    fn value(&self, name: &str) -> Option<(Dynamic, Position)> {
        let (key, value) = self.entries.iter().find(|(key, _)| key.name == name)?;
        Some((self.constants.value(value)?, key.pos))
    }

    fn float(&self, name: &str) -> Option<(f64, Position)> {
        let (value, position) = self.value(name)?;
        Some((value.as_float().ok()?, position))
    }

    /// Whether an option is not given, or is this.
    fn is_default(&self, name: &str, default: &str) -> bool {
        let given = self.entries.iter().any(|(key, _)| key.name == name);
        let value = self.value(name).map(|(value, _)| value.to_string());
        !given || value.as_deref() == Some(default)
    }

    /// What a native attack says to its options, if all of them are known: making the value
    /// computes nothing.
    fn refusal(&self, checker: &Checker, call: &Call) -> Option<String> {
        let entries = self.entries.iter();
        let options: Option<Map> = entries
            .map(|(key, value)| Some((key.as_str().into(), self.constants.value(value)?)))
            .collect();
        let function = FnPtr::new(call.name()).ok()?;
        let made = function.call::<Dynamic>(&checker.engine, &AST::empty(), (options?,));
        made.err().map(|error| message(&checker.engine, &error))
    }

    fn integer_eps(&self, severity: Severity) -> Option<Problem> {
        let (eps, position) = self.value("eps")?;
        eps.as_int().is_ok().then(|| Problem {
            position,
            severity,
            code: "integer-eps",
            message: wrong_kind("`eps`", "f64", &eps),
        })
    }

    fn suspicious(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut warn = |position, code, message: String| {
            problems.push(Problem {
                position,
                severity: Severity::Warning,
                code,
                message,
            });
        };
        let given = self.entries.iter().any(|(key, _)| key.name == "norm");
        let in_pixels = (self.kind.linf || given)
            && self.is_default("norm", "linf")
            && self.is_default("eps_space", "pixel")
            && self.is_default("convention", "pixel");
        let eps = self.float("eps");
        match eps {
            Some((0.0, at)) => warn(
                at,
                "zero-eps",
                "`eps` is 0: the attack changes nothing".into(),
            ),
            Some((eps, at)) if eps < 0.0 => {
                warn(
                    at,
                    "negative-eps",
                    format!("`eps` must be at least 0, got {eps:?}"),
                );
            }
            Some((eps, at)) if eps > 1.0 && in_pixels => {
                let message = format!(
                    "`eps` is {eps:?}, and pixels lie in [0, 1]; did you mean {eps:?}/255.0, that \
                     is px({eps:?})?"
                );
                warn(at, "large-eps", message);
            }
            _ => {}
        }
        let steps = self
            .value("steps")
            .and_then(|(steps, at)| Some((steps.as_int().ok()?, at)));
        let Some((steps, at)) = steps else {
            return problems;
        };
        if steps < 1 {
            warn(
                at,
                "no-steps",
                format!("`steps` is {steps}: the attack makes no step"),
            );
        } else if let (Some((eps, _)), Some((size, at))) = (eps, self.float("step_size")) {
            let reach = (steps + i64::from(self.kind.random_step)) as f64 * size;
            // Rounding must not matter: 10 steps of 0.003 reach 0.03.
            if reach < eps * (1.0 - 1e-9) {
                let message = format!(
                    "{steps} steps of {size:?} reach {reach:.4}, less than `eps`, {eps:?}: the \
                     attack does not get from the image to the edge of its ball"
                );
                warn(at, "short-steps", message);
            }
        }
        problems
    }
}
