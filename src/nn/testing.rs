//! Small networks for tests, with running statistics that are not those of the start.

use super::resnet::{Depth, ResNetOptions, Stem, resnet};
use super::{BatchNorm2d, Conv2d, Linear, Model, Module, Normalize, Sequential, Stateless};
use crate::Result;
use crate::torch::{self, Like, rand};
use std::rc::Rc;

/// Convolutions of several kinds, with and without batch norm, pools, and one head.
pub fn noisy_sequential() -> Result<Model> {
    let conv = |inputs, outputs, kernel, stride, padding, dilation| {
        let geometry = torch::Conv2d {
            stride,
            padding,
            dilation,
            groups: 1,
        };
        Conv2d::new(inputs, outputs, kernel, geometry, true)
    };
    let layers: Vec<Rc<dyn Module>> = vec![
        Rc::new(BatchNorm2d::new(3)?),
        Rc::new(conv(3, 4, 3, 1, 1, 1)?),
        Rc::new(BatchNorm2d::new(4)?),
        Rc::new(Stateless::relu()),
        Rc::new(conv(4, 5, 3, 2, 1, 1)?),
        Rc::new(Stateless::tanh()),
        Rc::new(conv(5, 6, 3, 1, 2, 2)?),
        Rc::new(BatchNorm2d::new(6)?),
        Rc::new(Stateless::relu()),
        Rc::new(Stateless::avg_pool2d(2, 2, 0)),
        Rc::new(Stateless::adaptive_avg_pool2d(2)),
        Rc::new(Stateless::flatten()),
        Rc::new(Linear::new(24, 5, true)?),
    ];
    let named = layers.into_iter().enumerate();
    let named = named.map(|(at, layer)| (at.to_string(), layer)).collect();
    let normalize = Normalize::named("cifar10")?;
    moved(Model::new(
        "Sequential",
        Rc::new(Sequential::new(named)?),
        normalize,
        None,
    ))
}

pub fn noisy_resnet() -> Result<Model> {
    let options = ResNetOptions {
        outputs: 5,
        stem: Stem::Small,
        ..ResNetOptions::default()
    };
    moved(resnet(Depth::D18, &options)?)
}

fn moved(model: Model) -> Result<Model> {
    for (_, entry) in model.entries() {
        let tensor = entry.tensor();
        if tensor.ndim() == 1 {
            let near_one = rand(&tensor.shape(), Like::default())?.add(0.5)?;
            tensor.assign(&near_one)?;
        }
    }
    Ok(model)
}
