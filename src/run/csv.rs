//! Tables as comma-separated values.

use crate::{Error, Result};

/// A header and rows of as many fields, quoted where a field needs it, lines ended by `\n`.
pub fn encode(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(header).and_then(|()| {
        rows.into_iter()
            .try_for_each(|row| writer.write_record(row))
    });
    written.map_err(|error| Error::invalid(error.to_string()))?;
    writer
        .into_inner()
        .map_err(|error| Error::invalid(error.to_string()))
}

/// The shortest text that reads back as the same number; nothing for no number.
pub fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:?}"))
}

/// Nothing for no number.
pub fn integer(value: Option<i64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_themselves() {
        let awkward = [0.1 + 0.2, 1e-300, -0.0, 1.0, f64::MAX, 1.0 / 3.0];
        for value in awkward {
            let back: f64 = number(Some(value)).parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits());
        }
        assert_eq!(number(Some(1e-7)), "1e-7");
        assert_eq!(number(Some(f64::NAN)), "NaN");
        assert_eq!(number(Some(f64::INFINITY)), "inf");
        assert_eq!(
            (number(None), integer(None)),
            (String::new(), String::new())
        );
    }

    #[test]
    fn quotes_where_needed() {
        let row = vec!["a, b".to_owned(), "say \"x\"".to_owned()];
        let text = encode(&["one", "two"], [row]).unwrap();
        assert_eq!(text, b"one,two\n\"a, b\",\"say \"\"x\"\"\"\n");
    }
}
