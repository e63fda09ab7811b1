//! SGD with momentum, weight decay and Nesterov, under a cosine schedule, against PyTorch.

use super::{Oracle, close, fill, generator};
use rhobust::nn::{Entry, Module};
use rhobust::nn::{Linear, Sequential, Stateless, entries};
use rhobust::torch::{Reduction, Tensor};
use rhobust::train::{Schedule, ScheduleKind, ScheduleOptions, Sgd, SgdOptions};
use std::rc::Rc;

const STEPS: i64 = 20;
const LR: f64 = 0.01;

fn train(nesterov: bool) {
    let oracle = Oracle::parse(include_str!("sgd.json"));
    let layers: Vec<(String, Rc<dyn Module>)> = vec![
        ("fc1".to_owned(), Rc::new(Linear::new(6, 16, true).unwrap())),
        ("tanh".to_owned(), Rc::new(Stateless::tanh())),
        ("fc2".to_owned(), Rc::new(Linear::new(16, 4, true).unwrap())),
    ];
    let network = Sequential::new(layers).unwrap();
    fill::fill_module(&network);
    let x: Vec<f64> = fill::u("sgd.x", 32 * 6)
        .iter()
        .map(|u| 2.0 * u - 1.0)
        .collect();
    let x = Tensor::from_f64(&x, &[32, 6]).unwrap();
    let y = fill::pick("sgd.y", 32, 4);

    let parameters = entries(&network)
        .into_iter()
        .filter(|(_, entry)| matches!(entry, Entry::Parameter(_)))
        .map(|(name, entry)| (name, entry.tensor().clone()))
        .collect();
    let options = SgdOptions {
        lr: LR,
        momentum: 0.9,
        weight_decay: 1e-4,
        nesterov,
    };
    let optimizer = Sgd::new(parameters, options).unwrap();
    let total = ScheduleOptions {
        total: STEPS,
        warmup: 0,
        milestones: vec![],
        gamma: 0.1,
    };
    let schedule = Schedule::new(ScheduleKind::Cosine, total).unwrap();

    let variant = if nesterov { "nesterov" } else { "plain" };
    let losses = oracle.values(&format!("f64.{variant}.losses"));
    let rates = oracle.values("lr");
    for s in 0..STEPS {
        let lr = LR * schedule.factor(s);
        assert!((lr - rates[s as usize]).abs() <= 1e-15, "lr of step {s}");
        optimizer.set_lr(lr).unwrap();
        let rows = 8 * s % 32;
        let logits = network
            .forward(&x.narrow(0, rows, 8).unwrap(), true)
            .unwrap();
        let targets = y.narrow(0, rows, 8).unwrap();
        let loss = logits.cross_entropy(&targets, Reduction::Mean).unwrap();
        let loss = optimizer.step(&loss).unwrap();
        // The reference allows 1e-12 absolute.
        assert!(
            (loss - losses[s as usize]).abs() <= 1e-12,
            "loss of step {s}"
        );
        for (name, entry) in entries(&network) {
            let key = format!("f64.{variant}.step{}.{name}", s + 1);
            if oracle.0.get(&key).is_some() {
                close(&key, entry.tensor(), oracle.get(&key), 1e-12);
            }
        }
    }
    assert_eq!(rates[STEPS as usize], LR * schedule.factor(STEPS));
}

#[test]
fn momentum_agrees_with_pytorch() {
    let _guard = generator();
    train(false);
}

#[test]
fn nesterov_agrees_with_pytorch() {
    let _guard = generator();
    train(true);
}
