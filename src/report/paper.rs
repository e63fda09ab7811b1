//! The comparison of "Narrowing Class-Wise Robustness Gaps in Adversarial Training"
//! (Amerehi & Healy, <https://arxiv.org/abs/2503.16179>), ours beside the published one.

use super::table::{Cell, Table};
use crate::Result;
use crate::metrics::{ClassErrors, CorruptionError, Evaluation, relative_improvement};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One model's column.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// `Standard`, `Adv`, `Adv+` or another name. Of the models called `Adv` and `Adv+` the
    /// improvement is shown, beside the paper's.
    pub model: &'a str,
    pub clean: &'a Evaluation,
    /// `None` where the model was not attacked.
    pub attacked: Option<&'a Evaluation>,
    /// Of all 15 corruptions, where they were measured.
    pub corrupted: Option<&'a CorruptionError>,
}

const BASE: &str = "Adv";
const ENHANCED: &str = "Adv+";
/// The attack that the published numbers belong to.
const PUBLISHED_ATTACK: &str = "PGD-40";
const CLASS_NAME_WIDTH: usize = 12;

/// What the paper says about one row.
#[derive(Clone, Copy, Default)]
struct Published {
    /// The error of Adv+, a fraction.
    enhanced: Option<f64>,
    /// By how many percent Adv+ lies below Adv.
    improvement: Option<f64>,
}

type Of = fn(&CorruptionError) -> f64;

fn mce(errors: &CorruptionError) -> f64 {
    errors.mce
}

fn mean_error(errors: &CorruptionError) -> f64 {
    errors.mean_error
}

/// A condition: what a row is called, where its counts are, what was published.
struct Condition<'a> {
    name: &'a str,
    errors: fn(&Scores<'a>) -> Option<&'a ClassErrors>,
    error: Published,
    imbalance: Published,
}

/// The paper's table for `scores`: errors, imbalance and worst class under each condition, and
/// how Adv+ improves on Adv. `attack` names the attack of the `attacked` evaluations, as in
/// `PGD-40`; `class_names` has a name for each class.
///
/// # Errors
/// `Invalid` for no model, two of one name, or numbers of classes that differ.
pub fn paper_table(
    title: &str,
    attack: &str,
    scores: &[Scores],
    class_names: &[String],
) -> Result<Table> {
    check(scores, class_names)?;
    let conditions = conditions(attack, scores);
    let layout = Layout::of(scores);
    let mut table = Table::new(title, layout.columns());

    table.heading("Error, %");
    for it in &conditions {
        let cells = layout.fractions(it, ClassErrors::error, it.error);
        table.row(it.name, cells)?;
    }
    if scores.iter().any(|it| it.corrupted.is_some()) {
        table.heading("Error under the 15 corruptions, %");
        let published = Published {
            enhanced: Some(0.6643),
            improvement: Some(6.97),
        };
        let none = Published::default();
        for (name, of, published) in [
            ("mCE, by AlexNet's errors", mce as Of, published),
            ("plain mean", mean_error as Of, none),
        ] {
            let values = scores.iter().map(|it| it.corrupted.map(of));
            table.row(name, layout.percentages(values.collect(), published))?;
        }
    }
    table.heading("Imbalance, %: population standard deviation of the class errors");
    for it in &conditions {
        let cells = layout.fractions(it, ClassErrors::imbalance, it.imbalance);
        table.row(it.name, cells)?;
    }
    table.heading("The same as sample standard deviation");
    for it in &conditions {
        let cells = layout.fractions(it, ClassErrors::imbalance_sample, Published::default());
        table.row(it.name, cells)?;
    }
    table.heading("Error of the worst class, %");
    for it in &conditions {
        let worst = |errors: &ClassErrors| errors.worst().map(|worst| worst.error);
        table.row(it.name, layout.fractions(it, worst, Published::default()))?;
        table.row(
            format!("{}, class", it.name),
            layout.texts(it, |errors| worst_name(errors, class_names)),
        )?;
    }
    table.heading("Images");
    for it in &conditions {
        let images = |errors: &ClassErrors| errors.images().to_string();
        table.row(it.name, layout.texts(it, images))?;
    }

    if layout.comparison.is_some() {
        table.note(
            "Adv+ over Adv: 100 (Adv - Adv+) / Adv, in %; above 0 where Adv+ is the smaller.",
        );
    }
    if layout.enhanced {
        table.note(
            "Paper: ResNet-50 on ImageNet, PGD-40 with eps 0.03, arXiv 2503.16179; a dash where it \
             gives no number.",
        );
    }
    if scores.iter().any(|it| it.clean.real().is_some()) {
        table.note(
            "ReaL: a prediction is right if it is any of an image's correct labels; images \
             without one are left out.",
        );
    }
    Ok(table)
}

fn check(scores: &[Scores], class_names: &[String]) -> Result<()> {
    ensure!(!scores.is_empty(), "`scores` must have at least one model");
    let classes = class_names.len();
    for (at, it) in scores.iter().enumerate() {
        ensure!(
            !scores[..at].iter().any(|other| other.model == it.model),
            "`scores` must have one column for each model, got two for `{}`",
            it.model
        );
        for evaluation in [Some(it.clean), it.attacked].into_iter().flatten() {
            ensure!(
                evaluation.classes() == classes,
                "the evaluations of `{}` must have {classes} classes like `class_names`, got {}",
                it.model,
                evaluation.classes()
            );
        }
    }
    Ok(())
}

fn conditions<'a>(attack: &'a str, scores: &[Scores]) -> Vec<Condition<'a>> {
    let published = |enhanced, improvement| Published {
        enhanced,
        improvement,
    };
    let mut all = vec![Condition {
        name: "clean",
        errors: |scores| Some(scores.clean.top1()),
        error: published(Some(0.2670), Some(17.03)),
        imbalance: published(None, Some(5.73)),
    }];
    if scores.iter().any(|it| it.clean.real().is_some()) {
        all.push(Condition {
            name: "clean, ReaL",
            errors: |scores| scores.clean.real(),
            error: Published::default(),
            imbalance: published(None, Some(7.87)),
        });
    }
    let same_attack = attack == PUBLISHED_ATTACK;
    let under_attack = |it: Published| {
        if same_attack {
            it
        } else {
            Published::default()
        }
    };
    if scores.iter().all(|it| it.attacked.is_none()) {
        return all;
    }
    all.push(Condition {
        name: attack,
        errors: |scores| scores.attacked.map(Evaluation::top1),
        error: under_attack(published(Some(0.3270), Some(53.50))),
        imbalance: under_attack(published(None, Some(2.79))),
    });
    all
}

/// Which columns there are, in this order: models, improvement, paper.
struct Layout<'a> {
    scores: &'a [Scores<'a>],
    /// The places of Adv and Adv+, where both are there.
    comparison: Option<(usize, usize)>,
    /// Whether Adv+ is there.
    enhanced: bool,
}

impl<'a> Layout<'a> {
    fn of(scores: &'a [Scores<'a>]) -> Self {
        let place = |name| scores.iter().position(|it| it.model == name);
        Layout {
            scores,
            comparison: place(BASE).zip(place(ENHANCED)),
            enhanced: place(ENHANCED).is_some(),
        }
    }

    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.scores.iter().map(|it| it.model.into()).collect();
        if self.comparison.is_some() {
            columns.push("Adv+ over Adv".into());
        }
        if self.enhanced {
            columns.push("paper: Adv+".into());
        }
        if self.comparison.is_some() {
            columns.push("paper: over Adv".into());
        }
        columns
    }

    /// A row of fractions.
    fn fractions(
        &self,
        condition: &Condition<'a>,
        value: impl Fn(&ClassErrors) -> Option<f64>,
        published: Published,
    ) -> Vec<Cell> {
        let of_model = |it: &Scores<'a>| (condition.errors)(it).and_then(&value);
        self.percentages(self.scores.iter().map(of_model).collect(), published)
    }

    fn percentages(&self, values: Vec<Option<f64>>, published: Published) -> Vec<Cell> {
        let mut cells: Vec<Cell> = values.iter().map(|value| Cell::percent(*value)).collect();
        if let Some((base, new)) = self.comparison {
            let both = values[base].zip(values[new]);
            let improvement = both.and_then(|(base, new)| relative_improvement(base, new));
            cells.push(Cell::change(improvement));
        }
        if self.enhanced {
            cells.push(Cell::percent(published.enhanced));
        }
        if self.comparison.is_some() {
            cells.push(Cell::change(published.improvement));
        }
        cells
    }

    /// A row of texts, with nothing to compare.
    fn texts(&self, condition: &Condition<'a>, text: impl Fn(&ClassErrors) -> String) -> Vec<Cell> {
        let of_model = |it: &Scores<'a>| (condition.errors)(it).map_or(String::new(), &text);
        let texts = self.scores.iter().map(of_model);
        let mut cells: Vec<Cell> = texts.map(Cell::Text).collect();
        cells.resize(self.columns().len(), Cell::Text(String::new()));
        cells
    }
}

/// The name of the worst class, cut to fit a column.
fn worst_name(errors: &ClassErrors, class_names: &[String]) -> String {
    let name = errors.worst().and_then(|it| class_names.get(it.class));
    let name = name.map_or("", String::as_str);
    if name.width() <= CLASS_NAME_WIDTH {
        return name.to_owned();
    }
    let mut width = 1; // of the sign that stands for the rest
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width <= CLASS_NAME_WIDTH
    };
    let start: String = name.chars().take_while(fits).collect();
    format!("{}…", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An evaluation of three classes of 4 images with these numbers of errors.
    fn evaluation(errors: [usize; 3], sets: bool) -> Evaluation {
        let labels: Vec<i64> = (0..12).map(|i| i / 4).collect();
        let wrong = |i: usize| i % 4 < errors[i / 4];
        let predictions: Vec<i64> = labels
            .iter()
            .enumerate()
            .map(|(i, label)| (label + i64::from(wrong(i))) % 3)
            .collect();
        let sets: Option<Vec<Vec<i64>>> =
            sets.then(|| labels.iter().map(|label| vec![*label]).collect());
        let mut all = Evaluation::new(3).unwrap();
        all.add(&predictions, &labels, sets.as_deref()).unwrap();
        all
    }

    fn names() -> Vec<String> {
        ["great white shark", "ring", "cross"]
            .map(str::to_owned)
            .to_vec()
    }

    fn cells<'a>(table: &'a Table, heading: &str, label: &str) -> &'a [Cell] {
        let mut rows = table.rows.iter();
        rows.find(|row| row.cells.is_empty() && row.label.starts_with(heading));
        &rows.find(|row| row.label == label).unwrap().cells
    }

    fn shown(cells: &[Cell]) -> Vec<String> {
        cells.iter().map(Cell::to_string).collect()
    }

    #[test]
    fn three_models_beside_the_paper() {
        let clean = [[0, 0, 0], [2, 0, 1], [1, 0, 1]].map(|it| evaluation(it, true));
        let attacked = [[4, 4, 4], [4, 1, 2], [2, 1, 2]].map(|it| evaluation(it, false));
        let models = ["Standard", "Adv", "Adv+"];
        let scores: Vec<Scores> = (0..3)
            .map(|i| Scores {
                model: models[i],
                clean: &clean[i],
                attacked: Some(&attacked[i]),
                corrupted: None,
            })
            .collect();
        let table = paper_table("On shapes", "PGD-40", &scores, &names()).unwrap();

        assert_eq!(
            shown(cells(&table, "Error", "clean")),
            ["0.00", "25.00", "16.67", "+33.33", "26.70", "+17.03"]
        );
        assert_eq!(
            shown(cells(&table, "Error", "PGD-40")),
            ["100.00", "58.33", "41.67", "+28.57", "32.70", "+53.50"]
        );
        assert_eq!(
            shown(cells(&table, "Imbalance", "clean, ReaL")),
            ["0.00", "20.41", "11.79", "+42.26", "–", "+7.87"]
        );
        let names = shown(cells(&table, "Error of the worst", "PGD-40, class"));
        assert_eq!(
            names,
            ["great white…", "great white…", "great white…", "", "", ""]
        );

        let text = table.to_string();
        let widest = text.lines().map(UnicodeWidthStr::width).max();
        assert!(widest <= Some(90), "{widest:?}");
    }

    #[test]
    fn corruptions_beside_the_paper() {
        let clean = evaluation([1, 0, 0], false);
        let corrupted = [[0.5; 5], [0.25; 5]].map(|row| {
            let rows = vec![row.to_vec(); 15];
            crate::metrics::mean_corruption_error(&rows).unwrap()
        });
        let scores: Vec<Scores> = std::iter::zip(["Adv", "Adv+"], &corrupted)
            .map(|(model, corrupted)| Scores {
                model,
                clean: &clean,
                attacked: Some(&clean),
                corrupted: Some(corrupted),
            })
            .collect();
        let table = paper_table("", "PGD-40", &scores, &names()).unwrap();
        let row = |name| shown(cells(&table, "Error under the 15", name));
        assert_eq!(row("plain mean"), ["50.00", "25.00", "+50.00", "–", "–"]);
        let mce = row("mCE, by AlexNet's errors");
        assert_eq!(mce[2..], ["+50.00", "66.43", "+6.97"]);
    }

    #[test]
    fn no_improvement_on_nothing() {
        let none = evaluation([0, 0, 0], false);
        let some = evaluation([1, 0, 0], false);
        let scores = [("Adv", &none), ("Adv+", &some)].map(|(model, it)| Scores {
            model,
            clean: it,
            attacked: Some(it),
            corrupted: None,
        });
        let table = paper_table("", "PGD-5", &scores, &names()).unwrap();
        // Published numbers belong to PGD-40 only.
        assert_eq!(
            shown(cells(&table, "Error", "PGD-5")),
            ["0.00", "8.33", "–", "–", "–"]
        );
    }

    #[test]
    fn one_model_has_one_column() {
        let some = evaluation([1, 0, 0], false);
        let scores = [Scores {
            model: "mine",
            clean: &some,
            attacked: Some(&some),
            corrupted: None,
        }];
        let table = paper_table("", "PGD-40", &scores, &names()).unwrap();
        assert_eq!(table.columns, ["mine"]);
        assert!(table.notes.is_empty());
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        let some = evaluation([1, 0, 0], false);
        let one = Scores {
            model: "Adv",
            clean: &some,
            attacked: Some(&some),
            corrupted: None,
        };
        let refused = |scores: &[Scores], names: &[String]| {
            paper_table("", "PGD-40", scores, names)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[], &names()).contains("at least one model"));
        assert!(refused(&[one, one], &names()).contains("two for `Adv`"));
        assert_eq!(
            refused(&[one], &names()[..2]),
            "the evaluations of `Adv` must have 2 classes like `class_names`, got 3"
        );
    }
}
