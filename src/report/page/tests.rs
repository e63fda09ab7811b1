//! The whole page, from made-up runs.

use super::testing::MadeUp;
use super::{read::read_run, study::Study, write_report};
use crate::ledger::{About, Row};
use crate::metrics::corruption_table;
use crate::report::figure::Data;
use crate::run::Status;
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: [&str; 4] = ["cat", "<b>dog & co</b>", "ship", "plane"];

fn report(runs: &[&Path]) -> crate::Result<PathBuf> {
    let runs: Vec<PathBuf> = runs.iter().map(|it| it.to_path_buf()).collect();
    let out = runs[0].join("report");
    write_report(&runs, Some(&out))
}

fn refused(runs: &[&Path]) -> String {
    report(runs).unwrap_err().to_string()
}

/// Three models under everything there is.
fn whole(folder: &Path) -> MadeUp {
    let made = MadeUp::new(&NAMES, 80);
    let models = [("Standard", 0.1), ("Adv", 0.3), ("Adv+", 0.2)];
    made.record(folder, &models.map(|it| it.0));
    for (model, error) in models {
        let clean = About {
            real: true,
            ..made.clean(model)
        };
        made.ledger(folder, clean, error);
        for (condition, eps) in [("PGD-40", 0.03), ("pgd, eps 0.01", 0.01)] {
            let about = made.attack(model, condition, eps);
            made.ledger(folder, about, error + 10.0 * eps);
        }
        made.corruptions(folder, model, error);
        made.gallery(folder, model, "PGD-40");
    }
    made
}

#[test]
fn a_whole_run_has_every_section_and_nothing_from_the_network() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("first");
    whole(&run);
    let page = write_report(std::slice::from_ref(&run), None).unwrap();
    assert_eq!(page, run.join("report/index.html"));
    let html = fs::read_to_string(&page).unwrap();
    for id in [
        "paper",
        "measured",
        "classes",
        "change",
        "corruptions",
        "eps",
        "reliability",
        "examples",
        "training",
        "gallery",
        "settings",
    ] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(!html.contains("id=\"missing\""));
    // The published numbers, once there is an Adv+ under PGD-40.
    for number in ["26.70", "32.70", "66.43", "+53.50"] {
        assert!(html.contains(number), "{number}");
    }
    assert!(html.contains("&lt;b&gt;dog &amp; co&lt;/b&gt;") && !html.contains("<b>dog"));

    // Nothing is fetched: whatever is loaded or linked is in the page.
    let links = html
        .split(" src=\"")
        .skip(1)
        .chain(html.split(" href=\"").skip(1));
    for link in links {
        assert!(
            link.starts_with("data:") || link.starts_with('#'),
            "{}",
            &link[..40]
        );
    }
    assert!(!html.contains("url(") && !html.contains("@import"));

    // Each figure has its file and its numbers.
    let files = |folder: &str, ending: &str| -> Vec<String> {
        let entries = fs::read_dir(run.join("report").join(folder)).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names
            .map(|it| it.strip_suffix(ending).unwrap().to_owned())
            .collect()
    };
    let (figures, data) = (files("figures", ".svg"), files("data", ".csv"));
    assert!(figures.len() > 20, "{figures:?}");
    assert!(figures.iter().all(|it| data.contains(it)));
}

#[test]
fn the_numbers_are_those_of_the_ledgers() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    whole(&run);
    report(&[&run]).unwrap();
    let study = Study::new(vec![read_run(&run).unwrap()]).unwrap();
    let data = |name: &str| -> Vec<csv::StringRecord> {
        let path = run.join(format!("report/data/{name}.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.records().map(Result::unwrap).collect()
    };
    let percent = |fraction: f64| Data::percent(Some(fraction));
    let of_class = data("classes-clean");
    let dogs = of_class.iter().find(|it| &it[0] == NAMES[1]).unwrap();
    for (model, field) in study.models.iter().zip(dogs.iter().skip(1)) {
        let counts = model.condition("clean").unwrap().evaluation.top1();
        let expected = counts.class_errors()[1].unwrap();
        assert_eq!(field, percent(expected));
    }
    let fog = data("corruptions-adv");
    let row = fog
        .iter()
        .find(|it| &it[0] == "fog" && &it[1] == "3")
        .unwrap();
    let expected = study.models[1].condition("fog 3").unwrap();
    let expected = expected.evaluation.error().unwrap();
    assert_eq!(row[2], percent(expected));
    let paper = data("paper");
    let mce = paper.iter().find(|it| it[1].starts_with("mCE")).unwrap();
    let table = study.models[0].corruption_table(Some("clean")).unwrap();
    assert_eq!(mce[2], percent(table.unwrap().mce.unwrap()));
}

#[test]
fn every_column_of_a_file_has_a_name_and_a_unit_of_its_own() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    whole(&run);
    report(&[&run]).unwrap();
    let (mut percentages, mut counts) = (0, 0);
    for entry in fs::read_dir(run.join("report/data")).unwrap() {
        let path = entry.unwrap().path();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let names = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        for (at, name) in names.iter().enumerate() {
            let shown = format!("{}, `{name}`", path.display());
            assert!(
                names.iter().filter(|it| *it == name).count() == 1,
                "{shown}"
            );
            let fields = || rows.iter().map(|it| &it[at]).filter(|it| !it.is_empty());
            if ["error", "error low", "accuracy", "change"].contains(&name) {
                panic!("{shown} has no unit");
            }
            // No made-up model errs in less than one of a hundred everywhere.
            if name.contains('%') {
                let numbers = fields().filter_map(|it| it.parse::<f64>().ok());
                let largest = numbers.map(f64::abs).fold(0.0, f64::max);
                assert!(fields().next().is_none() || largest > 1.0, "{shown}");
                percentages += 1;
            }
            let of_counts = ["images", "only A right", "classes that gain", "images lost"];
            if of_counts.contains(&name) {
                assert!(fields().all(|it| it.parse::<u64>().is_ok()), "{shown}");
                counts += 1;
            }
        }
    }
    assert!(percentages > 50 && counts > 10, "{percentages}, {counts}");
    // Within one row: B − A is what it says.
    let mut reader =
        csv::Reader::from_path(run.join("report/data/change-standard-adv-clean.csv")).unwrap();
    for row in reader.records().map(Result::unwrap) {
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        assert!((number(3) - number(2) - number(4)).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn one_model_on_clean_images_is_a_page_that_says_what_is_missing() {
    let run = tempfile::tempdir().unwrap();
    let made = MadeUp::new(&NAMES, 20);
    made.record(run.path(), &[]);
    made.ledger(run.path(), made.clean("mine"), 0.25);
    let html = fs::read_to_string(report(&[run.path()]).unwrap()).unwrap();
    for id in [
        "paper",
        "measured",
        "classes",
        "reliability",
        "settings",
        "missing",
    ] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for id in [
        "change",
        "corruptions",
        "eps",
        "examples",
        "training",
        "gallery",
    ] {
        assert!(!html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    for what in [
        "Corruptions: ",
        "Training curves: ",
        "Errors under attack: ",
        "one model only",
    ] {
        assert!(html.contains(what), "{what}");
    }
}

#[test]
fn many_classes_are_curves_and_lists() {
    let run = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..200).map(|it| format!("class {it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = MadeUp::new(&names, 400);
    made.record(run.path(), &[]);
    for (model, error) in [("Adv", 0.4), ("Adv+", 0.3)] {
        made.ledger(run.path(), made.clean(model), error);
    }
    report(&[run.path()]).unwrap();
    let has = |file: &str| run.path().join("report").join(file).exists();
    assert!(has("figures/sorted-clean.svg") && has("data/extremes-clean.csv"));
    assert!(!has("figures/classes-clean.svg"));
}

#[test]
fn runs_are_told_apart_and_unfinished_ones_are_marked() {
    let parent = tempfile::tempdir().unwrap();
    let runs = ["one", "two"].map(|it| parent.path().join(it));
    let mut made = MadeUp::new(&NAMES, 20);
    made.record(&runs[0], &["Adv"]);
    made.ledger(&runs[0], made.clean("Adv"), 0.5);
    made.status = Status::Interrupted;
    made.record(&runs[1], &["Adv"]);
    made.part(&runs[1], made.clean("Adv"), 0.25, 12);
    let html = fs::read_to_string(report(&[&runs[0], &runs[1]]).unwrap()).unwrap();
    assert!(html.contains("Adv (one)") && html.contains("Adv (two)"));
    assert!(html.contains("The run two was interrupted"));
    assert!(html.contains("12 of 20"));
}

#[test]
fn refuses_what_is_no_run() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    assert!(refused(&[&run]).ends_with("run: there is no such run"));
    fs::create_dir(&run).unwrap();
    assert!(refused(&[&run]).contains("is not the folder of a run"));

    let made = MadeUp::new(&NAMES, 20);
    made.record(&run, &["Adv"]);
    made.ledger(&run, made.clean("Adv"), 0.5);
    assert!(refused(&[&run, &run]).contains("must be given once"));

    fs::write(run.join("record.json"), "{").unwrap();
    assert!(refused(&[&run]).contains("record.json is damaged"));
    assert!(!run.join("report").exists());
}

#[test]
fn what_is_damaged_is_left_out_and_told() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    whole(&run);
    let ledger = run.join("ledger/Adv/PGD-40.parquet");
    let bytes = fs::read(&ledger).unwrap();
    fs::write(&ledger, &bytes[..bytes.len() / 2]).unwrap();
    let log = "kind,model,epoch,step,loss\nstep,a,0,0,x\n";
    fs::write(run.join("metrics.csv"), log).unwrap();
    fs::write(run.join("gallery/Adv+/PGD-40/gallery.json"), "{").unwrap();
    let html = fs::read_to_string(report(&[&run]).unwrap()).unwrap();
    let warnings = html.split("<p class=\"warning\" role=\"status\">").skip(1);
    let warnings: Vec<&str> = warnings
        .map(|it| it.split("</p>").next().unwrap())
        .collect();
    for (warning, file) in warnings
        .iter()
        .zip(["PGD-40.parquet", "metrics.csv", "gallery.json"])
    {
        assert!(
            warning.starts_with("Left out: ") && warning.contains(file),
            "{warning}"
        );
    }
    assert_eq!(warnings.len(), 3);
    assert!(warnings[1].ends_with("line 2: `x` is no number"));
    for id in ["paper", "classes", "corruptions", "gallery"] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    let study = Study::new(vec![read_run(&run).unwrap()]).unwrap();
    assert_eq!(study.under("PGD-40").len(), 2);
    assert_eq!(study.under("clean").len(), 3);
}

#[test]
fn relative_errors_are_those_of_the_images_that_were_corrupted() {
    let run = tempfile::tempdir().unwrap();
    let made = MadeUp::new(&NAMES, 80);
    made.record(run.path(), &[]);
    made.ledger(run.path(), made.clean("Adv"), 0.3);
    // Of the first 20 images, as split.take(20) has them.
    MadeUp::new(&NAMES, 20).corruptions(run.path(), "Adv", 0.3);
    let study = Study::new(vec![read_run(run.path()).unwrap()]).unwrap();
    let model = &study.models[0];
    let rows = model.condition("clean").unwrap().rows();
    let error = |rows: &[Row]| {
        let wrong = rows.iter().filter(|it| it.prediction != it.label).count();
        wrong as f64 / rows.len() as f64
    };
    let part: Vec<Row> = rows.iter().filter(|it| it.example < 20).cloned().collect();
    assert_eq!(part.len(), 20);
    assert_ne!(error(&part), error(rows));
    let errors: Vec<(String, Vec<f64>)> = model
        .corruption_errors()
        .into_iter()
        .map(|(name, row)| (name, row.map(Option::unwrap).to_vec()))
        .collect();
    let expected = corruption_table(&errors, Some(error(&part))).unwrap();
    let table = model.corruption_table(Some("clean")).unwrap().unwrap();
    assert_eq!(table.relative_mce, expected.relative_mce);
}

#[test]
fn attacks_stand_by_kind_and_radius() {
    let run = tempfile::tempdir().unwrap();
    let made = MadeUp::new(&NAMES, 20);
    made.record(run.path(), &[]);
    for (condition, eps, attack) in [
        ("PGD-40", 0.03, "pgd"),
        ("a", 0.1, "pgd"),
        ("z", 0.01, "pgd"),
        ("f", 0.05, "fgsm"),
    ] {
        let mut about = made.attack("Adv", condition, eps);
        about.attack.as_mut().unwrap()["attack"] = attack.into();
        made.ledger(run.path(), about, 0.5);
    }
    made.ledger(run.path(), made.clean("Adv"), 0.5);
    let study = Study::new(vec![read_run(run.path()).unwrap()]).unwrap();
    assert_eq!(study.conditions(), ["clean", "f", "z", "PGD-40", "a"]);
}

#[test]
fn refuses_other_classes_and_a_place_that_is_taken() {
    let parent = tempfile::tempdir().unwrap();
    let runs = ["one", "two"].map(|it| parent.path().join(it));
    for (run, names) in runs.iter().zip([&NAMES[..], &NAMES[..3]]) {
        let made = MadeUp::new(names, 20);
        made.record(run, &[]);
        made.ledger(run, made.clean("Adv"), 0.5);
    }
    let message = refused(&[&runs[0], &runs[1]]);
    assert!(
        message.contains("have 4 and 3 classes; report on them one by one"),
        "{message}"
    );

    let taken = |out: &Path| {
        let error = write_report(&[runs[0].clone()], Some(out)).unwrap_err();
        error.to_string()
    };
    assert!(taken(&runs[0]).contains("but holds something else"));
    assert!(taken(&runs[0].join("record.json")).contains("there is another file"));
    let page = parent.path().join("new/page.html");
    assert_eq!(write_report(&[runs[0].clone()], Some(&page)).unwrap(), page);
    assert_eq!(fs::read_dir(page.parent().unwrap()).unwrap().count(), 1);

    // The page of someone else stays, even one that speaks of this program.
    write_report(&runs[..1], Some(&page)).unwrap();
    fs::write(&page, "<html><body>My rhobust report</body></html>").unwrap();
    let message = taken(&page);
    assert!(
        message.contains("is another file; give `--out` another name"),
        "{message}"
    );
    assert!(fs::read_to_string(&page).unwrap().contains("My rhobust"));

    // A second report takes the place of the first, and leaves nothing of it.
    let out = runs[0].join("report");
    write_report(&runs[..1], Some(&out)).unwrap();
    fs::write(out.join("figures/old.svg"), "").unwrap();
    write_report(&runs[..1], Some(&out)).unwrap();
    assert!(!out.join("figures/old.svg").exists());
}
