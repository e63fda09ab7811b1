//! The page of a diagnosis that is made up.

use super::{diagnosis_page, diagnosis_table, write_diagnosis};
use crate::diagnose::{
    Check, Diagnosis, Evidence, Line, Options, Plot, Shape, Trust, Unit, Verdict,
};

fn check(name: &str, verdict: Verdict) -> Check {
    Check {
        name: name.into(),
        question: format!("Is {name} <as> it should be?"),
        source: "Somebody 2019".into(),
        verdict,
        evidence: vec![
            Evidence {
                name: "share".into(),
                value: Some(0.125),
                unit: Unit::Share,
            },
            Evidence {
                name: "nothing".into(),
                value: None,
                unit: Unit::Number,
            },
        ],
        explanation: format!("{name} was seen."),
        advice: (verdict != Verdict::Pass).then(|| format!("Mend `{name}`.")),
    }
}

fn example() -> Diagnosis {
    let plot = |name: &str, shape| Plot {
        name: name.into(),
        title: "Loss".into(),
        description: "A loss.".into(),
        x: "step".into(),
        y: "loss".into(),
        shape,
    };
    Diagnosis {
        name: "Adv & co".into(),
        data: "test split".into(),
        verdict: Trust::Masked,
        summary: "Do not trust it.".into(),
        options: Options::default(),
        seed: 0,
        images: 40,
        clean_error: 0.1,
        attack: "pgd(eps: 0.03)".into(),
        attack_error: 0.25,
        worst_error: 0.9,
        resolution: 0.15,
        checks: vec![
            check("gradients", Verdict::Fail),
            check("noise", Verdict::Warn),
            check("steps", Verdict::Pass),
            check("transfer", Verdict::NotRun),
        ],
        plots: vec![
            plot(
                "lines",
                Shape::Lines(vec![Line {
                    name: "a".into(),
                    points: vec![(0.0, 1.0), (1.0, 2.0)],
                }]),
            ),
            plot(
                "grid",
                Shape::Grid {
                    xs: vec![0.0, 1.0],
                    ys: vec![0.0, 1.0],
                    values: vec![vec![1.0, 2.0], vec![3.0, 4.0]],
                },
            ),
        ],
    }
}

#[test]
fn the_page_says_all_of_it_and_escapes_it() {
    let page = diagnosis_page(&example()).unwrap();
    for part in [
        "Adv &amp; co: masked",
        "Do not trust it.",
        "Is gradients &lt;as&gt; it should be?",
        "Mend <code>gradients</code>.",
        "Somebody 2019",
        "12.5 %",
        "id=\"not-run\"",
        // Wilson's limits of 10 errors in 40.
        "14.19",
        "40.19",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // What speaks against the number comes first, the worst before the rest.
    let at = |part: &str| page.find(part).unwrap();
    assert!(at("id=\"reasons\"") < at("id=\"checks\""));
    assert!(at("gradients was seen.") < at("noise was seen."));
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
}

#[test]
fn the_table_explains_what_did_not_pass() {
    let table = diagnosis_table(&example()).unwrap().to_string();
    assert!(table.starts_with("Adv & co: masked\n"), "{table}");
    assert!(
        table.contains("gradients: share 12.5 %, nothing –"),
        "{table}"
    );
    assert!(table.contains("transfer: transfer was seen. Mend `transfer`."));
    assert!(!table.contains("steps was seen."));
}

#[test]
fn files_are_named_after_the_model_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let page = write_diagnosis(&example(), folder.path()).unwrap();
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    assert!(
        name.starts_with("diagnosis-Adv _ co") && name.ends_with(".html"),
        "{name}"
    );
    let json = std::fs::read_to_string(page.with_extension("json")).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&json).unwrap(), example());

    let plain = Diagnosis {
        name: "model".into(),
        ..example()
    };
    let page = write_diagnosis(&plain, folder.path()).unwrap();
    assert!(page.ends_with("diagnosis.html"));
    assert!(folder.path().join("diagnosis.json").exists());
}
