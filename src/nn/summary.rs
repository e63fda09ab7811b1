//! A model as a table of its layers.

use super::model::Model;
use super::module::{Entry, Module, entries};
use super::watch::{Output, Watch};
use crate::Result;
use crate::report::{Cell, Table, thousands};
use crate::torch::{self, Like, no_grad};

impl Model {
    /// The layers down to `depth` levels, with what they give for an input of shape `input` and
    /// how many parameters they have. Without `input` the shapes are for the size that the
    /// network was made for, and left out where none is known.
    ///
    /// They come from a pass of zeros in eval mode that changes nothing.
    ///
    /// # Errors
    /// Whatever the layers say about such an input.
    pub fn summary(&self, input: Option<&[i64]>, depth: usize) -> Result<Table> {
        let natural = self.network().natural_input();
        let input = input.map(<[i64]>::to_vec).or(natural);
        let outputs = match &input {
            Some(input) => self.outputs_of(input)?,
            None => Vec::new(),
        };
        let mut columns = vec!["parameters".to_owned()];
        if input.is_some() {
            columns.insert(0, "output".to_owned());
        }
        let mut table = Table::new(self.to_string(), columns);
        let mut rows = Vec::new();
        collect(self.network(), "", 1, depth, &mut rows);
        let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in rows {
            let mut cells = vec![Cell::Text(thousands(row.parameters))];
            if input.is_some() {
                cells.insert(0, Cell::Text(shape_of(&outputs, &row.path)));
            }
            table.row(format!("{:widest$}  {}", row.name, row.text), cells)?;
        }
        let shapes = input.map(|input| format!("; outputs for an input {input:?}"));
        table.note(format!("{}{}", self.size()?, shapes.unwrap_or_default()));
        Ok(table)
    }

    fn outputs_of(&self, input: &[i64]) -> Result<Vec<Output>> {
        let like = Like {
            dtype: self.dtype()?,
            device: self.device(),
        };
        let mut watch = Watch::shapes();
        no_grad(|| self.forward_watched(&torch::zeros(input, like)?, false, &mut watch))?;
        Ok(watch.outputs())
    }

    /// `11,689,512 parameters, all trainable; 46.8 MB`, buffers included in the size.
    fn size(&self) -> Result<String> {
        let (mut all, mut trainable, mut bytes) = (0, 0, 0);
        for (_, entry) in self.entries() {
            let tensor = entry.tensor();
            bytes += tensor.numel() * tensor.dtype()?.size();
            if let Entry::Parameter(parameter) = &entry {
                all += parameter.numel();
                trainable += usize::from(parameter.requires_grad()) * parameter.numel();
            }
        }
        let trainable = match trainable {
            _ if trainable == all => "all".to_owned(),
            0 => "none".to_owned(),
            some => thousands(some),
        };
        let size = match bytes as f64 {
            bytes @ 1e6.. => format!("{:.1} MB", bytes / 1e6),
            bytes => format!("{:.1} kB", bytes / 1e3),
        };
        Ok(format!(
            "{} parameters, {trainable} trainable; {size}",
            thousands(all)
        ))
    }
}

struct Row {
    path: String,
    /// The layer's own name, further right the deeper it lies.
    name: String,
    text: String,
    parameters: usize,
}

fn collect(module: &dyn Module, path: &str, level: usize, depth: usize, rows: &mut Vec<Row>) {
    if level > depth {
        return;
    }
    for (name, layer) in module.children() {
        let path = super::module::join(path, &name);
        rows.push(Row {
            path: path.clone(),
            name: format!("{}{name}", "  ".repeat(level - 1)),
            text: layer.describe(),
            parameters: parameters(layer),
        });
        collect(layer, &path, level + 1, depth, rows);
    }
}

fn parameters(layer: &dyn Module) -> usize {
    let entries = entries(layer).into_iter();
    entries
        .map(|(_, entry)| match entry {
            Entry::Parameter(tensor) => tensor.numel(),
            Entry::Buffer(_) => 0,
        })
        .sum()
}

fn shape_of(outputs: &[Output], path: &str) -> String {
    let found = outputs.iter().find(|output| output.path == path);
    found.map_or_else(String::new, |output| format!("{:?}", output.shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Depth, ResNetOptions, Stem, resnet};

    #[test]
    fn a_table_of_layers_leaves_the_model_as_it_is() -> Result<()> {
        let _guard = torch::generator();
        let options = ResNetOptions {
            outputs: 10,
            stem: Stem::Small,
            ..ResNetOptions::default()
        };
        let model = resnet(Depth::D18, &options)?;
        let before: Vec<_> = model
            .state_dict()
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.copy()?)))
            .collect::<Result<_>>()?;
        torch::manual_seed(1);
        let next = torch::rand(&[2], Like::default())?;
        torch::manual_seed(1);

        let text = model.summary(None, 3)?.to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "conv1 Conv2d(3, 64, 3, padding 1, no bias) [1, 64, 32, 32] 1,728",
            "downsample Sequential(2 layers) [1, 512, 4, 4] 132,096",
            "bn2 BatchNorm2d(512) [1, 512, 4, 4] 1,024",
            "fc Linear(512, 10) [1, 10] 5,130",
            "11,173,962 parameters, all trainable; 44.7 MB; outputs for an input [1, 3, 32, 32]",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        assert!(model.training());
        assert!(torch::rand(&[2], Like::default())?.equal(&next)?);
        for ((name, old), (_, new)) in before.iter().zip(model.state_dict()) {
            assert!(new.equal(old)? && new.grad().is_none(), "{name}");
        }

        model.parameters()[0].1.with_requires_grad(false)?;
        let text = model.summary(Some(&[2, 3, 64, 64]), 1)?.to_string();
        assert!(text.contains("11,172,234 trainable"), "{text}");
        assert!(text.contains("[2, 512, 8, 8]"), "{text}");
        assert!(!text.contains("downsample"), "{text}");
        Ok(())
    }
}
