//! What is likely not meant in a threat model, told before time is spent on it. What cannot be
//! meant is refused where the attack is made.

use super::Attack;
use serde_json::Value;

/// A sentence for each doubt, from the options of any attack.
pub fn doubts(attack: &dyn Attack) -> Vec<String> {
    let options = attack.options();
    let number = |name: &str| options[name].as_f64();
    let mut doubts = Vec::new();
    let eps = number("eps");
    if eps == Some(0.0) {
        doubts.push("`eps` is 0: the attack changes nothing".to_owned());
    }
    let in_pixels = options["eps_space"].as_str() != Some("normalized");
    if let Some(eps) = eps.filter(|&eps| eps >= 0.5 && in_pixels && options["norm"] == "linf") {
        doubts.push(format!(
            "within `eps` {eps} every image can become the same grey, and no classifier can be right"
        ));
    }
    if let (Some(eps), Some(steps), Some(step_size)) = (eps, number("steps"), number("step_size")) {
        let random_step = f64::from(options["random_start"] == "sign");
        let reach = (steps + random_step) * step_size;
        // Rounding must not matter: 10 steps of 0.003 reach 0.03.
        if step_size > 0.0 && reach < eps * (1.0 - 1e-9) {
            doubts.push(format!(
                "{steps} steps of {step_size} reach {reach:.4}, less than `eps`, {eps}: the attack \
                 does not get from the image to the edge of its ball"
            ));
        }
        if steps > 1.0 && eps > 0.0 && step_size > 2.0 * eps {
            doubts.push(format!(
                "`step_size` {step_size} is more than the width of the ball, twice `eps` {eps}: every \
                 step ends on its edge"
            ));
        }
    }
    if options["mode"] == "train" {
        doubts.push(
            "`mode` is \"train\": images of a batch see each other and dropout draws; evaluations \
             attack a model as it is used, in eval mode"
                .to_owned(),
        );
    }
    doubts.extend(less_than_autoattack(&options));
    doubts
}

/// AutoAttack's name stands for its budget.
fn less_than_autoattack(options: &Value) -> Option<String> {
    options["version"].as_str().filter(|it| *it != "custom")?;
    let fewer = [("steps", 100), ("queries", 5000), ("targets", 9)].into_iter();
    let fewer = fewer.filter(|(name, full)| options[*name].as_i64().is_some_and(|it| it < *full));
    let fewer: Vec<String> = fewer
        .map(|(name, full)| format!("`{name}` {} (of {full})", options[name]))
        .collect();
    (!fewer.is_empty()).then(|| {
        format!(
            "{}: less than AutoAttack, not to be compared with published results",
            fewer.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{AutoAttack, Pgd};
    use super::*;
    use crate::Result;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn of_pgd(options: Value) -> String {
        let options = serde_json::from_value(options).expect("the options are right");
        doubts(&Pgd::new(options).expect("the options are right")).join("\n")
    }

    #[test]
    fn what_is_meant_raises_no_doubt() -> Result<()> {
        assert_eq!(of_pgd(json!({ "eps": 0.03, "steps": 10 })), "");
        assert_eq!(
            of_pgd(json!({ "eps": 0.03, "steps": 10, "step_size": 0.003 })),
            ""
        );
        assert_eq!(
            of_pgd(json!({ "eps": 0.03, "steps": 1, "step_size": 0.0375 })),
            ""
        );
        // The random step of R+FGSM goes half of the way.
        assert_eq!(
            of_pgd(json!({ "eps": 0.03, "steps": 1, "step_size": 0.015, "random_start": "sign" })),
            ""
        );
        assert_eq!(
            of_pgd(json!({ "eps": 0.03, "steps": 40, "convention": "la2024" })),
            ""
        );
        let full = serde_json::from_value(json!({ "eps": 0.03 })).expect("right");
        assert!(doubts(&AutoAttack::new(full, BTreeMap::new())?).is_empty());
        Ok(())
    }

    #[test]
    fn each_doubt_is_told() -> Result<()> {
        let told = |options: Value, part: &str| {
            let text = of_pgd(options);
            assert!(text.contains(part), "{text}");
        };
        told(json!({ "eps": 0.0, "steps": 1 }), "`eps` is 0");
        told(json!({ "eps": 0.6, "steps": 5 }), "the same grey");
        told(
            json!({ "eps": 0.03, "steps": 5, "step_size": 0.001 }),
            "reach 0.0050, less than",
        );
        told(
            json!({ "eps": 0.03, "steps": 5, "step_size": 0.1 }),
            "every step ends on its edge",
        );
        told(
            json!({ "eps": 0.03, "steps": 5, "mode": "train" }),
            "in eval mode",
        );
        let few = json!({ "eps": 0.03, "steps": 10, "queries": 100 });
        let few = serde_json::from_value(few).expect("right");
        assert_eq!(
            doubts(&AutoAttack::new(few, BTreeMap::new())?),
            [
                "`steps` 10 (of 100), `queries` 100 (of 5000): less than AutoAttack, not to be \
              compared with published results"
            ]
        );
        Ok(())
    }
}
