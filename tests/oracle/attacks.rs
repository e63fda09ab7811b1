//! FGSM and PGD against torchattacks and foolbox, on a small convolutional network and on
//! ResNet-18, in L-infinity and L2, with and without a random start (the same draws).

use super::{Oracle, close, fill, generator};
use rhobust::attack::{Attack, Classifier, Draws, Fgsm, Pgd};
use rhobust::nn::{
    Conv2d, Depth, Linear, Model, Module, Normalize, ResNetOptions, Sequential, Stateless, resnet,
};
use rhobust::torch::{self, Reduction, Tensor};
use serde_json::{Value, json};
use std::rc::Rc;

pub fn tiny() -> Model {
    let conv = |inputs, outputs, stride| -> Rc<dyn Module> {
        let geometry = torch::Conv2d {
            stride,
            padding: 1,
            ..torch::Conv2d::default()
        };
        Rc::new(Conv2d::new(inputs, outputs, 3, geometry, true).unwrap())
    };
    let layers: Vec<(String, Rc<dyn Module>)> = vec![
        ("conv1".to_owned(), conv(3, 8, 1)),
        ("relu1".to_owned(), Rc::new(Stateless::relu())),
        ("conv2".to_owned(), conv(8, 16, 2)),
        ("relu2".to_owned(), Rc::new(Stateless::relu())),
        (
            "pool".to_owned(),
            Rc::new(Stateless::adaptive_avg_pool2d(4)),
        ),
        ("flatten".to_owned(), Rc::new(Stateless::flatten())),
        (
            "fc".to_owned(),
            Rc::new(Linear::new(256, 10, true).unwrap()),
        ),
    ];
    let network = Rc::new(Sequential::new(layers).unwrap());
    Model::new(
        "tiny",
        network,
        Normalize::named("imagenet").unwrap(),
        Some(10),
    )
}

fn attack_of(key: &str, case: &Value) -> Box<dyn Attack> {
    let p = &case["parameters"];
    let eps = p["eps"].as_f64().or(p["epsilon"].as_f64()).unwrap();
    let norm = &case["norm"];
    if key.ends_with("fgsm") {
        let fgsm: Fgsm = serde_json::from_value(json!({ "eps": eps, "norm": norm })).unwrap();
        return Box::new(fgsm);
    }
    let step_size = p["alpha"].as_f64().or(p["abs_stepsize"].as_f64()).unwrap();
    let options = json!({
        "eps": eps, "steps": p["steps"], "step_size": step_size, "norm": norm,
        "random_start": p["random_start"],
    });
    Box::new(Pgd::new(serde_json::from_value(options).unwrap()).unwrap())
}

fn check(name: &str, model: &Model, x: &Tensor) {
    let oracle = Oracle::parse(include_str!("attacks.json"));
    fill::fill(model);
    // A model in train mode: the attack must use eval mode by itself and leave all as it was.
    model.set_training(true);
    let before: Vec<Tensor> = model
        .state_dict()
        .iter()
        .map(|(_, tensor)| tensor.copy().unwrap())
        .collect();
    let y = oracle.values(&format!("{name}.y"));
    let y: Vec<i64> = y.iter().map(|&v| v as i64).collect();
    let y = Tensor::from_i64(&y, &[y.len() as i64]).unwrap();
    let classifier = Classifier::of(model, false);

    let leaf = x.leaf().unwrap();
    let logits = classifier.logits(&leaf).unwrap();
    let loss = logits.cross_entropy(&y, Reduction::Mean).unwrap();
    close(
        "logits",
        &logits,
        oracle.get(&format!("{name}.logits_clean")),
        1e-10,
    );
    let gradient = loss.gradient(&leaf).unwrap();
    close(
        "gradient",
        &gradient,
        oracle.get(&format!("{name}.grad_clean")),
        1e-10,
    );

    let cases = oracle.0.as_object().unwrap();
    let mut checked = 0;
    for (key, case) in cases {
        if !key.starts_with(&format!("{name}.f64.")) {
            continue;
        }
        let attack = attack_of(key, case);
        torch::manual_seed(case["seed"].as_u64().unwrap());
        let adv = attack
            .perturb(&classifier, x, &y, &Draws::of_batch())
            .unwrap();
        let logits = classifier.logits(&adv).unwrap();
        // The reference allows 1e-10 in L-infinity and 1e-9 in L2 and for the logits.
        let tolerance = if case["norm"] == "linf" { 1e-10 } else { 1e-9 };
        close(key, &adv, &case["adv"], tolerance);
        close(key, &logits, &case["logits"], 1e-9);
        let success = logits
            .argmax(1, false)
            .unwrap()
            .ne(&y)
            .unwrap()
            .to_vec_i64()
            .unwrap();
        let expected: Vec<i64> = super::numbers(&case["success"])
            .iter()
            .map(|&v| v as i64)
            .collect();
        assert_eq!(success, expected, "{key}: success");
        assert!(!adv.requires_grad());
        checked += 1;
    }
    assert!(checked >= 7, "{name}: only {checked} cases");

    assert!(model.training());
    for ((name, after), before) in model.state_dict().iter().zip(&before) {
        assert!(after.equal(before).unwrap(), "the attack changed {name}");
        assert!(
            after.grad().is_none(),
            "the attack left a gradient in {name}"
        );
    }
}

#[test]
fn attacks_on_a_small_network_agree() {
    let _guard = generator();
    check("tiny", &tiny(), &fill::images("attack.tiny", 8, 16, 16));
}

pub fn resnet18() -> Model {
    let options = ResNetOptions {
        outputs: 10,
        ..ResNetOptions::default()
    };
    resnet(Depth::D18, &options).unwrap()
}

#[test]
fn attacks_on_resnet18_agree() {
    let _guard = generator();
    check(
        "resnet18",
        &resnet18(),
        &fill::images("attack.resnet18", 4, 32, 32),
    );
}
