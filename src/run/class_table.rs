//! The rows of `classes.csv`: errors by class, of each model under each condition.

use super::csv;
use crate::Result;
use crate::metrics::{ClassErrors, Evaluation};

const COLUMNS: [&str; 7] = [
    "model",
    "condition",
    "class",
    "name",
    "images",
    "errors",
    "error",
];

#[derive(Default)]
pub struct ClassTable {
    blocks: Vec<Block>,
}

/// One model under one condition.
struct Block {
    model: String,
    condition: String,
    errors: ClassErrors,
    names: Vec<String>,
}

impl ClassTable {
    /// Adds an evaluation, in the place of an earlier one of the same model and condition.
    /// The count by sets of correct labels follows as the condition `<condition>, ReaL`.
    ///
    /// # Errors
    /// `Invalid` unless there is a name for each class.
    pub fn add(
        &mut self,
        model: &str,
        condition: &str,
        evaluation: &Evaluation,
        names: &[String],
    ) -> Result<()> {
        let classes = evaluation.classes();
        ensure!(
            names.len() == classes,
            "`names` must have a name for each of the {classes} classes, got {}",
            names.len()
        );
        let mut put = |condition: String, errors: &ClassErrors| {
            let block = Block {
                model: model.to_owned(),
                condition,
                errors: errors.clone(),
                names: names.to_vec(),
            };
            let same = |it: &&mut Block| it.model == model && it.condition == block.condition;
            match self.blocks.iter_mut().find(same) {
                Some(earlier) => *earlier = block,
                None => self.blocks.push(block),
            }
        };
        put(condition.to_owned(), evaluation.top1());
        if let Some(real) = evaluation.real() {
            put(format!("{condition}, ReaL"), real);
        }
        Ok(())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.names.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub fn encode(&self) -> Result<Vec<u8>> {
        csv::encode(&COLUMNS, self.blocks.iter().flat_map(Block::rows))
    }
}

impl Block {
    fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        let images = self.errors.images_by_class();
        let errors = self.errors.errors_by_class();
        let rates = self.errors.class_errors();
        rates.into_iter().enumerate().map(move |(class, rate)| {
            vec![
                self.model.clone(),
                self.condition.clone(),
                class.to_string(),
                self.names[class].clone(),
                images[class].to_string(),
                errors[class].to_string(),
                csv::number(rate),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(predictions: &[i64], sets: Option<&[Vec<i64>]>) -> Evaluation {
        let mut all = Evaluation::new(2).unwrap();
        all.add(predictions, &[0, 0, 0], sets).unwrap();
        all
    }

    #[test]
    fn a_row_for_each_class_and_an_empty_field_for_an_empty_class() {
        let names = ["cat, small".to_owned(), "dog".to_owned()];
        let mut table = ClassTable::default();
        let sets = [vec![0, 1], vec![0], vec![]];
        let early = evaluation(&[1, 1, 1], None);
        table.add("adv", "clean", &early, &names).unwrap();
        let pgd = evaluation(&[1, 1, 1], None);
        table.add("adv", "pgd-40", &pgd, &names).unwrap();
        let late = evaluation(&[1, 0, 1], Some(&sets));
        table.add("adv", "clean", &late, &names).unwrap();

        let text = String::from_utf8(table.encode().unwrap()).unwrap();
        let expected = "model,condition,class,name,images,errors,error\n\
            adv,clean,0,\"cat, small\",3,2,0.6666666666666666\nadv,clean,1,dog,0,0,\n\
            adv,pgd-40,0,\"cat, small\",3,3,1.0\nadv,pgd-40,1,dog,0,0,\n\
            adv,\"clean, ReaL\",0,\"cat, small\",2,0,0.0\nadv,\"clean, ReaL\",1,dog,0,0,\n";
        assert_eq!(text, expected);

        let error = table.add("adv", "clean", &late, &names[..1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`names` must have a name for each of the 2 classes, got 1"
        );
    }
}
