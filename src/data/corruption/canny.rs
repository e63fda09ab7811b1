//! Edges, distances to them and a level histogram, as OpenCV finds them on 8-bit images: the
//! steps from which spatter makes drops.
//!
//! Canny 1986, "A computational approach to edge detection"; Borgefors 1986, "Distance
//! transformations in digital images".

use super::field::{nearest, reflect_101};

/// One byte for each position.
pub(super) struct Grey {
    pub width: usize,
    pub height: usize,
    pub values: Vec<u8>,
}

impl Grey {
    /// Whether each position is an edge by Canny's rule: a ridge of the gradient (the sum of
    /// the absolute Sobel derivatives) above `low` that joins one above `high`.
    pub fn edges(&self, low: i32, high: i32) -> Vec<bool> {
        let (width, height) = (self.width, self.height);
        let gradients: Vec<(i32, i32)> = (0..width * height)
            .map(|i| self.sobel((i % width) as isize, (i / width) as isize))
            .collect();
        let strength = |x: isize, y: isize| {
            let inside = (0..width as isize).contains(&x) && (0..height as isize).contains(&y);
            let at = |x, y| gradients[y as usize * width + x as usize];
            if inside {
                at(x, y).0.abs() + at(x, y).1.abs()
            } else {
                0
            }
        };

        let mut ridge = vec![false; width * height];
        let mut edges = vec![false; width * height];
        let mut open = Vec::new();
        for (i, &(dx, dy)) in gradients.iter().enumerate() {
            let (x, y) = ((i % width) as isize, (i / width) as isize);
            let own = strength(x, y);
            if own <= low {
                continue;
            }
            let (across, down) = (f64::from(dx.abs()), f64::from(dy.abs()));
            const TAN_22: f64 = std::f64::consts::SQRT_2 - 1.0;
            // Along the gradient, to the nearest of four directions; of equal neighbours the
            // first is the ridge.
            ridge[i] = if down < across * TAN_22 {
                own > strength(x - 1, y) && own >= strength(x + 1, y)
            } else if down > across * (TAN_22 + 2.0) {
                own > strength(x, y - 1) && own >= strength(x, y + 1)
            } else {
                let slant = if (dx < 0) == (dy < 0) { 1 } else { -1 };
                own > strength(x - slant, y - 1) && own > strength(x + slant, y + 1)
            };
            if ridge[i] && own > high {
                edges[i] = true;
                open.push(i);
            }
        }
        while let Some(i) = open.pop() {
            let (x, y) = (i % width, i / width);
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    let beside = y * width + x;
                    if ridge[beside] && !edges[beside] {
                        edges[beside] = true;
                        open.push(beside);
                    }
                }
            }
        }
        edges
    }

    fn sobel(&self, x: isize, y: isize) -> (i32, i32) {
        let columns = [-1, 0, 1].map(|i| nearest(x + i, self.width));
        let [above, here, below] = [-1, 0, 1].map(|i| {
            let row = nearest(y + i, self.height) * self.width;
            columns.map(|column| i32::from(self.values[row + column]))
        });
        (
            above[2] - above[0] + 2 * (here[2] - here[0]) + below[2] - below[0],
            below[0] - above[0] + 2 * (below[1] - above[1]) + below[2] - above[2],
        )
    }

    /// Spreads the levels so that each is as frequent as another.
    pub fn equalize(&mut self) {
        let mut counts = [0_u32; 256];
        for &value in &self.values {
            counts[usize::from(value)] += 1;
        }
        let n = self.values.len() as u32;
        let Some(lowest) = counts.iter().position(|&it| it > 0) else {
            return;
        };
        if counts[lowest] == n {
            return;
        }
        let scale = 255.0 / (n - counts[lowest]) as f32;
        let mut levels = [0_u8; 256];
        let mut sum = 0;
        for level in lowest + 1..256 {
            sum += counts[level];
            levels[level] = (sum as f32 * scale).round_ties_even() as u8;
        }
        for value in &mut self.values {
            *value = levels[usize::from(*value)];
        }
    }

    /// Correlated with a 3 x 3 `kernel`, clipped to a byte; mirrored about the border.
    pub fn filtered(&self, kernel: [[i32; 3]; 3]) -> Grey {
        self.each_from_nine(|nine| {
            let terms = nine.iter().flatten().zip(kernel.iter().flatten());
            terms
                .map(|(value, weight)| i32::from(*value) * weight)
                .sum::<i32>()
                .clamp(0, 255) as u8
        })
    }

    /// The mean of 3 x 3, rounded; mirrored about the border.
    pub fn blurred(&self) -> Grey {
        self.each_from_nine(|nine| {
            let sum: u32 = nine.iter().flatten().map(|it| u32::from(*it)).sum();
            ((sum + 4) / 9) as u8
        })
    }

    fn each_from_nine(&self, value: impl Fn([[u8; 3]; 3]) -> u8) -> Grey {
        let values = nines(self.width, self.height, &self.values).map(value);
        Grey {
            values: values.collect(),
            ..*self
        }
    }
}

/// The 3 x 3 about each position, mirrored about the border.
pub(super) fn nines<T: Copy>(
    width: usize,
    height: usize,
    values: &[T],
) -> impl Iterator<Item = [[T; 3]; 3]> {
    (0..width * height).map(move |i| {
        let (x, y) = ((i % width) as isize, (i / width) as isize);
        let columns = [-1, 0, 1].map(|dx| reflect_101(x + dx, width));
        [-1, 0, 1].map(|dy| {
            let row = reflect_101(y + dy, height) * width;
            columns.map(|column| values[row + column])
        })
    })
}

/// The distance of each position from the nearest edge, at most `limit`: the length of the
/// shortest way of steps beside, across a corner and as a knight moves.
pub(super) fn distances(width: usize, height: usize, edges: &[bool], limit: f32) -> Vec<f32> {
    const SIDE: f32 = 1.0;
    const CORNER: f32 = 1.4;
    const KNIGHT: f32 = 2.1969;
    /// The steps to positions that come before in reading order.
    const STEPS: [(isize, isize, f32); 8] = [
        (-1, -2, KNIGHT),
        (1, -2, KNIGHT),
        (-2, -1, KNIGHT),
        (-1, -1, CORNER),
        (0, -1, SIDE),
        (1, -1, CORNER),
        (2, -1, KNIGHT),
        (-1, 0, SIDE),
    ];
    let mut lengths: Vec<f32> = edges
        .iter()
        .map(|&is_edge| if is_edge { 0.0 } else { limit })
        .collect();
    let mut visit = |i: usize, sign: isize| {
        let (x, y) = ((i % width) as isize, (i / width) as isize);
        for (dx, dy, length) in STEPS {
            let (x, y) = (x + sign * dx, y + sign * dy);
            if (0..width as isize).contains(&x) && (0..height as isize).contains(&y) {
                let way = lengths[y as usize * width + x as usize] + length;
                lengths[i] = lengths[i].min(way);
            }
        }
    };
    (0..edges.len()).for_each(|i| visit(i, 1));
    (0..edges.len()).rev().for_each(|i| visit(i, -1));
    lengths
}
