//! Label augmentation against the formula in numpy (checked with PyTorch's soft targets).

use super::{Oracle, close, fill};
use rhobust::label::{LabelAugmentation, Transform};
use rhobust::torch::{Dtype, Tensor};

fn check(case: &str, n: i64, classes: i64, transforms: i64) {
    let oracle = Oracle::parse(include_str!("labels.json"));
    let outputs = classes + transforms;
    let name = format!("labels.{case}.logits");
    let mut logits: Vec<f64> = fill::u(&name, (n * outputs) as usize)
        .iter()
        .map(|u| 6.0 * (2.0 * u - 1.0))
        .collect();
    logits[outputs as usize - 1] = 7.0;
    let integers = |key: &str| {
        let values = oracle.values(&format!("{case}.{key}"));
        let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
        Tensor::from_i64(&values, &[n]).unwrap()
    };
    let (y, z) = (integers("y"), Transform::Each(integers("z")));
    let names: Vec<String> = (0..transforms).map(|j| format!("t{j}")).collect();
    for delta in ["0.0", "0.03", "0.5"] {
        let labels =
            LabelAugmentation::new(classes, names.clone(), delta.parse().unwrap()).unwrap();
        let logits = Tensor::from_f64(&logits, &[n, outputs])
            .unwrap()
            .leaf()
            .unwrap();
        let key = |name: &str| format!("{case}.d{delta}.{name}");
        let stored = |name: &str| oracle.get(&key(name));
        let targets = labels.targets(&y, &z, Dtype::Float64).unwrap();
        let loss = labels.loss(&logits, &y, &z).unwrap();
        let each = labels.loss_each(&logits, &y, &z).unwrap();
        // The reference allows 1e-12.
        close(&key("target"), &targets, stored("target"), 1e-12);
        close(&key("loss_each"), &each, stored("loss_each"), 1e-12);
        close(
            &key("grad"),
            &loss.gradient(&logits).unwrap(),
            stored("grad"),
            1e-12,
        );
        close(&key("loss"), &loss, stored("loss"), 1e-12);
        assert!(
            labels
                .predict(&logits)
                .unwrap()
                .equal(&integers("prediction"))
                .unwrap()
        );
        assert!(
            logits
                .argmax(1, false)
                .unwrap()
                .equal(&integers("argmax_all"))
                .unwrap()
        );
    }
}

#[test]
fn ten_classes_and_two_transformations() {
    check("small", 8, 10, 2);
}

#[test]
fn a_thousand_classes_and_three_transformations() {
    check("wide", 4, 1000, 3);
}
