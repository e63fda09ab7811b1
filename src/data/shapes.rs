//! The built-in data set: ten classes of drawn 32 x 32 images, each a function of the seed, the
//! split and its index, so there is nothing to download.
//!
//! It is made to show what robustness research looks at. The classes differ in difficulty
//! (a pentagon is nearly a hexagon, a hexagon nearly a circle, a star is like nothing else), so
//! that class-wise gaps appear. Hues, textures, size and place say nothing about the class. In
//! about one image of six a smaller shape of another class stands behind the labelled one; both
//! are then correct. Shapes are lighter than their ground and stand nearly upright: a small
//! network then learns them within a hundred steps of 64 images, and one that was trained
//! without attacks is wrong on nearly every image under PGD with eps 0.03.

use super::image::Image;
use super::split::Source;
use super::transform::Fit;
use super::{Dataset, DatasetOptions, Halves};
use crate::files::File;
use crate::{Result, seed};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};
use std::sync::OnceLock;

pub const NAME: &str = "shapes";

const SIDE: usize = 32;

/// How many images there are unless limits say otherwise.
const TRAIN: usize = 10_000;
const TEST: usize = 2_000;

/// Images are kept once drawn, 3 KiB each.
const MAX_IMAGES: usize = 500_000;

/// How far shapes are turned from upright, either way.
const LEAN: f32 = PI / 10.0;

/// The share of images with a second shape.
const PAIRS: f64 = 0.18;

pub(super) fn open(options: &DatasetOptions, real: Option<&File>) -> Result<Dataset> {
    let half = |split: u64, name: &str, limit: Option<usize>, usual: usize| -> Result<Shapes> {
        let n = limit.unwrap_or(usual);
        ensure!(
            n <= MAX_IMAGES,
            "`{name}` may be at most {MAX_IMAGES} images of `{NAME}`, got {n}"
        );
        Ok(Shapes {
            seed: options.seed,
            split,
            drawn: (0..n).map(|_| OnceLock::new()).collect(),
        })
    };
    let halves = Halves {
        train: Ok(Box::new(half(0, "train", options.train, TRAIN)?)),
        test: Ok(Box::new(half(1, "test", options.test, TEST)?)),
        real,
    };
    let classes = Class::ALL.map(|it| it.name().to_owned()).to_vec();
    let fit = Fit::Native {
        width: SIDE,
        height: SIDE,
    };
    Dataset::assemble(NAME.to_owned(), classes, fit, halves, options)
}

/// One split. The classes take turns, so that every first n images are balanced.
struct Shapes {
    seed: u64,
    split: u64,
    drawn: Vec<OnceLock<Image>>,
}

impl Shapes {
    fn scene(&self, index: usize) -> Scene {
        let mut random = seed::generator(self.seed, NAME, &[self.split, index as u64]);
        Scene::draw(Class::ALL[index % Class::ALL.len()], &mut random)
    }
}

impl Source for Shapes {
    fn len(&self) -> usize {
        self.drawn.len()
    }

    fn label(&self, index: usize) -> i64 {
        (index % Class::ALL.len()) as i64
    }

    fn correct(&self, index: usize) -> Option<Vec<i64>> {
        let figures = self.scene(index).figures;
        // The labelled one was painted last.
        Some(figures.iter().rev().map(|it| it.class as i64).collect())
    }

    fn load(&self, index: usize) -> Result<Image> {
        let image = self.drawn[index].get_or_init(|| self.scene(index).paint());
        Ok(image.clone())
    }

    fn describe(&self, index: usize) -> String {
        let split = ["train", "test"][self.split as usize];
        format!("{NAME}, {split} image {index}")
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Circle,
    Crescent,
    Cross,
    Ellipse,
    Hexagon,
    Pentagon,
    Ring,
    Square,
    Star,
    Triangle,
}

impl Class {
    const ALL: [Class; 10] = [
        Class::Circle,
        Class::Crescent,
        Class::Cross,
        Class::Ellipse,
        Class::Hexagon,
        Class::Pentagon,
        Class::Ring,
        Class::Square,
        Class::Star,
        Class::Triangle,
    ];

    fn name(self) -> &'static str {
        match self {
            Class::Circle => "circle",
            Class::Crescent => "crescent",
            Class::Cross => "cross",
            Class::Ellipse => "ellipse",
            Class::Hexagon => "hexagon",
            Class::Pentagon => "pentagon",
            Class::Ring => "ring",
            Class::Square => "square",
            Class::Star => "star",
            Class::Triangle => "triangle",
        }
    }

    /// The outline around the origin, upright, of radius about 1.
    fn outline(self, random: &mut ChaCha8Rng) -> Outline {
        let regular = |corners: usize, radius: f32| {
            let corner = |i| polar(radius, TAU * i as f32 / corners as f32);
            Outline::Polygon((0..corners).map(corner).collect())
        };
        match self {
            Class::Circle => Outline::Ellipse([0.9, 0.9]),
            Class::Ellipse => {
                let mut axes = [1.0, random.random_range(0.55..0.75)];
                if random.random() {
                    axes.reverse();
                }
                Outline::Ellipse(axes)
            }
            Class::Ring => Outline::Ring(random.random_range(0.15..0.25)),
            Class::Crescent => {
                let shift = random.random_range(0.35..0.55);
                Outline::Crescent(if random.random() { shift } else { -shift })
            }
            Class::Triangle => regular(3, 1.1),
            Class::Square => Outline::Polygon(vec![
                [0.74, 0.74],
                [-0.74, 0.74],
                [-0.74, -0.74],
                [0.74, -0.74],
            ]),
            Class::Pentagon => regular(5, 1.0),
            Class::Hexagon => regular(6, 0.97),
            Class::Star => {
                let inner = random.random_range(0.4..0.5);
                let corner = |i: usize| polar([1.1, inner][i % 2], PI * i as f32 / 5.0);
                Outline::Polygon((0..10).map(corner).collect())
            }
            Class::Cross => {
                let arm = random.random_range(0.25..0.38);
                let quarter = [[arm, arm], [arm, 1.0], [-arm, 1.0]];
                let corner = |i: usize| {
                    let [x, y] = quarter[i % 3];
                    [[x, y], [-y, x], [-x, -y], [y, -x]][i / 3]
                };
                Outline::Polygon((0..12).map(corner).collect())
            }
        }
    }
}

type Point = [f32; 2];

/// At this angle from straight up.
fn polar(radius: f32, angle: f32) -> Point {
    [radius * angle.sin(), -radius * angle.cos()]
}

enum Outline {
    /// With these half axes.
    Ellipse([f32; 2]),
    /// Half as wide as this.
    Ring(f32),
    /// A disc without another whose centre is shifted by this.
    Crescent(f32),
    Polygon(Vec<Point>),
}

impl Outline {
    /// How far `p` lies from the outline, negative inside.
    fn distance(&self, p: Point) -> f32 {
        let length = |[x, y]: Point| x.hypot(y);
        match self {
            Outline::Ellipse([a, b]) => {
                // Of first order, exact for a circle.
                let scaled = length([p[0] / a, p[1] / b]);
                let slope = length([p[0] / (a * a), p[1] / (b * b)]).max(1e-6);
                scaled * (scaled - 1.0) / slope
            }
            Outline::Ring(half_width) => (length(p) - 0.75).abs() - half_width,
            Outline::Crescent(shift) => {
                let outside_other = 0.75 - length([p[0] - shift, p[1]]);
                (length(p) - 0.95).max(outside_other)
            }
            Outline::Polygon(corners) => polygon_distance(corners, p),
        }
    }
}

/// The distance to the nearest edge; a ray from `p` crosses the outline of a polygon around it
/// an odd number of times.
fn polygon_distance(corners: &[Point], p: Point) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    for (i, &[ax, ay]) in corners.iter().enumerate() {
        let [bx, by] = corners[(i + 1) % corners.len()];
        let (ex, ey) = (bx - ax, by - ay);
        let (wx, wy) = (p[0] - ax, p[1] - ay);
        let along = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        let (nx, ny) = (wx - along * ex, wy - along * ey);
        nearest = nearest.min(nx * nx + ny * ny);
        if (ay > p[1]) != (by > p[1]) && wx < ex * wy / ey {
            inside = !inside;
        }
    }
    let distance = nearest.sqrt();
    if inside { -distance } else { distance }
}

type Colour = [f32; 3];

/// `colour + amount * direction`.
fn shift(colour: Colour, amount: f32, direction: Colour) -> Colour {
    [0, 1, 2].map(|i| colour[i] + amount * direction[i])
}

fn random_colour(random: &mut ChaCha8Rng, from: f32, to: f32) -> Colour {
    [(); 3].map(|()| random.random_range(from..to))
}

/// A direction in colour space, of length 1.
fn random_direction(random: &mut ChaCha8Rng) -> Colour {
    loop {
        let direction = random_colour(random, -1.0, 1.0);
        let length = direction.iter().map(|it| it * it).sum::<f32>().sqrt();
        if (0.1..1.0).contains(&length) {
            return direction.map(|it| it / length);
        }
    }
}

/// A shape at its place.
struct Figure {
    class: Class,
    outline: Outline,
    centre: Point,
    radius: f32,
    angle: f32,
    /// Longer by this factor in one direction, shorter in the other.
    stretch: f32,
    colour: Colour,
    /// How much brighter it gets from its centre to its right border.
    shading: f32,
}

impl Figure {
    fn draw(
        class: Class,
        radius: f32,
        centre: Point,
        background: Colour,
        random: &mut ChaCha8Rng,
    ) -> Figure {
        Figure {
            class,
            outline: class.outline(random),
            centre,
            radius,
            angle: random.random_range(-LEAN..LEAN),
            stretch: random.random_range(0.93..1.07),
            colour: lighter(background, random),
            shading: random.random_range(-0.06..0.06),
        }
    }

    /// Paints it over the `colour` of the pixel at `p`, in part where the outline crosses it.
    fn cover(&self, p: Point, colour: Colour) -> Colour {
        let (x, y) = (p[0] - self.centre[0], p[1] - self.centre[1]);
        if x.hypot(y) > 1.3 * self.radius + 1.0 {
            return colour;
        }
        let (sin, cos) = self.angle.sin_cos();
        let turned = [
            (cos * x + sin * y) / (self.radius * self.stretch),
            (cos * y - sin * x) * self.stretch / self.radius,
        ];
        let opacity = (0.5 - self.radius * self.outline.distance(turned)).clamp(0.0, 1.0);
        let own = shift(self.colour, self.shading * x / self.radius, [1.0; 3]);
        [0, 1, 2].map(|i| colour[i] + opacity * (own[i] - colour[i]))
    }
}

/// A colour of any hue that is lighter than `background` by 0.15 or more on average.
fn lighter(background: Colour, random: &mut ChaCha8Rng) -> Colour {
    let sum = |colour: Colour| colour.iter().sum::<f32>();
    loop {
        let contrast = random.random_range(0.42..0.7);
        let colour = shift(background, contrast, random_direction(random));
        let is_colour = colour.iter().all(|it| (0.03..0.97).contains(it));
        if is_colour && sum(colour) > sum(background) + 0.45 {
            return colour;
        }
    }
}

enum Texture {
    /// From one side to the other, at this angle.
    Gradient(f32),
    /// Waves across this angle, so long and with this phase.
    Stripes(f32, f32, f32),
    /// Smooth noise between the values of a coarse grid.
    Clouds([[f32; 6]; 6]),
}

impl Texture {
    fn draw(random: &mut ChaCha8Rng) -> Texture {
        let angle = random.random_range(0.0..TAU);
        match random.random_range(0..3) {
            0 => Texture::Gradient(angle),
            1 => Texture::Stripes(
                angle,
                random.random_range(4.0..12.0),
                random.random_range(0.0..TAU),
            ),
            _ => {
                let mut value = || random.random_range(-1.0..1.0);
                Texture::Clouds([(); 6].map(|()| [(); 6].map(|()| value())))
            }
        }
    }

    /// From -1 to 1.
    fn at(&self, [x, y]: Point) -> f32 {
        let side = SIDE as f32;
        let along = |angle: f32| x * angle.cos() + y * angle.sin();
        match *self {
            Texture::Gradient(angle) => {
                let (sin, cos) = angle.sin_cos();
                (2.0 * along(angle) / side - sin - cos) / (sin.abs() + cos.abs())
            }
            Texture::Stripes(angle, length, phase) => (TAU * along(angle) / length + phase).sin(),
            Texture::Clouds(grid) => {
                let place = |at: f32| {
                    let at = 5.0 * at / side;
                    let cell = at as usize;
                    let part = at - cell as f32;
                    (cell, part * part * (3.0 - 2.0 * part))
                };
                let ((column, right), (row, below)) = (place(x), place(y));
                let across = |row: usize| {
                    let line = &grid[row];
                    line[column] + right * (line[column + 1] - line[column])
                };
                let (above, under) = (across(row), across(row + 1));
                above + below * (under - above)
            }
        }
    }
}

/// Everything that one image shows.
struct Scene {
    background: Colour,
    texture: Texture,
    /// The colour into which the background changes, and how much.
    tint: Colour,
    strength: f32,
    /// From the back to the front.
    figures: Vec<Figure>,
    grain: f32,
    grain_seed: u64,
}

impl Scene {
    fn draw(class: Class, random: &mut ChaCha8Rng) -> Scene {
        let background = random_colour(random, 0.15, 0.5);
        let pair = random.random_bool(PAIRS);
        let radius = random.random_range(if pair { 9.0..11.0 } else { 9.0..12.5 });
        let centre = place(radius, random);
        let figure = Figure::draw(class, radius, centre, background, random);
        let mut figures = vec![figure];
        if pair {
            let others = Class::ALL.into_iter().filter(|it| *it != class);
            let others: Vec<Class> = others.collect();
            let other = others[random.random_range(0..others.len())];
            let small = radius * random.random_range(0.5..0.65);
            // Behind the first and as far from it as ten tries allow.
            let tries = [(); 10].map(|()| place(small, random));
            let distance = |p: &Point| (p[0] - centre[0]).hypot(p[1] - centre[1]);
            let [first, rest @ ..] = tries;
            let farthest = |a, b| if distance(&b) > distance(&a) { b } else { a };
            let aside = rest.into_iter().fold(first, farthest);
            let figure = Figure::draw(other, small, aside, background, random);
            figures.insert(0, figure);
        }
        Scene {
            background,
            texture: Texture::draw(random),
            tint: random_direction(random),
            strength: random.random_range(0.02..0.06),
            figures,
            grain: random.random_range(0.01..0.025),
            grain_seed: random.random(),
        }
    }

    fn paint(&self) -> Image {
        let mut random = seed::generator(self.grain_seed, "grain", &[]);
        let image = Image::from_fn(SIDE, SIDE, |x, y| {
            let p = [x as f32 + 0.5, y as f32 + 0.5];
            let amount = self.strength * self.texture.at(p);
            let ground = shift(self.background, amount, self.tint);
            let painted = self
                .figures
                .iter()
                .fold(ground, |it, figure| figure.cover(p, it));
            painted.map(|value| {
                let noisy = value + self.grain * random.random_range(-1.0..1.0);
                (255.0 * noisy.clamp(0.0, 1.0)).round() as u8
            })
        });
        image.expect("the image has pixels and three bytes for each")
    }
}

/// Where a shape of this radius lies within the picture.
fn place(radius: f32, random: &mut ChaCha8Rng) -> Point {
    let margin = radius + 0.5;
    [(); 2].map(|()| random.random_range(margin..SIDE as f32 - margin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;

    fn shapes(seed: u64, n: usize) -> Dataset {
        let options = DatasetOptions {
            train: Some(n),
            test: Some(n),
            seed,
            ..DatasetOptions::default()
        };
        Dataset::shapes(&options, None).unwrap()
    }

    #[test]
    fn ten_balanced_classes() {
        let data = shapes(0, 50);
        assert_eq!(data.classes.len(), 10);
        assert!(data.classes.is_sorted());
        assert_eq!((data.height, data.width), (32, 32));
        for class in 0..10 {
            let of_class = data
                .train
                .labels()
                .iter()
                .filter(|&&it| it == class)
                .count();
            assert_eq!(of_class, 5);
        }
        let usual = Dataset::shapes(&DatasetOptions::default(), None).unwrap();
        assert_eq!((usual.train.len(), usual.test.len()), (TRAIN, TEST));
    }

    #[test]
    fn an_image_depends_on_seed_split_and_index_alone() {
        let (few, many) = (shapes(3, 20), shapes(3, 40));
        for i in 0..20 {
            assert_eq!(few.train.image(i).unwrap(), many.train.image(i).unwrap());
        }
        let image = few.train.image(4).unwrap();
        for other in [
            few.train.image(14).unwrap(),
            few.test.image(4).unwrap(),
            shapes(4, 20).train.image(4).unwrap(),
        ] {
            assert_ne!(image, other);
        }
    }

    #[test]
    fn about_one_image_of_six_has_two_correct_classes() {
        let data = shapes(0, 2000);
        let mut pairs = 0;
        for (i, label) in data.train.labels().into_iter().enumerate() {
            let correct = data.train.correct(i).unwrap();
            assert_eq!(correct[0], label);
            if let [a, b] = correct[..] {
                assert_ne!(a, b);
                pairs += 1;
            }
        }
        assert!((300..420).contains(&pairs), "{pairs} of 2000");
        let batch: Batch = data
            .train
            .batches(Default::default())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(batch.correct.unwrap()[5], data.train.correct(5).unwrap());
    }

    #[test]
    fn the_labelled_shape_is_the_larger_one() {
        let source = Shapes {
            seed: 0,
            split: 0,
            drawn: (0..500).map(|_| OnceLock::new()).collect(),
        };
        for i in 0..500 {
            let figures = source.scene(i).figures;
            let labelled = figures.last().unwrap();
            assert_eq!(labelled.class as i64, source.label(i));
            assert!(
                figures[..figures.len() - 1]
                    .iter()
                    .all(|it| it.radius < 0.7 * labelled.radius)
            );
        }
    }

    #[test]
    fn distances_to_outlines() {
        let square = vec![[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]];
        for (p, expected) in [
            ([0.0, 0.0], -1.0),
            ([0.5, 0.25], -0.5),
            ([3.0, 0.0], 2.0),
            ([4.0, 5.0], 5.0),
        ] {
            let distance = polygon_distance(&square, p);
            assert!((distance - expected).abs() < 1e-6, "{p:?}: {distance}");
        }
        let circle = Outline::Ellipse([2.0, 2.0]);
        assert!((circle.distance([3.0, 4.0]) - 3.0).abs() < 1e-6);
        assert!((Outline::Ring(0.25).distance([0.0, 0.75]) + 0.25).abs() < 1e-6);
    }

    #[test]
    fn hues_say_nothing_about_the_class() {
        let data = shapes(0, 3000);
        let mut sums = [[0.0_f64; 3]; 10];
        for i in 0..3000 {
            let image = data.train.image(i).unwrap();
            for pixel in image.pixels().chunks_exact(3) {
                for (sum, value) in sums[i % 10].iter_mut().zip(pixel) {
                    *sum += f64::from(*value) / (300.0 * 1024.0);
                }
            }
        }
        // The difference of two channels has a standard error of about 2 grey levels.
        for [red, green, blue] in sums {
            assert!(
                (red - green).abs() < 10.0 && (green - blue).abs() < 10.0,
                "{sums:?}"
            );
        }
    }
}
