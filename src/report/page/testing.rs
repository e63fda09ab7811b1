//! Runs made up for tests.

use crate::ledger::{About, Kind, Ledger, Row, path_in};
use crate::metrics::CORRUPTIONS;
use crate::run::testing::recorded;
use crate::run::{Recorded, Status};
use crate::seed;
use rand::Rng;
use serde_json::json;
use std::fs;
use std::path::Path;

/// A run whose models err at random: class 0 most, the last class least.
pub struct MadeUp {
    pub class_names: Vec<String>,
    pub images: usize,
    pub status: Status,
}

impl MadeUp {
    pub fn new(class_names: &[&str], images: usize) -> Self {
        MadeUp {
            class_names: class_names.iter().map(|it| (*it).to_owned()).collect(),
            images,
            status: Status::Finished,
        }
    }

    /// Writes `record.json`, and `metrics.csv` with two epochs of `models`.
    pub fn record(&self, folder: &Path, models: &[&str]) {
        fs::create_dir_all(folder).unwrap();
        let recorded = Recorded {
            status: self.status,
            ..recorded()
        };
        let text = serde_json::to_string(&recorded).unwrap();
        fs::write(folder.join("record.json"), text).unwrap();
        let mut metrics = "kind,model,epoch,step,loss,lr\n".to_owned();
        for model in models {
            for step in 0..40 {
                let (epoch, loss) = (step / 20, 2.3 / (1.0 + f64::from(step) / 10.0));
                metrics += &format!("step,{model},{epoch},{step},{loss},0.01\n");
                if step % 20 == 19 {
                    metrics += &format!("epoch,{model},{epoch},,{loss},\n");
                }
            }
        }
        fs::write(folder.join("metrics.csv"), metrics).unwrap();
    }

    /// Writes a ledger with about this error.
    pub fn ledger(&self, folder: &Path, about: About, error: f64) {
        self.part(folder, about, error, self.images);
    }

    /// As `ledger`, of the first `done` images only.
    pub fn part(&self, folder: &Path, about: About, error: f64, done: usize) {
        let classes = self.class_names.len() as i64;
        let draw = (about.model.len() * 31 + about.condition.len()) as u64;
        let mut rng = seed::generator(0, "made-up ledger", &[draw]);
        let attacked = about.kind == Kind::Attack;
        let row = |example: usize| {
            let label = example as i64 % classes;
            let hard = 1.6 - 1.2 * label as f64 / classes as f64;
            let wrong = rng.random_bool((error * hard).clamp(0.0, 1.0));
            let to = (label + 1 + rng.random_range(0..3.min(classes - 1))) % classes;
            Row {
                example: example as i64,
                label,
                prediction: if wrong { to } else { label },
                real: about.real.then(|| !wrong || rng.random_bool(0.3)),
                loss: 1.0,
                margin: 1.0,
                confidence: rng.random_range(if wrong { 0.2..0.9 } else { 0.5..1.0 }),
                rank: i64::from(wrong) * rng.random_range(1..7),
                linf: attacked.then_some(0.03),
                l2: attacked.then_some(1.0),
                success: attacked.then_some(wrong),
            }
        };
        let rows: Vec<Row> = (0..done).map(row).collect();
        let path = path_in(folder, &about.model, &about.condition);
        let mut ledger = Ledger::new(about, Some(path)).unwrap();
        ledger.add(rows).unwrap();
        ledger.write().unwrap();
    }

    pub fn clean(&self, model: &str) -> About {
        About {
            data_set: "made up".into(),
            model: model.into(),
            condition: "clean".into(),
            kind: Kind::Clean,
            attack: None,
            eps: None,
            corruption: None,
            severity: None,
            class_names: self.class_names.clone(),
            images: self.images,
            real: false,
            seed: 0,
            dtype: "float32".into(),
            weights: String::new(),
            data: String::new(),
        }
    }

    pub fn attack(&self, model: &str, condition: &str, eps: f64) -> About {
        About {
            condition: condition.into(),
            kind: Kind::Attack,
            attack: Some(json!({
                "attack": "pgd", "eps": eps, "steps": 40, "step_size": eps / 16.0,
                "norm": "linf", "eps_space": "pixel", "clip": [0.0, 1.0],
            })),
            eps: Some(eps),
            ..self.clean(model)
        }
    }

    /// All 15 at five severities.
    pub fn corruptions(&self, folder: &Path, model: &str, error: f64) {
        for (at, (name, _)) in CORRUPTIONS.iter().enumerate() {
            for severity in 1..=5_u8 {
                let about = About {
                    condition: format!("{name} {severity}"),
                    kind: Kind::Corruption,
                    corruption: Some((*name).into()),
                    severity: Some(severity),
                    ..self.clean(model)
                };
                let error = error + 0.02 * at as f64 + 0.06 * f64::from(severity);
                self.ledger(folder, about, error);
            }
        }
    }

    /// Pictures of one attacked image.
    pub fn gallery(&self, folder: &Path, model: &str, condition: &str) {
        let folder = folder.join("gallery").join(model).join(condition);
        fs::create_dir_all(&folder).unwrap();
        for what in ["clean", "adversarial", "perturbation"] {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header().unwrap();
            let pixels: Vec<u8> = (0..192_u8).collect();
            writer.write_image_data(&pixels).unwrap();
            writer.finish().unwrap();
            fs::write(folder.join(format!("3-{what}.png")), bytes).unwrap();
        }
        let about = json!({
            "magnified": 10.0,
            "examples": [{ "example": 3, "label": 1, "prediction_clean": 1, "prediction": 0 }],
        });
        fs::write(folder.join("gallery.json"), about.to_string()).unwrap();
    }
}
