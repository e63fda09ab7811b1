//! Errors, their spread over the classes, calibration, ReaL, mCE and improvement against numpy.

use super::{Oracle, fill, numbers};
use rhobust::metrics::{
    ALEXNET_CLEAN_ERROR, CORRUPTIONS, ClassErrors, Evaluation, calibration, corruption_table,
    mean_corruption_error, relative_improvement,
};
use serde_json::Value;

/// The tolerance of the reference.
const TOLERANCE: f64 = 1e-12;

fn oracle() -> Oracle {
    Oracle::parse(include_str!("metrics.json"))
}

fn integers(value: &Value) -> Vec<i64> {
    numbers(value).iter().map(|&v| v as i64).collect()
}

#[track_caller]
fn near(what: &str, ours: f64, theirs: &Value, scale: f64) {
    let theirs = theirs.as_f64().expect("a number") / scale;
    assert!(
        (ours - theirs).abs() <= TOLERANCE,
        "{what}: {ours} instead of {theirs}"
    );
}

fn check_summary(errors: &ClassErrors, stored: &Value) {
    for (key, ours) in [
        ("top1_error", errors.error()),
        ("class_error_mean", errors.mean()),
        ("class_error_std_population", errors.imbalance()),
        ("class_error_std_sample", errors.imbalance_sample()),
        ("worst_class_error", errors.worst().map(|it| it.error)),
        ("best_class_error", errors.best()),
        ("max_minus_min", errors.gap()),
    ] {
        near(key, ours.expect("there are images"), &stored[key], 1.0);
    }
    let worst = errors.worst().map(|it| it.class as u64);
    assert_eq!(worst, stored["worst_class_first_index"].as_u64());
}

#[test]
fn a_thousand_classes_of_five_images() {
    let oracle = oracle();
    let stored = oracle.get("balanced");
    let labels: Vec<i64> = (0..5000).map(|i| i % 1000).collect();
    let mut all = Evaluation::new(1000).unwrap();
    all.add(&integers(&stored["prediction"]), &labels, None)
        .unwrap();
    check_summary(all.top1(), stored);
}

#[test]
fn calibration_in_fifteen_bins() {
    let oracle = oracle();
    let stored = oracle.get("balanced");
    let mut confidences: Vec<f64> = fill::u("metrics.balanced.confidence", 5000)
        .iter()
        .map(|u| 0.02 + 0.98 * u.sqrt())
        .collect();
    confidences[..3].fill(1.0);
    let predictions = integers(&stored["prediction"]);
    let correct: Vec<bool> = (0..5000)
        .map(|i| predictions[i] == i as i64 % 1000)
        .collect();
    let ours = calibration(&confidences, &correct, 15).unwrap();
    near("ece", ours.ece.unwrap(), &stored["ece"], 1.0);
    let table = stored["ece_bin_count_accuracy_confidence"]
        .as_array()
        .unwrap();
    assert_eq!(ours.bins.len(), table.len());
    for (ours, theirs) in ours.bins.iter().zip(table) {
        assert_eq!(Some(ours.images), theirs[0].as_u64());
        near("accuracy", ours.accuracy.unwrap(), &theirs[1], 1.0);
        near("confidence", ours.confidence.unwrap(), &theirs[2], 1.0);
    }
}

#[test]
fn twelve_classes_of_different_sizes_one_of_them_empty() {
    let oracle = oracle();
    let stored = oracle.get("skewed");
    let mut all = Evaluation::new(12).unwrap();
    let (predictions, labels) = (integers(&stored["prediction"]), integers(&stored["labels"]));
    all.add(&predictions, &labels, None).unwrap();
    check_summary(all.top1(), stored);

    let counts: Vec<i64> = all
        .top1()
        .images_by_class()
        .iter()
        .map(|&n| n as i64)
        .collect();
    assert_eq!(counts, integers(&stored["class_count"]));
    let theirs = stored["class_error"].as_array().unwrap();
    for (class, (ours, theirs)) in all.top1().class_errors().iter().zip(theirs).enumerate() {
        match ours {
            Some(ours) => near(&format!("class {class}"), *ours, theirs, 1.0),
            None => assert!(theirs.is_null(), "class {class}"),
        }
    }
}

#[test]
fn several_correct_labels() {
    let oracle = oracle();
    let stored = oracle.get("real");
    let sets: Vec<Vec<i64>> = stored["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(integers)
        .collect();
    let images = sets.len();
    let mut all = Evaluation::new(1000).unwrap();
    all.add(
        &integers(&stored["prediction"]),
        &vec![0; images],
        Some(&sets),
    )
    .unwrap();
    let real = all.real().unwrap();
    let correct = real.images() - real.errors();
    assert_eq!(Some(images as u64), stored["images"].as_u64());
    assert_eq!(Some(real.images()), stored["images_with_labels"].as_u64());
    assert_eq!(Some(correct), stored["correct"].as_u64());
    assert_eq!(all.without_correct_label() + real.images(), images as u64);
    near(
        "real_error",
        all.real_error().unwrap(),
        &stored["real_error"],
        1.0,
    );
}

#[test]
fn mean_corruption_error_and_plain_mean() {
    let oracle = oracle();
    let stored = oracle.get("mce");
    let (names, alexnet): (Vec<&str>, Vec<f64>) = CORRUPTIONS.iter().copied().unzip();
    assert_eq!(serde_json::json!(names), stored["corruptions"]);
    assert_eq!(alexnet, numbers(&stored["alexnet_error"]));

    let errors: Vec<Vec<f64>> = stored["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(numbers)
        .collect();
    let ours = mean_corruption_error(&errors).unwrap();
    near("mce", ours.mce, &stored["mce_percent"], 100.0);
    let plain = &stored["mean_error_unnormalised_percent"];
    near("plain mean", ours.mean_error, plain, 100.0);
    for (ours, theirs) in ours
        .by_corruption
        .iter()
        .zip(stored["ce_percent"].as_array().unwrap())
    {
        near("corruption error", *ours, theirs, 100.0);
    }

    near(
        "AlexNet without corruption",
        ALEXNET_CLEAN_ERROR,
        &stored["alexnet_clean_error"],
        1.0,
    );
    let named: Vec<(&str, Vec<f64>)> = names.into_iter().zip(errors).collect();
    let table = corruption_table(&named, stored["clean_error"].as_f64()).unwrap();
    near("mce", table.mce.unwrap(), &stored["mce_percent"], 100.0);
    let relative = &stored["relative_mce_percent"];
    near("relative mce", table.relative_mce.unwrap(), relative, 100.0);
    let relative = stored["relative_ce_percent"].as_array().unwrap();
    for (ours, theirs) in table.corruptions.iter().zip(relative) {
        near(&ours.name, ours.relative_ce.unwrap(), theirs, 100.0);
    }
}

#[test]
fn improvement_in_percent() {
    let oracle = oracle();
    let stored = oracle.get("improvement");
    let (base, new) = (
        numbers(&stored["base_error"]),
        numbers(&stored["new_error"]),
    );
    let percent = stored["percent"].as_array().unwrap();
    for ((base, new), percent) in base.into_iter().zip(new).zip(percent) {
        let ours = relative_improvement(base, new).unwrap();
        near("improvement", ours, percent, 1.0);
    }
}
