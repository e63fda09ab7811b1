//! Deep residual networks (He et al. 2016, <https://arxiv.org/abs/1512.03385>) as torchvision
//! builds them: version 1.5, with the stride of a bottleneck in its 3x3 convolution.

use super::container::Sequential;
use super::conv::Conv2d;
use super::frozen::Plan;
use super::init;
use super::linear::Linear;
use super::model::Model;
use super::module::{Entry, Module, join};
use super::norm::BatchNorm2d;
use super::normalize::Normalize;
use super::stateless::{Reach, Stateless};
use super::watch::Watch;
use crate::Result;
use crate::torch::{self, Tensor};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// The depths of the paper (table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    D18,
    D34,
    D50,
    D101,
    D152,
}

impl Depth {
    /// Blocks of the four stages, and whether they are bottlenecks.
    fn stages(self) -> ([i64; 4], bool) {
        match self {
            Depth::D18 => ([2, 2, 2, 2], false),
            Depth::D34 => ([3, 4, 6, 3], false),
            Depth::D50 => ([3, 4, 6, 3], true),
            Depth::D101 => ([3, 4, 23, 3], true),
            Depth::D152 => ([3, 8, 36, 3], true),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Depth::D18 => "ResNet-18",
            Depth::D34 => "ResNet-34",
            Depth::D50 => "ResNet-50",
            Depth::D101 => "ResNet-101",
            Depth::D152 => "ResNet-152",
        }
    }
}

/// The layers before the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// 7x7 with stride 2, then max pooling with stride 2.
    #[default]
    Imagenet,
    /// 3x3 with stride 1 and no pooling, for images of about 32 pixels.
    Small,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetOptions {
    /// Length of the logits: K classes, or K+M with label augmentation.
    pub outputs: i64,
    /// How many of the outputs are classes; all of them unless given.
    pub classes: Option<i64>,
    pub stem: Stem,
    pub normalize: Normalize,
    /// Starts every residual branch at zero (the last batch norm of a block has weight 0), so
    /// that a block begins as the identity: Goyal et al. 2017,
    /// <https://arxiv.org/abs/1706.02677>, section 5.1. It steadies training from scratch.
    pub zero_init_residual: bool,
}

impl Default for ResNetOptions {
    fn default() -> Self {
        ResNetOptions {
            outputs: 1000,
            classes: None,
            stem: Stem::Imagenet,
            normalize: Normalize::named("imagenet").unwrap_or_else(|_| Normalize::none()),
            zero_init_residual: false,
        }
    }
}

/// A new network in float32 on the CPU, in train mode.
///
/// Initialised as torchvision does, with draws from libtorch's generator in its order.
///
/// # Errors
/// `Invalid` for fewer than one output or class.
pub fn resnet(depth: Depth, options: &ResNetOptions) -> Result<Model> {
    ensure!(
        options.outputs > 0,
        "`outputs` must be positive, the number of logits, got {}",
        options.outputs
    );
    let network = ResNet::new(depth, options)?;
    let model = Model::new(
        depth.name(),
        Rc::new(network),
        options.normalize.clone(),
        Some(options.outputs),
    );
    if let Some(classes) = options.classes {
        model.set_classes(classes)?;
    }
    Ok(model)
}

struct ResNet {
    depth: Depth,
    stem: Stem,
    conv1: Conv2d,
    bn1: BatchNorm2d,
    stages: Vec<Sequential>,
    fc: Linear,
}

impl ResNet {
    fn new(depth: Depth, options: &ResNetOptions) -> Result<Self> {
        let (kernel, stride) = match options.stem {
            Stem::Imagenet => (7, 2),
            Stem::Small => (3, 1),
        };
        let conv1 = conv(3, 64, kernel, stride)?;
        let bn1 = BatchNorm2d::new(64)?;
        let (counts, bottleneck) = depth.stages();
        let expansion = if bottleneck { 4 } else { 1 };
        let mut inputs = 64;
        let mut stages = Vec::new();
        for (at, &count) in counts.iter().enumerate() {
            let planes = 64 << at;
            let mut blocks: Vec<(String, Rc<dyn Module>)> = Vec::new();
            for block in 0..count {
                let stride = if at > 0 && block == 0 { 2 } else { 1 };
                let made = Block::new(inputs, planes, expansion, stride)?;
                blocks.push((block.to_string(), Rc::new(made)));
                inputs = planes * expansion;
            }
            stages.push(Sequential::new(blocks)?);
        }
        let fc = Linear::new(inputs, options.outputs, true)?;
        let network = ResNet {
            depth,
            stem: options.stem,
            conv1,
            bn1,
            stages,
            fc,
        };
        network.initialise()?;
        if options.zero_init_residual {
            network.zero_residual_branches()?;
        }
        Ok(network)
    }

    /// Draws every convolution anew, as torchvision does after building the network.
    fn initialise(&self) -> Result<()> {
        let mut convolutions = Vec::new();
        self.visit("", &mut |_, entry| {
            if entry.tensor().ndim() == 4 {
                convolutions.push(entry);
            }
        });
        for convolution in convolutions {
            let weight = convolution.tensor();
            weight.assign(&init::kaiming_normal_fan_out(&weight.shape())?)?;
        }
        Ok(())
    }

    fn zero_residual_branches(&self) -> Result<()> {
        let last = match self.depth.stages() {
            (_, true) => "bn3.weight",
            (_, false) => "bn2.weight",
        };
        let mut weights = Vec::new();
        self.visit("", &mut |name, entry| {
            if name.starts_with("layer") && name.ends_with(last) {
                weights.push(entry);
            }
        });
        for weight in weights {
            let weight = weight.tensor();
            weight.assign(&weight.zeros_like()?)?;
        }
        Ok(())
    }
}

impl Module for ResNet {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        self.forward_watched(x, training, &mut Watch::nothing())
    }

    fn forward_watched(&self, x: &Tensor, training: bool, watch: &mut Watch) -> Result<Tensor> {
        ensure!(
            x.ndim() == 4 && x.shape()[1] == 3,
            "images must be [n, 3, h, w], got {}",
            x.signature()
        );
        let mut x = watch.through("conv1", &self.conv1, x, training)?;
        x = watch.through("bn1", &self.bn1, &x, training)?.into_relu()?;
        if self.stem == Stem::Imagenet {
            x = x.max_pool2d(3, 2, 1)?;
        }
        for (at, stage) in self.stages.iter().enumerate() {
            x = watch.through(format_args!("layer{}", at + 1), stage, &x, training)?;
        }
        let features = x.adaptive_avg_pool2d(1)?.flatten(1, -1)?;
        watch.through("fc", &self.fc, &features, training)
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        self.conv1.freeze(plan)?;
        self.bn1.freeze(plan)?;
        plan.relu();
        if self.stem == Stem::Imagenet {
            Stateless::max_pool2d(3, 2, 1).freeze(plan)?;
        }
        for stage in &self.stages {
            stage.freeze(plan)?;
        }
        plan.layer(Rc::new(Stateless::adaptive_avg_pool2d(1)), Reach::All);
        plan.layer(Rc::new(Stateless::flatten()), Reach::All);
        self.fc.freeze(plan)
    }

    fn natural_input(&self) -> Option<Vec<i64>> {
        let side = match self.stem {
            Stem::Imagenet => 224,
            Stem::Small => 32,
        };
        Some(vec![1, 3, side, side])
    }

    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry)) {
        for (name, child) in self.children() {
            child.visit(&join(prefix, &name), visit);
        }
    }

    fn describe(&self) -> String {
        self.depth.name().to_owned()
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let mut children: Vec<(String, &dyn Module)> = vec![
            ("conv1".to_owned(), &self.conv1),
            ("bn1".to_owned(), &self.bn1),
        ];
        for (at, stage) in self.stages.iter().enumerate() {
            children.push((format!("layer{}", at + 1), stage));
        }
        children.push(("fc".to_owned(), &self.fc));
        children
    }
}

/// A residual block: convolutions beside a shortcut. A bottleneck (expansion 4) has three,
/// a basic block two.
struct Block {
    layers: Vec<(Conv2d, BatchNorm2d)>,
    downsample: Option<Sequential>,
}

impl Block {
    fn new(inputs: i64, planes: i64, expansion: i64, stride: i64) -> Result<Self> {
        let outputs = planes * expansion;
        // The shortcut is drawn before the block, as torchvision does.
        let downsample = match stride != 1 || inputs != outputs {
            true => {
                let conv: Rc<dyn Module> = Rc::new(conv(inputs, outputs, 1, stride)?);
                let norm: Rc<dyn Module> = Rc::new(BatchNorm2d::new(outputs)?);
                Some(Sequential::new(vec![
                    ("0".to_owned(), conv),
                    ("1".to_owned(), norm),
                ])?)
            }
            false => None,
        };
        let sizes = match expansion {
            1 => vec![(inputs, planes, 3, stride), (planes, planes, 3, 1)],
            _ => vec![
                (inputs, planes, 1, 1),
                (planes, planes, 3, stride),
                (planes, outputs, 1, 1),
            ],
        };
        let layers = sizes
            .into_iter()
            .map(|(from, to, kernel, stride)| {
                Ok((conv(from, to, kernel, stride)?, BatchNorm2d::new(to)?))
            })
            .collect::<Result<_>>()?;
        Ok(Block { layers, downsample })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        self.forward_watched(x, training, &mut Watch::nothing())
    }

    fn forward_watched(&self, x: &Tensor, training: bool, watch: &mut Watch) -> Result<Tensor> {
        let mut out = x.clone();
        for (at, (conv, norm)) in self.layers.iter().enumerate() {
            if at > 0 {
                out = out.into_relu()?;
            }
            let number = at + 1;
            out = watch.through(format_args!("conv{number}"), conv, &out, training)?;
            out = watch.through(format_args!("bn{number}"), norm, &out, training)?;
        }
        let shortcut = match &self.downsample {
            Some(downsample) => watch.through("downsample", downsample, x, training)?,
            None => x.clone(),
        };
        out.add(&shortcut)?.into_relu()
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        let mut branch = Plan::default();
        for (at, (conv, norm)) in self.layers.iter().enumerate() {
            if at > 0 {
                branch.relu();
            }
            conv.freeze(&mut branch)?;
            norm.freeze(&mut branch)?;
        }
        let mut shortcut = Plan::default();
        if let Some(downsample) = &self.downsample {
            downsample.freeze(&mut shortcut)?;
        }
        plan.sum(branch, shortcut);
        plan.relu();
        Ok(true)
    }

    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry)) {
        for (name, child) in self.children() {
            child.visit(&join(prefix, &name), visit);
        }
    }

    fn describe(&self) -> String {
        match self.layers.len() {
            2 => "BasicBlock".to_owned(),
            _ => "Bottleneck".to_owned(),
        }
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let mut children: Vec<(String, &dyn Module)> = Vec::new();
        for (at, (conv, norm)) in self.layers.iter().enumerate() {
            children.push((format!("conv{}", at + 1), conv));
            children.push((format!("bn{}", at + 1), norm));
        }
        if let Some(downsample) = &self.downsample {
            children.push(("downsample".to_owned(), downsample));
        }
        children
    }
}

/// Without bias, padded so that stride 1 keeps the size.
fn conv(inputs: i64, outputs: i64, kernel: i64, stride: i64) -> Result<Conv2d> {
    let geometry = torch::Conv2d {
        stride,
        padding: kernel / 2,
        ..torch::Conv2d::default()
    };
    Conv2d::new(inputs, outputs, kernel, geometry, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::Like;

    /// With zero residual branches a block is its shortcut behind a ReLU.
    #[test]
    fn a_zero_initialised_block_begins_as_the_identity() -> Result<()> {
        let _guard = torch::generator();
        for depth in [Depth::D18, Depth::D50] {
            let options = ResNetOptions {
                outputs: 2,
                zero_init_residual: true,
                ..ResNetOptions::default()
            };
            let network = ResNet::new(depth, &options)?;
            let channels = if depth == Depth::D18 { 64 } else { 256 };
            let x = torch::rand(&[2, channels, 4, 4], Like::default())?;
            let second = &network.stages[0].children()[1];
            let y = second.1.forward(&x, true)?;
            assert!(y.all_close(&x, 0.0, 0.0)?, "{}: {}", depth.name(), second.0);
        }
        Ok(())
    }
}
