//! APGD, APGD-T, FAB-T, Square and the standard AutoAttack against the authors' program, on the
//! same draws: images in float64, successes in float32 too.

use super::attacks::{resnet18, tiny};
use super::{Oracle, close, fill, generator, numbers};
use rhobust::attack::{Apgd, ApgdT, Attack, AutoAttack, Classifier, Draws, Fab, Norm, Square};
use rhobust::nn::Model;
use rhobust::torch::{self, Dtype, Tensor};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// In L-infinity and L2; in L1, made by autoattack_l1.py.
const DENSE: &str = include_str!("autoattack.json");
const L1: &str = include_str!("autoattack_l1.json");

fn made<T: DeserializeOwned>(options: Value) -> T {
    serde_json::from_value(options).expect("the options are right")
}

/// The attack of a case. The authors' program never stops.
fn attack_of(key: &str, case: &Value, stop: &str) -> Box<dyn Attack> {
    let p = &case["parameters"];
    let mut options = json!({ "eps": p["eps"], "norm": case["norm"] });
    if !key.contains("square") {
        options["steps"] = p["n_iter"].clone();
        options["stop"] = stop.into();
    }
    if let Some(targets) = p.get("n_target_classes") {
        options["targets"] = targets.clone();
    }
    if let Some(queries) = p.get("n_queries") {
        options["queries"] = queries.clone();
    }
    if key.contains("apgd_t") {
        Box::new(made::<ApgdT>(options))
    } else if key.contains("apgd") {
        if key.contains("dlr") {
            options["loss"] = "dlr".into();
        }
        Box::new(made::<Apgd>(options))
    } else if key.contains("fab") {
        Box::new(made::<Fab>(options))
    } else if key.contains("square") {
        Box::new(made::<Square>(options))
    } else {
        Box::new(AutoAttack::new(made(options), BTreeMap::new()).unwrap())
    }
}

fn successes(classifier: &Classifier, x_adv: &Tensor, y: &Tensor) -> Vec<f64> {
    let predicted = classifier.logits(x_adv).unwrap().argmax(1, false).unwrap();
    predicted.ne(y).unwrap().to_vec_f64().unwrap()
}

fn check(oracle: &str, name: &str, model: &Model, x: &Tensor, cases: usize) {
    let oracle = Oracle::parse(oracle);
    let clean = Oracle::parse(include_str!("attacks.json"));
    let y: Vec<i64> = clean
        .values(&format!("{name}.y"))
        .iter()
        .map(|&class| class as i64)
        .collect();
    let y = Tensor::from_i64(&y, &[y.len() as i64]).unwrap();
    fill::fill(model);
    let mut checked = 0;
    for dtype in [Dtype::Float64, Dtype::Float32] {
        model.to(Some(dtype), None).unwrap();
        let classifier = Classifier::of(model, false);
        let x = x.to_dtype(dtype).unwrap();
        let tag = if dtype == Dtype::Float64 {
            "f64"
        } else {
            "f32"
        };
        for (key, case) in oracle.0.as_object().unwrap() {
            if !key.starts_with(&format!("{name}.{tag}.")) {
                continue;
            }
            // The images agree where the attack goes on with broken examples; which are broken
            // does not depend on it.
            let kinds: &[&str] = match dtype {
                Dtype::Float64 => &["never"],
                _ if case["size"].is_array() => &["broken", "never"],
                _ => &["broken"],
            };
            for &stop in kinds {
                let attack = attack_of(key, case, stop);
                torch::manual_seed(100);
                let draws = Draws::of_batch();
                let outcome = attack
                    .perturb_in_stages(&classifier, &x, &y, &draws)
                    .unwrap();
                let adv = &outcome.x_adv;
                let what = format!("{key}, stop {stop}");
                let success = numbers(&case["success"]);
                assert_eq!(successes(&classifier, adv, &y), success, "{what}");
                if case["adv"].is_object() {
                    close(key, adv, &case["adv"], tolerance(key, case));
                }
                if stop == "never" && case["size"].is_array() {
                    sizes_agree(&what, &adv.sub(&x).unwrap(), case);
                }
                if let Some(stages) =
                    case["parameters"]["robust_accuracy_percent_after"].as_object()
                {
                    let ours = &outcome.robust_accuracy;
                    assert_eq!(ours.len(), stages.len() + 1, "{what}");
                    for (name, share) in &ours[1..] {
                        assert_eq!(stages[name].as_f64(), Some(share * 100.0), "{what}: {name}");
                    }
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, cases, "{name}");
}

/// In float32 FAB ends at points of its own, no farther away.
fn sizes_agree(what: &str, delta: &Tensor, case: &Value) {
    let norm = if case["norm"] == "linf" {
        Norm::Linf
    } else {
        Norm::L2
    };
    let ours = norm.size(delta).unwrap().to_vec_f64().unwrap();
    for (ours, theirs) in ours.iter().zip(numbers(&case["size"])) {
        let allowed = 1e-3 * theirs;
        assert!(
            (ours - theirs).abs() <= allowed,
            "{what}: {ours} instead of {theirs}"
        );
    }
}

/// As the reference allows: it measured how far a rounding of the last bit goes.
fn tolerance(key: &str, case: &Value) -> f64 {
    if key.contains("e1.aa_apgd_dlr_l2") {
        return 1e-5;
    }
    match case["norm"] == "linf" && !key.contains("fab") {
        true => 1e-10,
        false => 1e-9,
    }
}

#[test]
fn autoattack_on_a_small_network_agrees() {
    let _guard = generator();
    let x = fill::images("attack.tiny", 8, 16, 16);
    check(DENSE, "tiny", &tiny(), &x, 33);
}

#[test]
fn autoattack_in_l1_agrees() {
    let _guard = generator();
    let x = fill::images("attack.tiny", 8, 16, 16);
    check(L1, "tiny", &tiny(), &x, 5);
}

#[test]
fn autoattack_on_resnet18_agrees() {
    let _guard = generator();
    let x = fill::images("attack.resnet18", 4, 32, 32);
    check(DENSE, "resnet18", &resnet18(), &x, 10);
}
