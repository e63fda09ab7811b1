//! Drops of water or mud on the lens.

use super::Setting;
use super::canny::{Grey, distances, nines};
use super::field::{Field, cut, cut_single, image as new_image};
use super::gaussian::{Border, smooth};
use super::normal::normals;
use crate::data::image::Image;
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy)]
enum Liquid {
    Water,
    Mud,
}

use Liquid::{Mud, Water};

/// Mean and sigma of the noise that drops grow from, its smoothness in pixels, the level above
/// which it is a drop, and the strength of water or the softness of mud.
type Spatter = (f64, f64, f64, f64, f64, Liquid);

const IMAGENET: [Spatter; 5] = [
    (0.65, 0.3, 4.0, 0.69, 0.6, Water),
    (0.65, 0.3, 3.0, 0.68, 0.6, Water),
    (0.65, 0.3, 2.0, 0.68, 0.5, Water),
    (0.65, 0.3, 1.0, 0.65, 1.5, Mud),
    (0.67, 0.4, 1.0, 0.65, 1.5, Mud),
];

const CIFAR: [Spatter; 5] = [
    (0.62, 0.1, 0.7, 0.7, 0.5, Water),
    (0.65, 0.1, 0.8, 0.7, 0.5, Water),
    (0.65, 0.3, 1.0, 0.69, 0.5, Water),
    (0.65, 0.1, 0.7, 0.69, 0.6, Mud),
    (0.65, 0.1, 0.5, 0.68, 0.6, Mud),
];

/// Pale turquoise.
const WATER: [f32; 3] = [175.0 / 255.0, 238.0 / 255.0, 238.0 / 255.0];
/// Brown.
const MUD: [f32; 3] = [63.0 / 255.0, 42.0 / 255.0, 20.0 / 255.0];

pub(super) fn spatter(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let (mean, sigma, smoothness, threshold, strength, liquid) = setting.pick(IMAGENET, CIFAR);
    let (width, height) = (image.width(), image.height());
    let mut normal = normals(random);
    let noise = Field::from_fn(width, height, || mean + sigma * normal());
    let mut layer = smooth(&noise, (smoothness, smoothness), 4.0, Border::Nearest);
    for value in &mut layer.values {
        if *value < threshold {
            *value = 0.0;
        }
    }
    let cover: &dyn Fn([f32; 3], f32) -> [f32; 3] = match liquid {
        Water => &|colour, light| mix(colour, 1.0, WATER, light * strength as f32),
        Mud => &|colour, depth| mix(colour, 1.0 - depth, MUD, depth),
    };
    let drops = match liquid {
        Water => water(&layer),
        Mud => mud(&layer, strength),
    };
    let (colours, _) = image.pixels().as_chunks::<3>();
    let pixels = colours.iter().zip(&drops).flat_map(|(colour, &drop)| {
        let colour = colour.map(|it| f32::from(it) / 255.0);
        cover(colour, drop).map(cut_single)
    });
    new_image(width, height, pixels.collect())
}

fn mix(a: [f32; 3], a_share: f32, b: [f32; 3], b_share: f32) -> [f32; 3] {
    [0, 1, 2].map(|i| a_share * a[i] + b_share * b[i])
}

/// How bright the drops are, from 0 to 1: brighter at their lower right.
fn water(layer: &Field) -> Vec<f32> {
    let (width, height) = (layer.width, layer.height);
    let drops = Grey {
        width,
        height,
        values: layer.values.iter().map(|&it| cut(it)).collect(),
    };
    let depths = distances(width, height, &drops.edges(50, 150), 20.0);
    let means = nines(width, height, &depths).map(|nine| {
        let sum: f32 = nine.iter().flatten().sum();
        (sum / 9.0) as u8
    });
    let mut relief = Grey {
        width,
        height,
        values: means.collect(),
    };
    relief.equalize();
    let relief = relief
        .filtered([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
        .blurred();
    let light = drops.values.iter().zip(&relief.values);
    let light: Vec<f32> = light.map(|(a, b)| f32::from(*a) * f32::from(*b)).collect();
    let brightest = light.iter().copied().fold(0.0, f32::max);
    // On a small image there may be no drop at all.
    let scale = if brightest > 0.0 {
        1.0 / brightest
    } else {
        0.0
    };
    light.iter().map(|it| it * scale).collect()
}

/// How much of the view the mud takes, from 0 to 1. Thin mud is none.
fn mud(layer: &Field, softness: f64) -> Vec<f32> {
    let is_mud = |value: &f64| if *value > 0.0 { 1.0 } else { 0.0 };
    let spots = layer.with_values(layer.values.iter().map(is_mud).collect());
    let spots = smooth(&spots, (softness, softness), 4.0, Border::Nearest);
    let depths = spots.values.iter().map(|&it| it as f32);
    depths.map(|it| if it < 0.8 { 0.0 } else { it }).collect()
}
