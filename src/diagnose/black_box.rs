//! Attacks that see no gradient, or that of another model. What masks gradients hides nothing
//! from them, so they must not find more than PGD does (Carlini et al. 2019, section 4.1; Athalye
//! et al. 2018, section 3.1).

use super::check::{Finding, Verdict};
use super::compare::{Paired, SIGNIFICANT};
use super::subject::{Subject, count};
use crate::Result;
use crate::attack::{Attack, Norm, Outputs, Spsa, Square};

/// So many random points of each ball: half of them uniform, half of its corners.
const POINTS: usize = 20;

/// Random noise within eps beside the attack.
pub fn noise(subject: &Subject) -> Result<Finding> {
    let rows = subject.right();
    let eps = subject.options.eps;
    let mut broken = vec![false; rows.len()];
    for point in 0..POINTS {
        let purpose = format!("diagnose noise {point}");
        let now = subject.broken_at(rows, |rows| {
            let x = subject.x(rows)?;
            let noise = subject.draws(&purpose, rows).uniform(&x, -eps, eps)?;
            let noise = match point % 2 {
                0 => noise,
                _ => noise.sign()?.mul(eps)?,
            };
            x.add(noise)?.clamp(0.0, 1.0)
        })?;
        broken.iter_mut().zip(now).for_each(|(any, it)| *any |= it);
    }
    subject.note(rows, &broken);
    let reference = subject.reference()?;
    let paired = Paired::of(reference, &broken)?;
    let verdict = match (paired.second_ahead(), paired.first_ahead()) {
        (true, _) => Verdict::Fail,
        // Everything is broken already, by either.
        _ if count(reference) == rows.len() => Verdict::Pass,
        (_, true) => Verdict::Pass,
        _ => Verdict::Warn,
    };
    let (ours, theirs) = (count(reference), count(&broken));
    let found = format!(
        "The best of {POINTS} random points breaks {theirs} of {} images, PGD {ours}.{}",
        rows.len(),
        match verdict {
            Verdict::Warn =>
                " The attack does no better than chance, as far as so many images tell.",
            _ => "",
        }
    );
    Ok(Finding::new(verdict, found)
        .share("clean error", subject.share(subject.wrong_count()))
        .share(
            "error under noise",
            subject.share(subject.wrong_count() + theirs),
        )
        .share(
            format!("error under PGD-{}", subject.options.steps),
            subject.share(subject.wrong_count() + ours),
        )
        .count("broken by noise only", paired.only_second)
        .number("p", Some(paired.p))
        .advise(
            "An attack by gradients must beat noise: if eps is meant to be that small, take more \
             images; else gradients lead nowhere.",
        ))
}

/// Directions of SPSA for each of its gradients, two queries each: few, so that the queries are
/// enough for several steps.
const DIRECTIONS: i64 = 32;

/// The attacks that see outputs only; another one is another entry here.
fn attacks(subject: &Subject) -> Vec<Box<dyn Attack>> {
    let (eps, queries) = (subject.options.eps, subject.options.queries);
    let square = Square {
        eps,
        norm: Norm::Linf,
        queries,
        restarts: 1,
        p: 0.8,
        mode: Default::default(),
        outputs: Outputs::Class,
    };
    let spsa = Spsa {
        steps: (queries / (2 * DIRECTIONS)).max(1),
        samples: DIRECTIONS,
        ..Spsa::within(eps)
    };
    vec![Box::new(square), Box::new(spsa)]
}

/// Black-box attacks beside PGD.
pub fn black_box(subject: &Subject) -> Result<Finding> {
    let rows = subject.right();
    let attacks = attacks(subject);
    let mut finding = Finding::new(Verdict::Pass, "");
    let mut sentences = Vec::new();
    for attack in &attacks {
        let purpose = format!("diagnose {}", attack.name());
        let broken = subject.within_eps(&**attack, &subject.classifier, rows, &purpose)?;
        let beside = Beside::of(subject, &broken, attacks.len())?;
        finding.verdict = finding.verdict.max(beside.verdict(subject)?);
        sentences.push(format!(
            "{} breaks {} of {} images with {} queries, PGD {}; {} of those that PGD leaves, of \
             which a second run of PGD breaks {}.",
            capital(attack.name()),
            count(&broken),
            rows.len(),
            subject.options.queries,
            count(subject.reference()?),
            beside.alone,
            count(subject.control()?)
        ));
        finding = beside.tell(finding, subject, attack.name(), count(&broken));
    }
    finding.explanation = sentences.join(" ");
    Ok(finding.advise(
        "An attack without gradients finds what PGD does not: the gradients are masked. Report \
         AutoAttack's error, which has such an attack in it.",
    ))
}

/// A name at the beginning of a sentence.
fn capital(name: &str) -> String {
    if name == "spsa" {
        return name.to_uppercase();
    }
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// Attacks made on another model.
pub fn transfer(subject: &Subject) -> Result<Finding> {
    let Some(source) = &subject.source else {
        return Ok(Finding::not_run(
            "There is no other model to make attacks on.",
            "Give one with the option `source`, such as a standard model trained on the same data: \
             diagnose(model, split, #{ source: other }).",
        ));
    };
    let rows = subject.right();
    let attack = subject.pgd(|_| {})?;
    let broken = subject.within_eps(&attack, source, rows, "diagnose transfer")?;
    let beside = Beside::of(subject, &broken, 1)?;
    let found = format!(
        "PGD on the other model breaks {} of {} images, on this one {}; {} only from the other.",
        count(&broken),
        rows.len(),
        count(subject.reference()?),
        beside.alone
    );
    let finding = Finding::new(beside.verdict(subject)?, found);
    Ok(beside
        .tell(finding, subject, "transfer", count(&broken))
        .advise(
            "The gradients of another model lead further than this one's own: these are masked. \
             Report the worst case of both.",
        ))
}

/// A black-box attack beside PGD.
struct Beside {
    all: Paired,
    /// What it finds among the images that PGD leaves.
    alone: usize,
    /// ... beside a second run of PGD.
    left: Paired,
}

impl Beside {
    fn of(subject: &Subject, broken: &[bool], attempts: usize) -> Result<Self> {
        let reference = subject.reference()?;
        let on_left: Vec<bool> = std::iter::zip(reference, broken)
            .filter(|it| !it.0)
            .map(|it| *it.1)
            .collect();
        Ok(Beside {
            all: Paired::of(reference, broken)?.best_of(attempts),
            alone: count(&on_left),
            left: Paired::of(subject.control()?, &on_left)?.best_of(attempts),
        })
    }

    fn verdict(&self, subject: &Subject) -> Result<Verdict> {
        Ok(match self.all.second_ahead() {
            true => Verdict::Fail,
            false => self.left.verdict(subject.found()?, subject.images()),
        })
    }

    fn tell(&self, finding: Finding, subject: &Subject, name: &str, broken: usize) -> Finding {
        let p = [self.all.p, self.left.p][usize::from(self.left.p < SIGNIFICANT)];
        finding
            .share(
                format!("error under {name}"),
                subject.share(subject.wrong_count() + broken),
            )
            .count(format!("broken by {name}, left by PGD"), self.alone)
            .count(
                format!("broken by PGD, left by {name}"),
                self.all.only_first,
            )
            .number(format!("p, {name}"), Some(p))
    }
}
