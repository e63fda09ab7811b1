//! From the checks to one word.

use super::check::{Diagnosis, Trust, Verdict};

/// Fewer images that are classified rightly could not show a difference if there was one: the
/// attack breaks some of them, and six of the others are the fewest that are no chance.
const FEWEST_RIGHT: usize = 10;

/// Without these nothing is known about whether another attack finds more.
const ESSENTIAL: [&str; 4] = ["gradients", "losses", "black_box", "autoattack"];

/// Failing, they say that the attack in question is too weak, as one of two steps is for any
/// model. Masked gradients make others fail, too.
const STRENGTH: [&str; 3] = ["steps", "restarts", "autoattack"];

/// The verdict and what it says, for `right` images that were classified rightly.
pub fn of(diagnosis: &Diagnosis, right: usize) -> (Trust, String) {
    let names = |verdict| {
        let names: Vec<&str> = diagnosis.with(verdict).map(|it| it.name.as_str()).collect();
        names.join(", ")
    };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let (attack, worst) = (
        percent(diagnosis.attack_error),
        percent(diagnosis.worst_error),
    );
    let steps = diagnosis.options.steps;
    let (failed, warned) = (names(Verdict::Fail), names(Verdict::Warn));
    let numbers = format!(
        "PGD-{steps} gives an error of {attack}; the worst case over all attacks here is {worst}."
    );
    let finer = format!(
        "With {} images, a gain below {} would not be told from chance.",
        diagnosis.images,
        percent(diagnosis.resolution)
    );
    let mut failing = diagnosis.with(Verdict::Fail);
    if !failed.is_empty() && failing.all(|it| STRENGTH.contains(&it.name.as_str())) {
        return (
            Trust::Doubt,
            format!(
                "The number is too low because the attack is too weak ({failed}); nothing else says \
                 that gradients are masked. {numbers}"
            ),
        );
    }
    if !failed.is_empty() {
        return (
            Trust::Masked,
            format!(
                "Do not trust the number: the gradients that the attack follows are masked ({failed}). \
                 {numbers}"
            ),
        );
    }
    if right < FEWEST_RIGHT {
        return (
            Trust::Doubt,
            format!(
                "Nothing can be said: {right} of {} images are classified rightly, and at least \
                 {FEWEST_RIGHT} are needed. Take more images.",
                diagnosis.images
            ),
        );
    }
    if !warned.is_empty() {
        return (
            Trust::Doubt,
            format!("Some checks give reason to doubt the number: {warned}. {numbers} {finer}"),
        );
    }
    let passed = |name: &&&str| {
        let mut checks = diagnosis.with(Verdict::Pass);
        !checks.any(|it| it.name == **name)
    };
    let lacking: Vec<&str> = ESSENTIAL.iter().filter(passed).copied().collect();
    if !lacking.is_empty() {
        return (
            Trust::Doubt,
            format!(
                "The checks that ran found nothing, but these are needed to trust the number: {}. \
                 {numbers} {finer}",
                lacking.join(", ")
            ),
        );
    }
    (
        Trust::Trust,
        format!("No check finds masked gradients. {numbers} {finer}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::Check;
    use super::super::options::Options;
    use super::*;

    fn word(checks: &[(&str, Verdict)], right: usize) -> (Trust, String) {
        let check = |(name, verdict): &(&str, Verdict)| Check {
            name: (*name).to_owned(),
            question: String::new(),
            source: String::new(),
            verdict: *verdict,
            evidence: Vec::new(),
            explanation: String::new(),
            advice: None,
        };
        let diagnosis = Diagnosis {
            name: "model".into(),
            data: String::new(),
            verdict: Trust::Doubt,
            summary: String::new(),
            options: Options::default(),
            seed: 0,
            images: 100,
            clean_error: 0.1,
            attack: String::new(),
            attack_error: 0.4,
            worst_error: 0.45,
            resolution: 0.06,
            checks: checks.iter().map(check).collect(),
            plots: Vec::new(),
        };
        of(&diagnosis, right)
    }

    #[test]
    fn the_word_for_what_checks_say() {
        let sound = ESSENTIAL.map(|name| (name, Verdict::Pass));
        let and = |name, verdict| [&sound[..], &[(name, verdict)]].concat();
        assert_eq!(word(&sound, 90).0, Trust::Trust);
        assert_eq!(word(&sound, FEWEST_RIGHT - 1).0, Trust::Doubt);
        assert_eq!(word(&sound[1..], 90).0, Trust::Doubt);
        assert_eq!(word(&and("transfer", Verdict::NotRun), 90).0, Trust::Trust);
        assert_eq!(word(&and("noise", Verdict::Warn), 90).0, Trust::Doubt);
        assert_eq!(word(&and("noise", Verdict::Fail), 5).0, Trust::Masked);
        // Too few steps are no masked gradients.
        let (verdict, says) = word(&and("steps", Verdict::Fail), 90);
        assert_eq!(verdict, Trust::Doubt);
        assert!(
            says.contains("too weak (steps)") && says.contains("45.0 %"),
            "{says}"
        );
    }
}
