//! The measurements as event files, which TensorBoard shows while a run goes on.
//!
//! A file is a stream of TFRecords, each a length, its masked CRC-32C, a protobuf `Event` and
//! its masked CRC-32C, as `tensorflow/core/lib/io/record_writer.h` and
//! `tensorflow/core/util/event.proto` define them. It only grows: what a run that was cut off
//! left of its last record is skipped by readers.

use super::measurements::Measurement;
use crate::files::plain_name;
use crate::{Error, Result};
use prost::Message;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Event files in a folder, one for each model, in a folder of its own: a run of TensorBoard's.
pub struct TensorBoard {
    folder: PathBuf,
    /// By the model's name.
    streams: BTreeMap<String, Stream>,
}

struct Stream {
    path: PathBuf,
    file: Option<File>,
    /// Records that are not in the file yet.
    waiting: Vec<u8>,
    /// How many rows each kind has.
    rows: BTreeMap<String, i64>,
}

impl TensorBoard {
    pub fn new(folder: PathBuf) -> Self {
        TensorBoard {
            folder,
            streams: BTreeMap::new(),
        }
    }

    /// Adds the values of a row under tags such as `step/loss` and `epoch/loss`, `epoch` rows at
    /// their epoch, others at their step; a row that does not say where it belongs comes after
    /// those of its kind.
    pub fn add(&mut self, row: &Measurement) {
        let now = seconds();
        let stream = self.stream(&row.model, now);
        let count = stream.rows.entry(row.kind.clone()).or_default();
        let place = match row.kind.as_str() {
            "epoch" => row.epoch.or(row.step),
            _ => row.step.or(row.epoch),
        };
        let step = place.unwrap_or(*count);
        *count += 1;
        let value = |(name, value): &(String, f64)| Value {
            tag: format!("{}/{name}", row.kind),
            simple_value: Some(*value as f32),
        };
        stream.push(&Event {
            wall_time: now,
            step,
            file_version: None,
            summary: Some(Summary {
                value: row.values.iter().map(value).collect(),
            }),
        });
    }

    /// Appends to the files what they lack.
    pub fn flush(&mut self) -> Result<()> {
        self.streams.values_mut().try_for_each(Stream::flush)
    }

    fn stream(&mut self, model: &str, now: f64) -> &mut Stream {
        if !self.streams.contains_key(model) {
            let own = if model.is_empty() { "run" } else { model };
            let folder = self.folder.join(plain_name(own));
            let name = format!("events.out.tfevents.{}.{}", now as u64, host());
            let mut stream = Stream {
                path: folder.join(name),
                file: None,
                waiting: Vec::new(),
                rows: BTreeMap::new(),
            };
            stream.push(&Event {
                wall_time: now,
                file_version: Some("brain.Event:2".to_owned()),
                ..Event::default()
            });
            self.streams.insert(model.to_owned(), stream);
        }
        self.streams
            .get_mut(model)
            .expect("it was added where it was missing")
    }
}

impl Stream {
    fn push(&mut self, event: &Event) {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        for part in [&length[..], &data] {
            self.waiting.extend(part);
            self.waiting.extend(masked_crc(part).to_le_bytes());
        }
    }

    fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let failed = |error| Error::io(&self.path, &error);
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let folder = self.path.parent().unwrap_or(Path::new("."));
                fs::create_dir_all(folder).map_err(failed)?;
                let file = File::options().create(true).append(true).open(&self.path);
                none.insert(file.map_err(failed)?)
            }
        };
        file.write_all(&self.waiting).map_err(failed)?;
        self.waiting.clear();
        Ok(())
    }
}

/// A CRC of data that holds CRCs itself would be weak: TFRecords rotate it and add a constant.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

// The fields of TensorFlow's messages that are used here.

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, so that a 0 is written, too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C bit by bit, from its definition: the Castagnoli polynomial, reflected.
    fn crc(data: &[u8]) -> u32 {
        !data.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
            })
        })
    }

    fn unmasked(bytes: &[u8]) -> u32 {
        let masked = u32::from_le_bytes(bytes.try_into().unwrap());
        masked.wrapping_sub(0xa282_ead8).rotate_left(15)
    }

    /// The data of each record, lengths and sums checked.
    fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(unmasked(sum), crc(length));
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let (data, rest) = rest.split_at(length as usize);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(unmasked(sum), crc(data));
            found.push(data);
            bytes = rest;
        }
        found
    }

    /// The fields of a protobuf message by number, as bytes; numbers keep their eight or four.
    fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                0 => {
                    let value = varint(&mut bytes).to_le_bytes().to_vec();
                    found.push(((key >> 3) as u8, value));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            found.push(((key >> 3) as u8, bytes[..length].to_vec()));
            bytes = &bytes[length..];
        }
        found
    }

    /// Step, tag and value of each summary of a file.
    fn scalars(path: &Path) -> Vec<(i64, String, f32)> {
        let bytes = fs::read(path).unwrap();
        let records = records(&bytes);
        let first = fields(records[0]);
        assert_eq!(first[1], (3, b"brain.Event:2".to_vec()));
        let mut found = Vec::new();
        for record in &records[1..] {
            let event = fields(record);
            let get = |number| event.iter().find(|it| it.0 == number).map(|it| &it.1[..]);
            let wall_time = f64::from_le_bytes(get(1).unwrap().try_into().unwrap());
            assert!(wall_time > 1.6e9);
            // proto3 leaves a 0 out.
            let step = get(2).map_or(0, |it| i64::from_le_bytes(it.try_into().unwrap()));
            for (number, value) in fields(get(5).unwrap()) {
                assert_eq!(number, 1);
                let value = fields(&value);
                let [(1, tag), (2, number)] = &value[..] else {
                    panic!("{value:?}")
                };
                let tag = String::from_utf8(tag.clone()).unwrap();
                let number = f32::from_le_bytes(number[..].try_into().unwrap());
                found.push((step, tag, number));
            }
        }
        found
    }

    fn row(
        kind: &str,
        model: &str,
        place: [Option<i64>; 2],
        values: &[(&str, f64)],
    ) -> Measurement {
        let named = values.iter().map(|(name, value)| ((*name).into(), *value));
        Measurement {
            kind: kind.into(),
            model: model.into(),
            epoch: place[0],
            step: place[1],
            values: named.collect(),
        }
    }

    fn only_file(folder: PathBuf) -> PathBuf {
        let mut files = fs::read_dir(&folder).unwrap();
        let path = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(name.starts_with("events.out.tfevents.1"), "{name}");
        path
    }

    #[test]
    fn the_sum_is_that_of_rfc_3720() {
        // Its appendix B.4: 32 bytes of zeros.
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn rows_are_found_again_at_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::new(folder.path().to_owned());
        let both = [("loss", 2.5), ("lr", 0.0)];
        board.add(&row("step", "Adv+", [Some(0), Some(0)], &both));
        board.add(&row("step", "Adv+", [Some(0), Some(300)], &both[..1]));
        board.flush().unwrap();
        board.add(&row("epoch", "Adv+", [Some(4), None], &[("loss", 0.25)]));
        board.add(&row("mood", "Adv+", [None, None], &[("joy", 1.0)]));
        board.add(&row("mood", "Adv+", [None, None], &[("joy", f64::NAN)]));
        board.add(&row("epoch", "../x", [Some(1), None], &[("loss", 1.0)]));
        board.add(&row("epoch", "..?x", [Some(2), None], &[("loss", 2.0)]));
        board.flush().unwrap();
        board.flush().unwrap();

        let own = scalars(&only_file(folder.path().join("Adv+")));
        let place = |(step, tag, _): &(i64, String, f32)| format!("{tag} {step}");
        let places: Vec<String> = own.iter().map(place).collect();
        let expected = [
            "step/loss 0",
            "step/lr 0",
            "step/loss 300",
            "epoch/loss 4",
            "mood/joy 0",
        ];
        assert_eq!(places[..5], expected);
        assert_eq!(places[5], "mood/joy 1");
        let values: Vec<f32> = own.iter().map(|it| it.2).collect();
        assert_eq!(values[..5], [2.5, 0.0, 2.5, 0.25, 1.0]);
        assert!(values[5].is_nan());

        // Names that are no folders, and two that give the same.
        let first = scalars(&only_file(folder.path().join(plain_name("../x"))));
        assert_eq!(first, [(1, "epoch/loss".to_owned(), 1.0)]);
        let second = scalars(&only_file(folder.path().join(plain_name("..?x"))));
        assert_eq!(second, [(2, "epoch/loss".to_owned(), 2.0)]);
    }
}
