//! Classifiers whose answers are known: a sound one passes, each way of masking is found.

use super::*;
use crate::nn::{Linear, Module, Normalize, Sequential, Stateless};
use crate::torch::{Dtype, Like, Tensor, generator, manual_seed, rand};
use std::rc::Rc;

const CLASSES: i64 = 4;
const IMAGES: usize = 40;

/// Images of 4 classes: grey, with the row of the class brighter, so that a linear classifier gets
/// all of them right, and eps is more than the margin of some and less than that of others.
fn images() -> Result<Images> {
    let n = IMAGES as i64;
    let y: Vec<i64> = (0..n).map(|i| i % CLASSES).collect();
    let y = Tensor::from_i64(&y, &[n])?;
    let noise = rand(&[n, 3, 4, 4], Like::default())?.mul(0.05)?;
    // From faint to clear: the margins are spread.
    let strength = Tensor::from_f64(
        &(0..n)
            .map(|i| 0.02 + 0.08 * i as f64 / n as f64)
            .collect::<Vec<_>>(),
        &[n, 1, 1, 1],
    )?
    .to_dtype(Dtype::Float32)?;
    let marks = marks()?.index_select(0, &y)?;
    Ok(Images {
        x: noise.add(0.3)?.add(marks.mul(strength)?)?,
        y,
        examples: (0..IMAGES).collect(),
    })
}

/// What each class adds: one of the four rows, `[4, 3, 4, 4]`.
fn marks() -> Result<Tensor> {
    let eye = Tensor::from_f64(
        &(0..16).map(|i| f64::from(i % 5 == 0)).collect::<Vec<_>>(),
        &[4, 1, 4, 1],
    )?;
    eye.to_dtype(Dtype::Float32)?.expand(&[4, 3, 4, 4])
}

/// Logits of the linear classifier that knows the marks.
fn linear(x: &Tensor) -> Result<Tensor> {
    let n = x.shape()[0];
    let weight = marks()?.reshape(&[CLASSES, 48])?.to_like(x)?;
    x.reshape(&[n, 48])?.matmul(&weight.transpose(0, 1)?)
}

/// Small budgets: the classifiers are simple.
fn options() -> Options {
    Options {
        eps: 0.03,
        steps: 10,
        many_steps: 20,
        restarts: 2,
        images: IMAGES,
        queries: 60,
        autoattack_steps: 10,
        ..Options::default()
    }
}

fn examine(logits: impl Fn(&Tensor) -> Result<Tensor>, options: &Options) -> Result<Diagnosis> {
    manual_seed(3);
    let images = images()?;
    let suspect = Suspect {
        classifier: Classifier::new(logits),
        model: None,
        source: None,
    };
    diagnose(suspect, images, "marks", options, 0, &mut |_| {})
}

fn verdict(diagnosis: &Diagnosis, name: &str) -> Verdict {
    let check = diagnosis.checks.iter().find(|it| it.name == name);
    check.map_or(Verdict::NotRun, |it| it.verdict)
}

fn evidence(diagnosis: &Diagnosis, check: &str, name: &str) -> f64 {
    let check = diagnosis.checks.iter().find(|it| it.name == check);
    let found = check.and_then(|it| it.evidence.iter().find(|it| it.name == name));
    found.and_then(|it| it.value).unwrap_or(f64::NAN)
}

#[test]
fn a_linear_classifier_is_trusted() -> Result<()> {
    let _guard = generator();
    let found = examine(linear, &options())?;
    for check in &found.checks {
        let not_run = ["transfer", "conventions"].contains(&check.name.as_str());
        let expected = if not_run {
            Verdict::NotRun
        } else {
            Verdict::Pass
        };
        assert_eq!(check.verdict, expected, "{check:?}");
    }
    assert_eq!(found.verdict, Trust::Trust, "{}", found.summary);
    // A corner of the ball moves the margin by 2 * 12 pixels * eps, so the worst case is known:
    // no attack finds more, and PGD finds all of it.
    manual_seed(3);
    let it = images()?;
    let logits = linear(&it.x)?;
    let margins = crate::attack::Loss::Margin
        .each(&logits, &it.y)?
        .to_vec_f64()?;
    let within = margins
        .iter()
        .filter(|it| **it > -2.0 * 12.0 * 0.03)
        .count();
    assert!((5..35).contains(&within), "{within}");
    let error = within as f64 / IMAGES as f64;
    assert_eq!((found.attack_error, found.worst_error), (error, error));
    assert!(
        (evidence(
            &found,
            "first_order",
            "change of the margin that is foretold"
        ) - 1.0)
            .abs()
            < 1e-3
    );
    assert_eq!(
        evidence(&found, "gradients", "images whose gradient is zero"),
        0.0
    );
    Ok(())
}

#[test]
fn a_quantiser_is_found() -> Result<()> {
    let _guard = generator();
    let found = examine(|x| linear(&x.mul(16.0)?.round()?.div(16.0)?), &options())?;
    assert_eq!(found.verdict, Trust::Masked);
    for name in ["gradients", "flatness", "ascent", "unbounded"] {
        assert_eq!(verdict(&found, name), Verdict::Fail, "{name}");
    }
    assert_eq!(
        evidence(&found, "gradients", "images whose gradient is zero"),
        1.0
    );
    let gradients = found.checks.iter().find(|it| it.name == "gradients");
    let advice = gradients
        .and_then(|it| it.advice.clone())
        .unwrap_or_default();
    assert!(advice.contains("BPDA"), "{advice}");
    Ok(())
}

#[test]
fn logits_that_saturate_the_softmax_are_found() -> Result<()> {
    let _guard = generator();
    let found = examine(|x| linear(x)?.mul(1e6), &options())?;
    assert_eq!(found.verdict, Trust::Masked);
    assert_eq!(verdict(&found, "saturation"), Verdict::Warn);
    for name in ["gradients", "losses", "apgd"] {
        assert_eq!(verdict(&found, name), Verdict::Fail, "{name}");
    }
    // The function itself is as smooth as before, and the right loss finds what there is.
    assert_eq!(verdict(&found, "flatness"), Verdict::Pass);
    let sound = examine(linear, &options())?;
    assert!(found.attack_error < sound.attack_error);
    assert_eq!(found.worst_error, sound.worst_error);
    Ok(())
}

#[test]
fn probabilities_are_found() -> Result<()> {
    let _guard = generator();
    let only = Options {
        checks: vec!["probabilities".into()],
        ..options()
    };
    let found = examine(|x| linear(x)?.softmax(1), &only)?;
    assert_eq!(verdict(&found, "probabilities"), Verdict::Warn);
    assert_eq!(found.verdict, Trust::Doubt);
    let found = examine(linear, &only)?;
    assert_eq!(verdict(&found, "probabilities"), Verdict::Pass);
    Ok(())
}

#[test]
fn random_numbers_in_a_pass_are_found() -> Result<()> {
    let _guard = generator();
    let only = Options {
        checks: vec!["randomness".into()],
        ..options()
    };
    let noisy = |x: &Tensor| linear(&x.add(x.normal_like(0.0, 0.05)?)?);
    let found = examine(noisy, &only)?;
    assert!(verdict(&found, "randomness") >= Verdict::Warn);
    let apart = evidence(&found, "randomness", "largest difference, relative");
    assert!(apart > 1e-3, "{apart}");
    assert_eq!(
        verdict(&examine(linear, &only)?, "randomness"),
        Verdict::Pass
    );
    Ok(())
}

/// A gradient of another function: the linear classifier, with the gradient of its negative.
#[test]
fn gradients_of_something_else_are_found() -> Result<()> {
    let _guard = generator();
    let turned = |x: &Tensor| {
        let logits = linear(x)?;
        logits.mul(2.0)?.detach()?.sub(logits)
    };
    // A random search takes longer than a gradient.
    let found = examine(
        turned,
        &Options {
            queries: 400,
            ..options()
        },
    )?;
    assert_eq!(found.verdict, Trust::Masked);
    for name in ["first_order", "ascent", "black_box"] {
        assert_eq!(verdict(&found, name), Verdict::Fail, "{name}");
    }
    assert!(found.attack_error < found.worst_error);
    Ok(())
}

#[test]
fn attacks_from_elsewhere_count() -> Result<()> {
    let _guard = generator();
    let only = Options {
        checks: vec!["transfer".into()],
        ..options()
    };
    manual_seed(3);
    let suspect = Suspect {
        classifier: Classifier::new(|x| linear(&x.mul(64.0)?.round()?.div(64.0)?)),
        model: None,
        source: Some(Classifier::new(linear)),
    };
    let found = diagnose(suspect, images()?, "marks", &only, 0, &mut |_| {})?;
    assert_eq!(verdict(&found, "transfer"), Verdict::Fail);
    Ok(())
}

#[test]
fn the_batch_size_changes_nothing() -> Result<()> {
    let _guard = generator();
    let of = |batch_size| {
        let options = Options {
            batch_size,
            checks: ["noise", "restarts", "ascent"].map(str::to_owned).into(),
            ..options()
        };
        let found = examine(linear, &options)?;
        let numbers: Vec<Vec<Evidence>> = found.checks.into_iter().map(|it| it.evidence).collect();
        Ok::<_, crate::Error>((numbers, found.attack_error))
    };
    assert_eq!(of(7)?, of(64)?);
    Ok(())
}

#[test]
fn what_cannot_be_examined_is_refused() -> Result<()> {
    let _guard = generator();
    let refusal = |options: Options| match examine(linear, &options) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    for (options, part) in [
        (
            Options {
                eps: 0.0,
                ..options()
            },
            "`eps` must be above 0",
        ),
        (
            Options {
                eps: 8.0,
                ..options()
            },
            "px(8)",
        ),
        (
            Options {
                images: 19,
                ..options()
            },
            "at least 20",
        ),
        (
            Options {
                queries: 0,
                ..options()
            },
            "`queries` must be at least 1",
        ),
        (
            Options {
                checks: vec!["gradient".into()],
                ..options()
            },
            "there is no check",
        ),
    ] {
        let refused = refusal(options);
        assert!(refused.contains(part), "{refused}");
    }
    let cut = examine(|x| linear(&x.detach()?), &options());
    let refused = cut.err().map(|it| it.to_string()).unwrap_or_default();
    assert!(refused.contains("no gradient leads"), "{refused}");
    let infinite = examine(|x| linear(x)?.mul(f64::INFINITY), &options());
    let refused = infinite.err().map(|it| it.to_string()).unwrap_or_default();
    assert!(refused.contains("must be finite"), "{refused}");
    Ok(())
}

#[test]
fn a_classifier_that_is_always_wrong_is_no_case() -> Result<()> {
    let _guard = generator();
    let found = examine(|x| linear(x)?.neg(), &options())?;
    assert_eq!(found.verdict, Trust::Doubt, "{}", found.summary);
    assert!(found.checks.iter().all(|it| it.verdict == Verdict::NotRun));
    assert_eq!(found.attack_error, 1.0);
    Ok(())
}

/// The model is moved to float64 for one check, and gets its own bits back.
#[test]
fn a_model_stays_as_it_is() -> Result<()> {
    let _guard = generator();
    manual_seed(3);
    let layers: Vec<(String, Rc<dyn Module>)> = vec![
        ("0".into(), Rc::new(Stateless::flatten())),
        ("1".into(), Rc::new(Linear::new(48, CLASSES, true)?)),
    ];
    let network = Rc::new(Sequential::new(layers)?);
    let model = Model::new("linear", network, Normalize::none(), None);
    for (name, tensor) in model.parameters() {
        match name.as_str() {
            "1.weight" => tensor.assign(&marks()?.reshape(&[CLASSES, 48])?)?,
            _ => tensor.assign(&tensor.zeros_like()?)?,
        }
    }
    let bits = || -> Result<Vec<Vec<u8>>> {
        let state = model.state_dict();
        state.iter().map(|(_, tensor)| tensor.to_bytes()).collect()
    };
    let before = bits()?;
    let only = Options {
        checks: ["float64", "conventions"].map(str::to_owned).into(),
        ..options()
    };
    let suspect = Suspect {
        classifier: Classifier::of(&model, false),
        model: Some(&model),
        source: None,
    };
    let found = diagnose(suspect, images()?, "marks", &only, 0, &mut |_| {})?;
    for name in ["float64", "conventions"] {
        assert_eq!(verdict(&found, name), Verdict::Pass, "{name}");
    }
    assert_eq!(bits()?, before);
    assert_eq!(model.dtype()?, Dtype::Float32);

    // What goes wrong meanwhile changes nothing either.
    let failed: Result<()> = model.in_dtype(Dtype::Float64, || crate::bail!("no"));
    assert!(failed.is_err());
    assert_eq!(bits()?, before);
    Ok(())
}
