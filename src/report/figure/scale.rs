//! From numbers to places, and which numbers an axis names.

/// Takes `from` to `low` and `to` to `high`, straight between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub from: f64,
    pub to: f64,
    pub low: f64,
    pub high: f64,
}

impl Scale {
    /// Of an empty range, everything lies in the middle.
    pub fn at(&self, value: f64) -> f64 {
        let range = self.to - self.from;
        if range == 0.0 {
            return (self.low + self.high) / 2.0;
        }
        self.low + (value - self.from) / range * (self.high - self.low)
    }
}

/// Round numbers (1, 2 or 5 times a power of ten apart) that enclose `low` and `high`, some
/// four to eight of them. Of a range that is empty or no number, those from 0 to 1.
pub fn ticks(low: f64, high: f64) -> Vec<f64> {
    const MOST: f64 = 5.0;
    let range = high - low;
    if !range.is_finite() || range <= 0.0 {
        return ticks(0.0, 1.0);
    }
    let raw = range / MOST;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|it| it * power)
        .into_iter()
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(power);
    let first = (low / step + 1e-9).floor() as i64;
    let last = (high / step - 1e-9).ceil() as i64;
    (first..=last).map(|it| it as f64 * step).collect()
}

/// The ticks with as many decimals as tell them apart.
pub fn tick_texts(ticks: &[f64]) -> Vec<String> {
    let step = match ticks {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let text = |it: &f64| format!("{:.decimals$}", it + 0.0);
    ticks.iter().map(text).collect()
}

/// Moves places apart until each is at least `gap` from the next, keeping their order, and
/// within `low` and `high` as far as there is room.
pub fn spread(places: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    let mut spread = places.to_vec();
    let mut least = low;
    for &at in &order {
        spread[at] = spread[at].max(least);
        least = spread[at] + gap;
    }
    let mut most = high;
    for &at in order.iter().rev() {
        spread[at] = spread[at].min(most);
        most = spread[at] - gap;
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle() {
        let scale = Scale {
            from: 0.0,
            to: 50.0,
            low: 200.0,
            high: 100.0,
        };
        assert_eq!(
            [0.0, 25.0, 50.0].map(|it| scale.at(it)),
            [200.0, 150.0, 100.0]
        );
        let empty = Scale { to: 0.0, ..scale };
        assert_eq!(empty.at(7.0), 150.0);
    }

    #[test]
    fn round_ticks_enclose_the_range() {
        assert_eq!(
            ticks(0.0, 1.0),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(-3.0, 7.0), [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(0.0, f64::NAN), ticks(0.0, 1.0));
        for (low, high) in [(0.0, 0.03), (12.3, 12.4), (-1e9, 3.0), (2.0, 2e6)] {
            let all = ticks(low, high);
            assert!((3..=9).contains(&all.len()), "{low} {high} {all:?}");
            let slack = 1e-9 * (high - low);
            assert!(all[0] <= low + slack && high <= all[all.len() - 1] + slack);
        }
    }

    #[test]
    fn texts_tell_ticks_apart() {
        assert_eq!(
            tick_texts(&ticks(0.0, 0.03)),
            ["0.00", "0.01", "0.02", "0.03"]
        );
        assert_eq!(tick_texts(&ticks(0.0, 4.0))[4], "4");
        assert_eq!(tick_texts(&[-0.0, 1.0]), ["0", "1"]);
    }

    #[test]
    fn places_move_apart_and_stay_inside() {
        assert_eq!(spread(&[10.0, 40.0], 14.0, 0.0, 100.0), [10.0, 40.0]);
        assert_eq!(spread(&[11.0, 10.0], 14.0, 0.0, 100.0), [24.0, 10.0]);
        assert_eq!(spread(&[99.0, 98.0], 14.0, 0.0, 100.0), [100.0, 86.0]);
        assert!(spread(&[], 14.0, 0.0, 1.0).is_empty());
    }
}
