//! Residual networks against torchvision 0.26.

use super::{Oracle, close, fill, generator, numbers};
use rhobust::nn::{Depth, Entry, Model, ResNetOptions, resnet};
use rhobust::torch::autograd::gradients;
use rhobust::torch::{Reduction, no_grad};

fn filled(depth: Depth, outputs: i64) -> Model {
    let model = resnet(
        depth,
        &ResNetOptions {
            outputs,
            ..ResNetOptions::default()
        },
    )
    .unwrap();
    fill::fill(&model);
    model
}

/// Eval mode: logits, loss and input gradient. Train mode: logits, loss, the norm of each
/// parameter's gradient, and what one forward pass does to the running statistics.
fn check(arch: &str, depth: Depth, last_norm: &str) {
    let oracle = Oracle::parse(include_str!("resnet.json"));
    let y = fill::pick("resnet.y", 4, 12);
    for size in [64, 32] {
        let model = filled(depth, 12);
        let key = |name: &str| format!("{arch}.{size}.f64.{name}");
        let stored = |name: &str| oracle.get(&key(name));
        let x = fill::images("input", 4, size, size).leaf().unwrap();

        let logits = model.forward_in(&x, false).unwrap();
        let loss = logits.cross_entropy(&y, Reduction::Mean).unwrap();
        let gradient = loss.gradient(&x).unwrap();
        // Eval mode: the reference allows 1e-10 relative.
        close(&key("logits"), &logits, stored("logits"), 1e-10);
        close(&key("loss"), &loss, stored("loss"), 1e-10);
        close(
            &key("grad_norm"),
            &gradient.norm_each(2.0).unwrap(),
            stored("grad_norm"),
            1e-10,
        );
        let corner = match size {
            64 => gradient.narrow(2, 0, 16).unwrap().narrow(3, 0, 16).unwrap(),
            _ => gradient,
        };
        close(&key("grad"), &corner, stored("grad"), 1e-10);

        let logits = model.forward_in(&x, true).unwrap();
        let loss = logits.cross_entropy(&y, Reduction::Mean).unwrap();
        let parameters = model.parameters();
        let tensors: Vec<_> = parameters.iter().map(|(_, tensor)| tensor).collect();
        let norms: Vec<f64> = gradients(&loss, &tensors)
            .unwrap()
            .iter()
            .map(|g| g.norm(2.0).unwrap().item().unwrap())
            .collect();
        // Train mode: 1e-9 for logits and loss, 1e-8 for the gradients of parameters.
        close(&key("train_logits"), &logits, stored("train_logits"), 1e-9);
        close(&key("train_loss"), &loss, stored("train_loss"), 1e-9);
        let theirs = numbers(&stored("train_param_grad_norms")["values"]);
        assert_eq!(norms.len(), theirs.len());
        let scale = theirs.iter().fold(0.0_f64, |m, v| m.max(*v));
        for ((ours, theirs), (name, _)) in norms.iter().zip(&theirs).zip(&parameters) {
            assert!(
                (ours - theirs).abs() <= 1e-8 * scale,
                "{name}: {ours} instead of {theirs}"
            );
        }
        for (name, entry) in model.entries() {
            if let (Entry::Buffer(buffer), true) = (&entry, watched(&name, last_norm)) {
                close(&name, buffer, stored(&format!("train_{name}")), 1e-10);
            }
        }
    }
}

fn watched(name: &str, last_norm: &str) -> bool {
    let Some((norm, statistic)) = name.rsplit_once('.') else {
        return false;
    };
    (norm == "bn1" || norm == last_norm) && statistic.starts_with("running")
}

#[test]
fn resnet18_agrees_with_torchvision() {
    let _guard = generator();
    check("resnet18", Depth::D18, "layer4.1.bn2");
}

#[test]
fn resnet50_agrees_with_torchvision() {
    let _guard = generator();
    check("resnet50", Depth::D50, "layer4.2.bn3");
}

/// 1000 classes and 2 transformations.
#[test]
fn a_wide_head_agrees_with_torchvision() {
    let _guard = generator();
    let oracle = Oracle::parse(include_str!("resnet.json"));
    let model = filled(Depth::D50, 1002);
    let x = fill::images("input", 4, 64, 64);
    let logits = no_grad(|| model.forward_in(&x, false)).unwrap();
    close(
        "first 8",
        &logits.narrow(1, 0, 8).unwrap(),
        oracle.get("wide.first8"),
        1e-10,
    );
    let last = logits.narrow(1, 1000, 2).unwrap();
    close("last 2", &last, oracle.get("wide.last_transforms"), 1e-10);
    let (values, indices) = logits.topk(5, 1, true).unwrap();
    close("top 5", &values, oracle.get("wide.top5_values"), 1e-10);
    close("where", &indices, oracle.get("wide.top5_indices"), 0.0);
}

#[test]
fn state_dicts_have_torchvision_s_keys_shapes_and_order() {
    let _guard = generator();
    let oracle = Oracle::parse(include_str!("resnet_keys.json"));
    for (arch, depth) in [("resnet18", Depth::D18), ("resnet50", Depth::D50)] {
        let model = resnet(
            depth,
            &ResNetOptions {
                outputs: 12,
                ..Default::default()
            },
        )
        .unwrap();
        let ours: Vec<serde_json::Value> = model
            .state_dict()
            .into_iter()
            .map(|(name, tensor)| serde_json::json!([name, tensor.shape()]))
            .collect();
        assert_eq!(&serde_json::Value::Array(ours), oracle.get(arch), "{arch}");
    }
}
