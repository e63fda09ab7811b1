//! What all attacks share, on a classifier with many local maxima.

use super::*;
use crate::Error;
use crate::torch::{Like, generator, manual_seed, rand, randn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

const EPS: f64 = 0.02;
const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

/// An attack by its name, with few steps.
fn attack(name: &str, norm: Norm, restarts: i64) -> Rc<dyn Attack> {
    let eps = match norm {
        Norm::Linf => EPS,
        Norm::L2 => 10.0 * EPS,
        Norm::L1 => 50.0 * EPS,
    };
    let options = |more: Value| {
        let mut options = json!({ "eps": eps, "norm": norm });
        for (key, value) in more.as_object().expect("a map") {
            options[key] = value.clone();
        }
        options
    };
    fn of<T: serde::de::DeserializeOwned>(options: Value) -> T {
        serde_json::from_value(options).expect("the options are right")
    }
    fn preset(preset: Preset, options: Value) -> Rc<dyn Attack> {
        Rc::new(preset.attack(of(options)).expect("the options are right"))
    }
    let few = || options(json!({ "steps": 8, "restarts": restarts }));
    match name {
        "fgsm" => Rc::new(of::<Fgsm>(options(json!({})))),
        "pgd" => Rc::new(Pgd::new(of(few())).expect("the options are right")),
        "pgd_broken" => {
            let mut options = few();
            options["stop"] = "broken".into();
            options["decay"] = 0.5.into();
            Rc::new(Pgd::new(of(options)).expect("the options are right"))
        }
        "apgd" => Rc::new(of::<Apgd>(few())),
        "apgd_dlr" => {
            let mut options = few();
            options["loss"] = "dlr".into();
            Rc::new(of::<Apgd>(options))
        }
        "apgd_t" => Rc::new(of::<ApgdT>(few())),
        "fab" => {
            let mut options = few();
            options["targets"] = 0.into();
            Rc::new(of::<Fab>(options))
        }
        "fab_t" => Rc::new(of::<Fab>(few())),
        "square" => {
            let options = options(json!({ "queries": 30, "restarts": restarts }));
            Rc::new(of::<Square>(options))
        }
        "rfgsm" => preset(Preset::Rfgsm, few()),
        "bim" => preset(Preset::Bim, options(json!({}))),
        "mifgsm" => preset(Preset::Mifgsm, options(json!({}))),
        "nifgsm" => preset(Preset::Nifgsm, options(json!({}))),
        "tpgd" => preset(Preset::Tpgd, few()),
        "eot_pgd" => preset(Preset::EotPgd, few()),
        "cw" => {
            let options = json!({ "eps": eps, "steps": 40, "search_steps": 3, "c": 0.1 });
            Rc::new(of::<Cw>(options))
        }
        "deepfool" => Rc::new(of::<DeepFool>(options(json!({})))),
        "fmn" => Rc::new(of::<Fmn>(options(json!({ "steps": 40 })))),
        "ddn" => {
            let options = json!({ "eps": eps, "steps": 40, "first_eps": eps });
            Rc::new(of::<Ddn>(options))
        }
        "spsa" => {
            let more = json!({ "steps": 8, "restarts": restarts, "samples": 16 });
            Rc::new(of::<Spsa>(options(more)))
        }
        "uniform_noise" => {
            let options = options(json!({ "queries": 10 * restarts }));
            Rc::new(of::<UniformNoise>(options))
        }
        "standard" | "plus" | "rand" => {
            let options = options(json!({ "version": name, "steps": 8, "queries": 20 }));
            Rc::new(AutoAttack::new(of(options), BTreeMap::new()).expect("the options are right"))
        }
        _ => unreachable!("{name}"),
    }
}

const ALL: [&str; 24] = [
    "fgsm",
    "pgd",
    "pgd_broken",
    "rfgsm",
    "bim",
    "mifgsm",
    "nifgsm",
    "tpgd",
    "eot_pgd",
    "apgd",
    "apgd_dlr",
    "apgd_t",
    "fab",
    "fab_t",
    "cw",
    "deepfool",
    "fmn",
    "ddn",
    "square",
    "spsa",
    "uniform_noise",
    "standard",
    "plus",
    "rand",
];

/// Those that have `restarts`, or something like them.
const WITH_RESTARTS: [&str; 13] = [
    "pgd",
    "pgd_broken",
    "rfgsm",
    "tpgd",
    "eot_pgd",
    "apgd",
    "apgd_dlr",
    "apgd_t",
    "fab",
    "fab_t",
    "square",
    "spsa",
    "uniform_noise",
];

fn norms(name: &str) -> &'static [Norm] {
    match name {
        "cw" | "ddn" => &[Norm::L2],
        "apgd" | "apgd_dlr" | "apgd_t" | "fab" | "fab_t" | "square" | "standard" | "plus"
        | "rand" => &NORMS,
        _ => &[Norm::Linf, Norm::L2],
    }
}

struct Problem {
    weight: Tensor,
    x: Tensor,
    y: Tensor,
}

impl Problem {
    fn new() -> Result<Self> {
        manual_seed(7);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let mut problem = Problem {
            weight: randn(&[3 * 6 * 6, 5], like)?,
            x: rand(&[16, 3, 6, 6], like)?,
            y: Tensor::from_i64(&[0; 16], &[16])?,
        };
        let logits = problem.classifier().logits(&problem.x)?;
        problem.y = logits.argmax(1, false)?;
        Ok(problem)
    }

    fn classifier(&self) -> Classifier<'_> {
        Classifier::new(|x| {
            let flat = x.reshape(&[x.shape()[0], -1])?;
            flat.mul(9.0)?.sin()?.matmul(&self.weight)
        })
    }

    fn attacked(&self, attack: &dyn Attack, draws: &Draws) -> Result<Tensor> {
        attack.perturb(&self.classifier(), &self.x, &self.y, draws)
    }

    /// The same where more than `fits` images need more memory than there is.
    fn crowded(&self, attack: &dyn Attack, draws: &Draws, fits: i64) -> Result<Tensor> {
        let classifier = self.classifier();
        let crowded = Classifier::new(|x| match x.shape()[0] {
            n if n > fits => Err(Error::OutOfMemory(format!("{n} images"))),
            _ => classifier.logits(x),
        });
        attack.perturb(&crowded, &self.x, &self.y, draws)
    }

    fn broken(&self, x_adv: &Tensor) -> Result<i64> {
        let predicted = self.classifier().logits(x_adv)?.argmax(1, false)?;
        predicted.ne(&self.y)?.count_nonzero()
    }
}

#[test]
fn shape_range_eps_and_determinism() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    for name in ALL {
        for &norm in norms(name) {
            let attack = attack(name, norm, 2);
            let what = format!("{name} {norm:?}");
            let eps = attack.options()["eps"].as_f64().expect("a number");
            manual_seed(3);
            let x_adv = problem.attacked(&*attack, &Draws::of_batch())?;
            assert_eq!(x_adv.shape(), problem.x.shape(), "{what}");
            assert_eq!(x_adv.dtype()?, problem.x.dtype()?, "{what}");
            assert!(!x_adv.requires_grad(), "{what}");
            let (low, high) = (x_adv.amin()?.item()?, x_adv.amax()?.item()?);
            assert!(low >= 0.0 && high <= 1.0, "{what}: {low} .. {high}");
            let size = norm.size(&x_adv.sub(&problem.x)?)?.amax()?.item()?;
            assert!(size > 0.0 && size <= eps * (1.0 + 1e-9), "{what}: {size}");
            assert!(problem.broken(&x_adv)? > 0, "{what}");
            manual_seed(3);
            let again = problem.attacked(&*attack, &Draws::of_batch())?;
            assert!(again.equal(&x_adv)?, "{what}: not the same again");
        }
    }
    Ok(())
}

/// Drawn for each example, the result is the same in whatever batch it comes.
#[test]
fn an_example_is_attacked_alike_in_every_batch() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    let in_norms = ALL
        .iter()
        .flat_map(|&name| norms(name).iter().map(move |&norm| (name, norm)));
    for (name, norm) in in_norms {
        let attack = attack(name, norm, 2);
        let examples: Vec<usize> = (10..26).collect();
        let all = problem.attacked(&*attack, &Draws::of_examples(1, "test", &examples))?;
        let part = Problem {
            weight: problem.weight.clone(),
            x: problem.x.narrow(0, 5, 4)?,
            y: problem.y.narrow(0, 5, 4)?,
        };
        let few = part.attacked(&*attack, &Draws::of_examples(1, "test", &examples[5..9]))?;
        assert!(
            few.all_close(&all.narrow(0, 5, 4)?, 0.0, 1e-9)?,
            "{name} {norm:?}"
        );
    }
    Ok(())
}

/// Passes of at most 5 images, and passes that had to be halved until 3 are left.
#[test]
fn an_example_is_attacked_alike_in_passes_of_any_size() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    let in_norms = ALL
        .iter()
        .flat_map(|&name| norms(name).iter().map(move |&norm| (name, norm)));
    for (name, norm) in in_norms {
        let attack = attack(name, norm, 2);
        let examples: Vec<usize> = (10..26).collect();
        let draws = || Draws::of_examples(1, "test", &examples);
        let expected = problem.attacked(&*attack, &draws())?;
        let wanted = problem.classifier().in_passes_of(Some(5));
        let divided = attack.perturb(&wanted, &problem.x, &problem.y, &draws())?;
        let crowded = problem.crowded(&*attack, &draws(), 3)?;
        for x_adv in [divided, crowded] {
            // Products of fewer rows are summed in another order.
            assert!(x_adv.all_close(&expected, 0.0, 1e-9)?, "{name} {norm:?}");
        }
        let error = problem.crowded(&*attack, &draws(), 0).expect_err(name);
        assert!(matches!(error, Error::OutOfMemory(_)), "{name}: {error}");
    }
    Ok(())
}

#[test]
fn more_restarts_never_break_fewer() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    for norm in NORMS {
        for name in WITH_RESTARTS
            .into_iter()
            .filter(|name| norms(name).contains(&norm))
        {
            let mut before = 0;
            for restarts in 1..4 {
                manual_seed(11);
                let attack = attack(name, norm, restarts);
                let x_adv = problem.attacked(&*attack, &Draws::of_batch())?;
                let broken = problem.broken(&x_adv)?;
                assert!(broken >= before, "{name} {norm:?}: {before}, then {broken}");
                before = broken;
            }
        }
    }
    Ok(())
}

#[test]
fn more_attacks_never_break_fewer() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    for norm in NORMS {
        let own = match norm {
            Norm::L1 => "apgd_dlr",
            _ => "fgsm",
        };
        let eps = attack(own, norm, 1).options()["eps"].clone();
        let mut before = 0;
        for count in 1..=5 {
            let names = &["square", "own", "fab", "apgd-ce", "apgd-t"][..count];
            let own = BTreeMap::from([(1, attack(own, norm, 1))]);
            let options = json!({
                "eps": eps, "norm": norm, "version": "custom", "attacks": names, "steps": 4,
                "queries": 10,
            });
            let options = serde_json::from_value(options).expect("the options are right");
            let attack = AutoAttack::new(options, own)?;
            manual_seed(11);
            let draws = Draws::of_batch();
            let (x, y) = (&problem.x, &problem.y);
            let outcome = attack.perturb_in_stages(&problem.classifier(), x, y, &draws)?;
            let broken = problem.broken(&outcome.x_adv)?;
            assert!(
                broken >= before,
                "{count} {norm:?}: {before}, then {broken}"
            );
            before = broken;
            let mut shares = outcome.robust_accuracy.iter().map(|(_, share)| *share);
            assert!(shares.clone().is_sorted_by(|a, b| a >= b));
            assert_eq!(shares.next_back(), Some(1.0 - broken as f64 / 16.0));
        }
    }
    Ok(())
}

/// What an attack of another threat model finds does not count.
#[test]
fn a_part_beyond_eps_does_not_count() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    let wide: Fgsm = serde_json::from_value(json!({ "eps": 0.3 })).expect("right");
    let options = json!({ "eps": 1e-4, "version": "custom", "attacks": ["own"] });
    let options = serde_json::from_value(options).expect("right");
    let attack = AutoAttack::new(
        options,
        BTreeMap::from([(0, Rc::new(wide) as Rc<dyn Attack>)]),
    )?;
    let x_adv = problem.attacked(&attack, &Draws::of_batch())?;
    assert!(x_adv.equal(&problem.x)?);
    Ok(())
}

/// Without an eps the smallest perturbation is found, with one it counts within it alone.
#[test]
fn a_minimum_needs_no_ball() -> Result<()> {
    let _guard = generator();
    let problem = Problem::new()?;
    for name in ["cw", "deepfool", "fmn", "ddn"] {
        for &norm in norms(name) {
            let sizes = |eps: Value| -> Result<Vec<f64>> {
                let mut options = json!({ "steps": 40, "eps": eps });
                if name == "deepfool" || name == "fmn" {
                    options["norm"] = json!(norm);
                }
                let attack: Rc<dyn Attack> = match name {
                    "cw" => Rc::new(serde_json::from_value::<Cw>(options).expect("right")),
                    "fmn" => Rc::new(serde_json::from_value::<Fmn>(options).expect("right")),
                    "ddn" => Rc::new(serde_json::from_value::<Ddn>(options).expect("right")),
                    _ => Rc::new(serde_json::from_value::<DeepFool>(options).expect("right")),
                };
                let x_adv = problem.attacked(&*attack, &Draws::of_batch())?;
                let changed = problem.broken(&x_adv)? as usize;
                let sizes = norm.size(&x_adv.sub(&problem.x)?)?.to_vec_f64()?;
                let moved = sizes.iter().filter(|&&size| size > 0.0).count();
                assert_eq!(moved, changed, "{name}: only successes are moved");
                Ok(sizes)
            };
            let free = sizes(Value::Null)?;
            let found = free.iter().filter(|&&size| size > 0.0).count();
            assert!(found >= 14, "{name}: {free:?}");
            let mut order = free.clone();
            order.sort_by(f64::total_cmp);
            let eps = (order[7] + order[8]) / 2.0;
            for (free, within) in free.iter().zip(sizes(json!(eps))?) {
                assert_eq!(within, if *free <= eps { *free } else { 0.0 }, "{name}");
            }
        }
    }
    Ok(())
}
