//! Numbers and times as people read them.

use std::time::Duration;

/// Four significant digits, and all digits before the point: `5000`, `66.43`, `0.01235`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits_before = size.log10().floor() as i32 + 1;
    let decimals = usize::try_from(4 - digits_before).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// Digits in groups of three: `25,557,032`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `3 files`.
pub fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// `9 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// A measured time with three digits: `1.23 µs`, `45.6 ms`, `3.21 s`, `2 min 05 s`.
pub fn precise_duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 60.0 => (s, "s"),
        _ => return duration(time),
    };
    let decimals = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.decimals$} {unit}")
}

/// `412 bytes`, `1.5 MiB`.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut name = None;
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        name = Some(unit);
    }
    match name {
        Some(name) => format!("{value:.1} {name}"),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let shown = [
            (5000.0, "5000"),
            (0.0, "0"),
            (-0.0, "0"),
            (66.4321, "66.43"),
            (-1.23456, "-1.235"),
            (0.012_345_6, "0.01235"),
            (123_456.7, "123457"),
            (0.000_012_34, "1.234e-5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in shown {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn long_numbers_have_groups() {
        let shown = [0, 999, 1000, 25_557_032].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "25,557,032"]);
    }

    #[test]
    fn times_have_two_units() {
        let shown = |seconds| duration(Duration::from_secs_f64(seconds));
        assert_eq!(shown(0.2), "0 s");
        assert_eq!(shown(59.7), "1 min 00 s");
        assert_eq!(shown(125.0), "2 min 05 s");
        assert_eq!(shown(3720.0), "1 h 02 min");
        assert_eq!(shown(90_000.0), "25 h 00 min");
    }

    #[test]
    fn measured_times_and_sizes_have_units() {
        let shown = |seconds| precise_duration(Duration::from_secs_f64(seconds));
        assert_eq!(shown(1.234e-6), "1.23 µs");
        assert_eq!(shown(0.0456), "45.6 ms");
        assert_eq!(shown(0.4567), "457 ms");
        assert_eq!(shown(3.214), "3.21 s");
        assert_eq!(shown(125.0), "2 min 05 s");
        assert_eq!(binary_size(412), "412 bytes");
        assert_eq!(binary_size(3 << 19), "1.5 MiB");
    }
}
