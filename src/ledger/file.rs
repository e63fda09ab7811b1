//! A ledger as a Parquet file: one row group, the description in the file's metadata, and a
//! hash of all of it before the metadata, where no reader of Parquet looks.

use super::about::About;
use super::columns::{COLUMNS, Field, schema};
use super::rows::Row;
use crate::panics::caught;
use crate::{Error, Result};
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// The description's name in the file's metadata.
const ABOUT: &str = "rhobust";
/// What a Parquet file ends with: the length of the metadata, and four letters.
const TAIL: usize = 8;

type Parquet<T> = std::result::Result<T, parquet::errors::ParquetError>;

/// The bytes of a file with these rows.
pub(super) fn encode(about: &About, rows: &[Row]) -> Result<Vec<u8>> {
    let description = serde_json::to_string(about).map_err(|it| Error::invalid(it.to_string()))?;
    write(about, rows, description)
        .map(sealed)
        .map_err(|error| Error::invalid(format!("the ledger cannot be written ({error})")))
}

fn write(about: &About, rows: &[Row], description: String) -> Parquet<Vec<u8>> {
    let schema = Arc::new(parse_message_type(&schema())?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (_, field) in &COLUMNS {
        match field {
            Field::Text(of) => {
                let text = of(about).map(ByteArray::from);
                column::<ByteArrayType>(&mut group, rows.iter().map(|_| text.clone()))?;
            }
            Field::Whole(of) => {
                let number = of(about);
                column::<Int64Type>(&mut group, rows.iter().map(|_| number))?;
            }
            Field::Number(of) => {
                let number = of(about);
                column::<DoubleType>(&mut group, rows.iter().map(|_| number))?;
            }
            Field::Integer(of) => column::<Int64Type>(&mut group, rows.iter().map(of))?,
            Field::Float(of) => column::<DoubleType>(&mut group, rows.iter().map(of))?,
            Field::Flag(of) => column::<BoolType>(&mut group, rows.iter().map(of))?,
        }
    }
    group.close()?;
    file.append_key_value_metadata(KeyValue::new(ABOUT.to_owned(), description));
    file.into_inner()
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<Vec<u8>>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Parquet<()> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    let Some(mut column) = group.next_column()? else {
        return Ok(());
    };
    column
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)?;
    column.close()
}

/// Puts the hash into a file. Places in a Parquet file are counted from its beginning, except
/// that of the metadata, which is counted from the end: there is room between the two.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = *blake3::hash(&bytes).as_bytes();
    let at = metadata_start(&bytes).unwrap_or(bytes.len());
    bytes.splice(at..at, hash);
    bytes
}

/// The bytes as they were before `sealed`; none where they are others. A reader of Parquet may
/// panic on damaged files, so it sees none.
fn unsealed(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = metadata_start(&bytes)?;
    let start = end.checked_sub(blake3::OUT_LEN)?;
    let hash: Vec<u8> = bytes.drain(start..end).collect();
    (blake3::hash(&bytes).as_bytes() == hash.as_slice()).then_some(bytes)
}

fn metadata_start(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().checked_sub(TAIL)?;
    let length: [u8; 4] = bytes.get(tail..tail + 4)?.try_into().ok()?;
    tail.checked_sub(u32::from_le_bytes(length) as usize)
}

/// What the bytes of a file hold.
///
/// # Errors
/// `Invalid` where they are no ledger, or damaged.
pub(super) fn decode(bytes: Vec<u8>) -> Result<(About, Vec<Row>)> {
    let Some(bytes) = unsealed(bytes) else {
        bail!("this is no ledger, or a damaged one");
    };
    // The hash keeps accidents from the reader of Parquet. Whoever means harm can compute it, too.
    let read = caught(|| contents(bytes));
    read.unwrap_or_else(|_| bail!("this is no ledger: its parts do not fit together"))
}

fn contents(bytes: Vec<u8>) -> Result<(About, Vec<Row>)> {
    let strange = |error: &dyn std::fmt::Display| {
        Error::invalid(format!("this ledger is of another version ({error})"))
    };
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(|it| strange(&it))?;
    let entries = file.metadata().file_metadata().key_value_metadata();
    let entry = entries.and_then(|all| all.iter().find(|it| it.key == ABOUT));
    let description = entry.and_then(|it| it.value.as_deref()).unwrap_or_default();
    let about = serde_json::from_str(description).map_err(|it| strange(&it))?;
    let rows = rows(&file).map_err(|it| strange(&it))?;
    Ok((about, rows))
}

/// The columns of a file that rows are made of.
#[derive(Default)]
struct Read {
    integers: Vec<Vec<Option<i64>>>,
    floats: Vec<Vec<Option<f64>>>,
    flags: Vec<Vec<Option<bool>>>,
}

fn rows(file: &SerializedFileReader<bytes::Bytes>) -> Parquet<Vec<Row>> {
    let mut rows = Vec::new();
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        let n = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut read = Read::default();
        for (at, (_, field)) in COLUMNS.iter().enumerate() {
            match (field, group.get_column_reader(at)?) {
                (Field::Text(_) | Field::Whole(_) | Field::Number(_), _) => {}
                (Field::Integer(_), ColumnReader::Int64ColumnReader(column)) => {
                    read.integers.push(values(column, n)?);
                }
                (Field::Float(_), ColumnReader::DoubleColumnReader(column)) => {
                    read.floats.push(values(column, n)?);
                }
                (Field::Flag(_), ColumnReader::BoolColumnReader(column)) => {
                    read.flags.push(values(column, n)?);
                }
                _ => return Err(lacking("columns of other types")),
            }
        }
        rows.extend(
            read.into_rows(n)
                .ok_or_else(|| lacking("rows without values"))?,
        );
    }
    Ok(rows)
}

fn lacking(what: &str) -> parquet::errors::ParquetError {
    parquet::errors::ParquetError::General(what.to_owned())
}

fn values<T: DataType>(mut column: ColumnReaderImpl<T>, n: usize) -> Parquet<Vec<Option<T::T>>> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    while levels.len() < n {
        let left = n - levels.len();
        let (records, ..) = column.read_records(left, Some(&mut levels), None, &mut present)?;
        if records == 0 {
            return Err(lacking("fewer rows than it says"));
        }
    }
    let mut present = present.into_iter();
    let value = |level| if level > 0 { present.next() } else { None };
    Ok(levels.into_iter().map(value).collect())
}

impl Read {
    /// The rows, by the order of the columns; none where one lacks a value that it must have.
    fn into_rows(self, n: usize) -> Option<Vec<Row>> {
        let [example, label, prediction, rank] = &self.integers[..] else {
            return None;
        };
        let [loss, margin, confidence, linf, l2] = &self.floats[..] else {
            return None;
        };
        let [real, success] = &self.flags[..] else {
            return None;
        };
        let row = |i: usize| {
            Some(Row {
                example: example[i]?,
                label: label[i]?,
                prediction: prediction[i]?,
                real: real[i],
                loss: loss[i]?,
                margin: margin[i]?,
                confidence: confidence[i]?,
                rank: rank[i]?,
                linf: linf[i],
                l2: l2[i],
                success: success[i],
            })
        };
        (0..n).map(row).collect()
    }
}
